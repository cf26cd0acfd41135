// SPDX-License-Identifier: Apache-2.0
// Decoding with bucket64 tables, written once against `Vec`. A group is one symbol of every lane,
// held in kVectors vectors: the loads of one vector hide behind the arithmetic of the others.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "format/params.h"
#include "format/symbol_hash.h"
#include "simd/generic-inl.h"
#include "simd/kernel_table.h"
#include "simd/vector_lanes.h"
#include "simd/words.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// What a lookup leaves for one symbol of each lane.
template <uint32_t kLanes>
struct Lookup {
  uint32_t remainder[kLanes];  // value - start
  uint32_t frequency[kLanes];
  uint32_t symbol[kLanes];  // the int32 as it is
};

// Looks up the lanes in `open` in the cdf: crowded buckets and escapes. `value` is a lane's slot
// value at 14 bits. False for a fault. Not inlined: it runs once in a few hundred symbols.
template <uint32_t kLanes, class Symbol, class Index>
[[gnu::noinline]] bool look_up_slowly(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first,
                                      uint64_t open, const uint32_t* values,
                                      Lookup<kLanes>& lookup) {
  const TableView& table = *block.table;
  for (; open != 0; open &= open - 1) {
    const uint32_t lane = static_cast<uint32_t>(__builtin_ctzll(open));
    const uint64_t index = RowOf<Index>::at(block.indexes, first + lane);
    if (!RowOf<Index>::exists(index, table)) return false;
    const RowView& row = table.rows[index];
    const Found found = look_up<Narrow>(table, row, values[lane], lanes);
    if (found.frequency == 0 || found.symbol != static_cast<Symbol>(found.symbol)) return false;
    lookup.remainder[lane] = values[lane] - found.start;
    lookup.frequency[lane] = found.frequency;
    lookup.symbol[lane] = static_cast<uint32_t>(found.symbol);
  }
  return true;
}

// Decodes whole groups of symbols [first, last); the first belongs to lane 0. False for a fault:
// then no lane has changed, but escapes may have been read.
template <uint32_t kVectors, class Symbol, class Index>
bool decode_groups(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first, uint64_t last) {
  using U32 = Vec::U32;
  constexpr uint32_t kWidth = Vec::kWidth;
  constexpr uint32_t kLanes = kVectors * kWidth;
  constexpr uint32_t kPrecision = Narrow::kPrecision;
  constexpr uint32_t kAllOfVector = static_cast<uint32_t>(kAllLanes<kWidth>);
  const FastView& fast = *block.table->fast;
  const auto row_shift = Vec::count(fast.bucket_bits);
  const auto bucket_shift = Vec::count(kPrecision - fast.bucket_bits);
  const U32 value_mask = Vec::splat((1u << kPrecision) - 1);
  const U32 low_mask = Vec::splat(0xFFFF);
  const U32 multiplier = Vec::splat(kHashMultiplier);
  Symbol* symbols = static_cast<Symbol*>(block.symbols);
  Rows<Index> rows(block.indexes, *block.table);

  uint32_t spill[kLanes];
  U32 state[kVectors];
  U32 hash[kVectors];
  load_vectors(lanes, state, hash);
  GroupWords words(lanes.words, lanes.words_end);
  const uint8_t* cursor = lanes.words;

  for (uint64_t i = first; i < last; i += kLanes) {
    if (!words.ready(cursor)) return false;
    prefetch_group<kLanes>(static_cast<const Index*>(block.indexes), i, kPrefetchBytes);
    U32 remainder[kVectors];
    U32 frequency[kVectors];
    U32 symbol[kVectors];
    uint64_t open = 0;
    FASTCODER_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      const U32 row = rows.at(i + v * kWidth);
      const U32 value = Vec::both(state[v], value_mask);
      const U32 row_begin =
          Vec::add(Vec::shift_left(row, row_shift), Vec::shift_left<kRowPadBits>(row));
      U32 low;
      U32 high;
      Vec::gather_entries(fast.buckets, Vec::add(row_begin, Vec::shift_right(value, bucket_shift)),
                          low, high);
      const U32 frequency0 = Vec::template shift_right<16>(low);
      const U32 past = Vec::sub(value, Vec::both(low, low_mask));
      const auto in_first = Vec::less(past, frequency0);
      remainder[v] = Vec::sub(past, Vec::keep_unless(in_first, frequency0));
      frequency[v] = Vec::select(in_first, frequency0, Vec::both(high, low_mask));
      symbol[v] = Vec::increment_unless(in_first, Vec::template shift_right_signed<16>(high));
      open |= static_cast<uint64_t>(Vec::bits(Vec::less(remainder[v], frequency[v])))
              << (v * kWidth);
    }
    open ^= kAllLanes<kLanes>;
    if (FASTCODER_UNLIKELY(open != 0)) {
      Lookup<kLanes> lookup;
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        Vec::store(spill + v * kWidth, Vec::both(state[v], value_mask));
        Vec::store(lookup.remainder + v * kWidth, remainder[v]);
        Vec::store(lookup.frequency + v * kWidth, frequency[v]);
        Vec::store(lookup.symbol + v * kWidth, symbol[v]);
      }
      if (!look_up_slowly<kLanes, Symbol, Index>(block, lanes, i, open, spill, lookup))
        return false;
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        remainder[v] = Vec::load(lookup.remainder + v * kWidth);
        frequency[v] = Vec::load(lookup.frequency + v * kWidth);
        symbol[v] = Vec::load(lookup.symbol + v * kWidth);
      }
    }
    FASTCODER_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      const U32 popped = Vec::add(
          Vec::mul(Vec::template shift_right<kPrecision>(state[v]), frequency[v]), remainder[v]);
      state[v] = Vec::refill(popped, Vec::is_zero(Vec::template shift_right<16>(popped)), cursor);
      hash[v] = Vec::add(Vec::mul(hash[v], multiplier), symbol[v]);
      Vec::narrow(symbols + i + v * kWidth, symbol[v]);
    }
    // The rows of a FastView are int16, so only int8 can be too narrow for them.
    if constexpr (sizeof(Symbol) == 1) {
      uint32_t misfit = 0;
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        const U32 above = Vec::add(symbol[v], Vec::splat(128));
        misfit |= Vec::bits(Vec::is_zero(Vec::template shift_right<8>(above))) ^ kAllOfVector;
      }
      if (FASTCODER_UNLIKELY(misfit != 0)) return false;
    }
  }
  if (!words.ready(cursor) || !rows.all_exist()) return false;
  lanes.words = words.position(cursor);
  store_vectors(lanes, state, hash);
  return true;
}

template <class Symbol, class Index>
bool decode_vectors(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first, uint64_t last) {
  constexpr uint32_t kMost = kMaxLanes / Vec::kWidth;
  const uint32_t vectors = lanes.lanes / Vec::kWidth;
  if (vectors == kMost) return decode_groups<kMost, Symbol, Index>(block, lanes, first, last);
  if constexpr (kMost > 4) {
    if (vectors == 4) return decode_groups<4, Symbol, Index>(block, lanes, first, last);
  }
  if constexpr (kMost > 2) {
    if (vectors == 2) return decode_groups<2, Symbol, Index>(block, lanes, first, last);
  }
  return decode_groups<1, Symbol, Index>(block, lanes, first, last);
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
