// SPDX-License-Identifier: Apache-2.0
// What is pushed into a stream, and pulled from it, by kinds that follow each other: for the
// targets of streams without a header.
#pragma once

#include <memory>
#include <vector>

#include "coder/decoder.h"
#include "coder/integer_codes.h"
#include "coder/large_table.h"
#include "coder/parametric.h"
#include "pool.h"

namespace fastcoder::fuzz {

// So many values of one kind. All are kept as int64, bits of 64-bit numbers included.
struct Step {
  enum class Kind { kTable, kLargeTable, kParametric, kIntervals, kInteger };
  Kind kind = Kind::kTable;
  TablePointer table;
  std::shared_ptr<const LargeTable> large;
  std::shared_ptr<const ParametricModel> model;
  std::shared_ptr<const IntegerCode> code;
  uint32_t precision = 16;  // of intervals, which are all
  uint32_t log2_width = 0;  // 2^log2_width wide
  std::vector<int64_t> indexes;
  std::vector<int64_t> values;
};

struct Program {
  std::vector<Step> steps;
  std::vector<uint8_t> stream;
  bool check = false;
};

inline constexpr uint64_t kPrograms = 512;
// Programs 2i and 2i + 1 have the same steps, and other values.
const Program& program(uint64_t number);

std::vector<std::shared_ptr<const LargeTable>>& large_tables();
// Numbers below 2^64 of every length.
uint64_t draw_integer(Random& random, const IntegerCode& code);

// Pulls values [first, first + count) of a step, and appends them. For a model with as many
// distributions as values, all of them at once.
void pull(Decoder& decoder, const Step& step, uint64_t first, uint64_t count,
          std::vector<int64_t>& values);

// Whether the step can be pulled in pieces.
bool divisible(const Step& step);

}  // namespace fastcoder::fuzz
