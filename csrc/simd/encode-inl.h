// SPDX-License-Identifier: Apache-2.0
// Encoding with dense rows and float division, written once against `Vec`: the mirror image of
// decode-inl.h, last symbol first.
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
template <uint32_t kLanes, class Index>
[[gnu::noinline]] void escape_lanes(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first,
                                    uint64_t open, const uint32_t* symbols, uint32_t* entries) {
  const TableView& table = *block.table;
  while (open != 0) {
    const uint32_t lane = 63 - static_cast<uint32_t>(__builtin_clzll(open));
    open ^= uint64_t{1} << lane;
    const RowView& row = table.rows[row_or_fault<Index>(block, lanes, first + lane)];
    leave_row(table, row, static_cast<int32_t>(symbols[lane]), lanes);
    entries[lane] = last_entry<Narrow>(table, row);
  }
}

// Encodes whole groups of symbols [first, last); the first belongs to lane 0.
template <uint32_t kVectors, class Symbol, class Index>
void encode_groups(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first, uint64_t last) {
  using U32 = Vec::U32;
  constexpr uint32_t kWidth = Vec::kWidth;
  constexpr uint32_t kLanes = kVectors * kWidth;
  constexpr uint32_t kPrecision = Narrow::kPrecision;
  constexpr uint32_t kAllOfVector = static_cast<uint32_t>(kAllLanes<kWidth>);
  const FastView& fast = *block.table->fast;
  const U32 stride = Vec::splat(fast.dense_stride);
  const U32 low = Vec::splat(static_cast<uint32_t>(fast.dense_low));
  const U32 high = Vec::splat(static_cast<uint32_t>(fast.dense_high));
  const U32 low_mask = Vec::splat(0xFFFF);
  const U32 inverse = Vec::splat(kHashInverse);
  const Symbol* symbols = static_cast<const Symbol*>(block.symbols);
  Rows<Index> rows(block.indexes, *block.table);

  uint32_t spill[kLanes];
  U32 state[kVectors];
  U32 hash[kVectors];
  load_vectors(lanes, state, hash);
  uint8_t* cursor = lanes.cursor;

  for (uint64_t i = last; i > first;) {
    i -= kLanes;
    prefetch_group<kLanes>(symbols, i, -kPrefetchBytes);
    prefetch_group<kLanes>(static_cast<const Index*>(block.indexes), i, -kPrefetchBytes);
    U32 entry[kVectors];
    uint64_t open = 0;
    FASTCODER_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      const U32 symbol = Vec::widen(symbols + i + v * kWidth);
      const U32 row = rows.at(i + v * kWidth);
      const U32 place = Vec::sub(Vec::clamp_signed(symbol, low, high), low);
      entry[v] = Vec::gather(fast.dense, Vec::add(Vec::mul(row, stride), place));
      hash[v] = Vec::add(Vec::mul(hash[v], inverse), symbol);
      open |=
          static_cast<uint64_t>(Vec::bits(Vec::is_zero(Vec::template shift_right<16>(entry[v]))))
          << (v * kWidth);
    }
    if (FASTCODER_UNLIKELY(open != 0)) {
      uint32_t entries[kLanes];
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        Vec::store(entries + v * kWidth, entry[v]);
        Vec::store(spill + v * kWidth, Vec::widen(symbols + i + v * kWidth));
      }
      escape_lanes<kLanes, Index>(block, lanes, i, open, spill, entries);
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) entry[v] = Vec::load(entries + v * kWidth);
    }
    FASTCODER_UNROLL
    for (uint32_t u = 0; u < kVectors; ++u) {
      const uint32_t v = kVectors - 1 - u;
      const U32 frequency = Vec::template shift_right<16>(entry[v]);
      const U32 start = Vec::both(entry[v], low_mask);
      const auto keeps = Vec::less(
          Vec::template shift_right<Narrow::kStateBits - kPrecision>(state[v]), frequency);
      Vec::emit(state[v], Vec::bits(keeps) ^ kAllOfVector, cursor);
      const U32 x = Vec::select(keeps, state[v], Vec::template shift_right<16>(state[v]));
      // One or none below the quotient; then the remainder tells.
      const U32 guess = Vec::quotient_below(x, frequency);
      const U32 rest = Vec::sub(x, Vec::mul(guess, frequency));
      const auto exact = Vec::less(rest, frequency);
      const U32 quotient = Vec::increment_unless(exact, guess);
      const U32 remainder = Vec::sub(rest, Vec::keep_unless(exact, frequency));
      state[v] =
          Vec::add(Vec::template shift_left<kPrecision>(quotient), Vec::add(remainder, start));
    }
  }
  if (!rows.all_exist()) lanes.fault = 1;
  lanes.cursor = cursor;
  store_vectors(lanes, state, hash);
}

template <class Symbol, class Index>
void encode_vectors(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first, uint64_t last) {
  constexpr uint32_t kMost = kMaxLanes / Vec::kWidth;
  const uint32_t vectors = lanes.lanes / Vec::kWidth;
  if (vectors == kMost) return encode_groups<kMost, Symbol, Index>(block, lanes, first, last);
  if constexpr (kMost > 4) {
    if (vectors == 4) return encode_groups<4, Symbol, Index>(block, lanes, first, last);
  }
  if constexpr (kMost > 2) {
    if (vectors == 2) return encode_groups<2, Symbol, Index>(block, lanes, first, last);
  }
  encode_groups<1, Symbol, Index>(block, lanes, first, last);
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
