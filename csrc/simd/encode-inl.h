// SPDX-License-Identifier: Apache-2.0
// Encoding with dense rows and float division, written once against `V`, a Vec of vec_*.h, and for
// both widths of state: the mirror image of decode-inl.h, last symbol first.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "format/params.h"
#include "format/symbol_hash.h"
#include "simd/generic-inl.h"
#include "simd/kernel_table.h"
#include "simd/vector_lanes.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// Finds the last slots' entries for the lanes in `open`, last first, and notes their escapes.
// False, and nothing noted, if one of them has a frequency of 2^16, which an entry cannot hold.
template <class Width, uint32_t kLanes, class Index>
[[gnu::noinline]] bool escape_lanes(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first,
                                    uint64_t open, const uint32_t* symbols, uint32_t* entries) {
  const TableView& table = *block.table;
  const uint64_t noted = lanes.escape_count;
  while (open != 0) {
    const uint32_t lane = 63 - static_cast<uint32_t>(__builtin_clzll(open));
    open ^= uint64_t{1} << lane;
    const RowView& row = table.rows[row_or_fault<Index>(block, lanes, first + lane)];
    if (is_whole<Width>(row)) {
      lanes.escape_count = noted;
      return false;
    }
    leave_row(table, row, static_cast<int32_t>(symbols[lane]), lanes);
    entries[lane] = last_entry<Width>(table, row);
  }
  return true;
}

// Encodes whole groups of symbols [first, last); the first belongs to lane 0.
template <class V, class Width, uint32_t kVectors, class Symbol, class Index>
void encode_groups(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first, uint64_t last) {
  using U32 = typename V::U32;
  constexpr uint32_t kWidth = V::kWidth;
  constexpr uint32_t kLanes = kVectors * kWidth;
  const FastView& fast = *block.table->fast;
  const U32 stride = V::splat(fast.dense_stride);
  const U32 low = V::splat(static_cast<uint32_t>(fast.dense_low));
  const U32 last_place = V::splat(static_cast<uint32_t>(fast.dense_high - fast.dense_low));
  const U32 low_mask = V::splat(0xFFFF);
  const U32 inverse = V::splat(kHashInverse);
  const Symbol* symbols = static_cast<const Symbol*>(block.symbols);
  Rows<V, Index> rows(block.indexes, *block.table);

  typename StatesOf<V, Width>::Type state[kVectors];
  U32 hash[kVectors];
  load_vectors<V>(lanes, state, hash);
  uint8_t* cursor = lanes.cursor;

  for (uint64_t i = last; i != first;) {  // not i > first: see encode_serial
    i -= kLanes;
    prefetch_group<kLanes>(symbols, i, -kPrefetchBytes);
    prefetch_group<kLanes>(static_cast<const Index*>(block.indexes), i, -kPrefetchBytes);
    U32 entry[kVectors];
    uint64_t open = 0;
    FASTCODER_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      const U32 symbol = V::widen(symbols + i + v * kWidth);
      // What is below the lowest symbol wraps, and is then above the highest.
      U32 place = V::min(V::sub(symbol, low), last_place);
      if constexpr (!kOneRow<Index>) {
        const U32 row = rows.at(i + v * kWidth);
        place = V::add(V::mul(row, stride), place);
      }
      entry[v] = V::gather(fast.dense, place);
      open |= static_cast<uint64_t>(V::bits(V::is_zero(V::template shift_right<16>(entry[v]))))
              << (v * kWidth);
    }
    if (FASTCODER_UNLIKELY(open != 0)) {
      uint32_t entries[kLanes];
      uint32_t escaped[kLanes];
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        V::store(entries + v * kWidth, entry[v]);
        V::store(escaped + v * kWidth, V::widen(symbols + i + v * kWidth));
      }
      if (!escape_lanes<Width, kLanes, Index>(block, lanes, i, open, escaped, entries)) {
        lanes.cursor = cursor;
        store_vectors<V>(lanes, state, hash);
        encode_part<Width, Symbol, Index>(block, lanes, i, i + kLanes);
        load_vectors<V>(lanes, state, hash);
        cursor = lanes.cursor;
        continue;
      }
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) entry[v] = V::load(entries + v * kWidth);
    }
    FASTCODER_UNROLL
    for (uint32_t u = 0; u < kVectors; ++u) {
      const uint32_t v = kVectors - 1 - u;
      const U32 symbol = V::widen(symbols + i + v * kWidth);
      hash[v] = V::add(V::mul(hash[v], inverse), symbol);
      state[v].push(V::template shift_right<16>(entry[v]), V::both(entry[v], low_mask), cursor);
    }
  }
  if (!rows.all_exist()) lanes.fault = 1;
  lanes.cursor = cursor;
  store_vectors<V>(lanes, state, hash);
}

template <class V, class Width, class Symbol, class Index>
void encode_vectors(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first, uint64_t last) {
  constexpr uint32_t kMost = kMaxLanes / V::kWidth;
  const uint32_t vectors = lanes.lanes / V::kWidth;
  if (vectors == kMost) {
    return encode_groups<V, Width, kMost, Symbol, Index>(block, lanes, first, last);
  }
  if constexpr (kMost > 4) {
    if (vectors == 4) return encode_groups<V, Width, 4, Symbol, Index>(block, lanes, first, last);
  }
  if constexpr (kMost > 2) {
    if (vectors == 2) return encode_groups<V, Width, 2, Symbol, Index>(block, lanes, first, last);
  }
  encode_groups<V, Width, 1, Symbol, Index>(block, lanes, first, last);
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
