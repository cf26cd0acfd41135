// SPDX-License-Identifier: Apache-2.0
// Valid tables and messages for the fuzz targets, made once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "coder/cdf_table.h"
#include "coder/encoder.h"
#include "fuzz.h"

namespace fastcoder::fuzz {

using TablePointer = std::shared_ptr<const CdfTable>;

// Tables of every kind: precision 1 to 16, with and without escapes, rows of one slot and of many,
// offsets at the ends of int32. Their views for coding are built.
const std::vector<TablePointer>& tables();

struct Message {
  TablePointer table;
  std::vector<int64_t> indexes;
  std::vector<int32_t> symbols;

  uint64_t count() const { return symbols.size(); }
};

// Symbols that follow their rows, and a few that do not where there are escapes.
Message draw_message(Random& random, TablePointer table, uint64_t count);
std::vector<int32_t> draw_symbols(Random& random, const CdfTable& table,
                                  std::span<const int64_t> indexes);
// Mostly short, now and then longer than a block.
uint64_t draw_count(Random& random);
EncodeOptions draw_options(Random& random);

struct OneShot {
  Message message;
  std::vector<uint8_t> stream;
};

// Messages 2i and 2i + 1 have the same table and the same indexes.
inline constexpr uint64_t kPool = 1024;
const OneShot& one_shot(uint64_t number);

// The symbol hash (docs/format.md 5) of what a stream holds, from its flags and its symbols.
uint32_t hash_of(std::span<const uint8_t> stream, std::span<const int32_t> symbols);

// Whether other symbols may have the same hash by more than bad luck: each lane is a polynomial in
// an odd number modulo 2^32, so that two errors that are multiples of 2^k cancel once in 2^(32-k).
// Escapes with distances near 2^32 make such errors; a single wrong symbol never does.
template <class Symbol, class Other>
bool hash_may_agree(std::span<const Symbol> symbols, std::span<const Other> others) {
  uint64_t wrong = 0;
  uint64_t differences = 0;
  if (symbols.size() != others.size()) return false;
  for (size_t i = 0; i < symbols.size(); ++i) {
    const uint64_t difference =
        static_cast<uint64_t>(int64_t{symbols[i]}) - static_cast<uint64_t>(int64_t{others[i]});
    wrong += difference != 0;
    differences |= difference;
  }
  return wrong != 1 && differences % 256 == 0;
}

// The one-shot header for `count` symbols in front of a stream.
std::vector<uint8_t> with_header(std::span<const uint8_t> stream, const CdfTable& table,
                                 uint32_t hash, uint64_t count);
// Bytes of the header of a whole one-shot stream.
size_t header_bytes(std::span<const uint8_t> one_shot);

}  // namespace fastcoder::fuzz
