// SPDX-License-Identifier: Apache-2.0
// What symbols cost under a quantized table, without coding them.
#pragma once

#include <cstdint>
#include <vector>

#include "coder/spans.h"

namespace fastcoder {

// Bits of a part: the sum of -log2 of the quantized probabilities of its symbols. A symbol outside
// its row costs the escape slot, and one bit for the side and the Elias-gamma code of its
// distance d >= 1 to the row: 2 floor(log2 d) + 2 bits. What a stream adds (header, states, hash)
// is not counted.
//
// Summed in order in double precision: the same bits on every machine. Throws Error(kIndexRange) or
// Error(kSymbolRange) that names the first bad position.
double cost(const Part& part);

// The same, told apart by row.
struct RowCost {
  uint64_t symbols = 0;
  uint64_t escapes = 0;      // of them
  double bits = 0.0;         // of slots: the escape slot, where it is one
  double escape_bits = 0.0;  // that follow the escape slots
};

std::vector<RowCost> cost_of_rows(const Part& part);

}  // namespace fastcoder
