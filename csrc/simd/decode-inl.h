// SPDX-License-Identifier: Apache-2.0
// Decoding with bucket64 tables, written once against `V`, a Vec of vec_*.h, and for both widths of
// state. A group is one symbol of every lane, held in kVectors vectors: the loads of one vector
// hide behind the arithmetic of the others.
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

// Looks up the lanes in `open` in the cdf: crowded buckets, escapes and frequencies of 2^16. False
// for a fault. Not inlined: it runs once in a few hundred symbols.
template <class Width, uint32_t kLanes, class Symbol, class Index>
[[gnu::noinline]] bool look_up_slowly(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first,
                                      uint64_t open, const uint32_t* values,
                                      Lookup<kLanes>& lookup) {
  const TableView& table = *block.table;
  for (; open != 0; open &= open - 1) {
    const uint32_t lane = static_cast<uint32_t>(__builtin_ctzll(open));
    const uint64_t index = RowOf<Index>::at(block.indexes, first + lane);
    if (!RowOf<Index>::exists(index, table)) return false;
    const RowView& row = table.rows[index];
    const Found found = look_up<Width>(table, row, values[lane], lanes);
    if (found.frequency == 0 || found.symbol != static_cast<Symbol>(found.symbol)) return false;
    lookup.remainder[lane] = values[lane] - found.start;
    lookup.frequency[lane] = found.frequency;
    lookup.symbol[lane] = static_cast<uint32_t>(found.symbol);
  }
  return true;
}

// Decodes whole groups of symbols [first, last); the first belongs to lane 0. False for a fault:
// then no lane has changed, but escapes may have been read.
template <class V, class Width, uint32_t kVectors, class Symbol, class Index>
bool decode_groups(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first, uint64_t last) {
  using U32 = typename V::U32;
  constexpr uint32_t kWidth = V::kWidth;
  constexpr uint32_t kLanes = kVectors * kWidth;
  const FastView& fast = *block.table->fast;
  const auto row_shift = V::count(fast.bucket_bits);
  const auto bucket_shift = V::count(Width::kPrecision - fast.bucket_bits);
  const U32 low_mask = V::splat(0xFFFF);
  const U32 multiplier = V::splat(kHashMultiplier);
  Symbol* symbols = static_cast<Symbol*>(block.symbols);
  Rows<V, Index> rows(block.indexes, *block.table);

  typename StatesOf<V, Width>::Type state[kVectors];
  U32 hash[kVectors];
  load_vectors<V>(lanes, state, hash);
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
      const U32 value = state[v].value();
      U32 entry = V::shift_right(value, bucket_shift);
      if constexpr (!kOneRow<Index>) {
        const U32 row = rows.at(i + v * kWidth);
        const U32 row_begin =
            V::add(V::shift_left(row, row_shift), V::template shift_left<kRowPadBits>(row));
        entry = V::add(row_begin, entry);
      }
      U32 low;
      U32 high;
      V::gather_entries(fast.buckets, entry, low, high);
      const U32 frequency0 = V::template shift_right<16>(low);
      const U32 past = V::sub(value, V::both(low, low_mask));
      const auto in_first = V::less(past, frequency0);
      remainder[v] = V::sub(past, V::keep_unless(in_first, frequency0));
      frequency[v] = V::select(in_first, frequency0, V::both(high, low_mask));
      symbol[v] = V::increment_unless(in_first, V::template shift_right_signed<16>(high));
      open |= static_cast<uint64_t>(V::bits(V::less(remainder[v], frequency[v]))) << (v * kWidth);
    }
    open ^= kAllLanes<kLanes>;
    if (FASTCODER_UNLIKELY(open != 0)) {
      uint32_t values[kLanes];
      Lookup<kLanes> lookup;
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        V::store(values + v * kWidth, state[v].value());
        V::store(lookup.remainder + v * kWidth, remainder[v]);
        V::store(lookup.frequency + v * kWidth, frequency[v]);
        V::store(lookup.symbol + v * kWidth, symbol[v]);
      }
      if (!look_up_slowly<Width, kLanes, Symbol, Index>(block, lanes, i, open, values, lookup)) {
        return false;
      }
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        remainder[v] = V::load(lookup.remainder + v * kWidth);
        frequency[v] = V::load(lookup.frequency + v * kWidth);
        symbol[v] = V::load(lookup.symbol + v * kWidth);
      }
    }
    FASTCODER_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      state[v].pop(frequency[v], remainder[v], cursor);
      hash[v] = V::add(V::mul(hash[v], multiplier), symbol[v]);
      V::narrow(symbols + i + v * kWidth, symbol[v]);
    }
    // The rows of a FastView are int16, so only int8 can be too narrow for them.
    if constexpr (sizeof(Symbol) == 1) {
      uint32_t misfit = 0;
      FASTCODER_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        const U32 above = V::add(symbol[v], V::splat(128));
        misfit |= V::bits(V::is_zero(V::template shift_right<8>(above))) ^ kAllOfVector<V>;
      }
      if (FASTCODER_UNLIKELY(misfit != 0)) return false;
    }
  }
  if (!words.ready(cursor) || !rows.all_exist()) return false;
  lanes.words = words.position(cursor);
  store_vectors<V>(lanes, state, hash);
  return true;
}

template <class V, class Width, class Symbol, class Index>
bool decode_vectors(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first, uint64_t last) {
  constexpr uint32_t kMost = kMaxLanes / V::kWidth;
  const uint32_t vectors = lanes.lanes / V::kWidth;
  if (vectors == kMost) {
    return decode_groups<V, Width, kMost, Symbol, Index>(block, lanes, first, last);
  }
  if constexpr (kMost > 4) {
    if (vectors == 4) return decode_groups<V, Width, 4, Symbol, Index>(block, lanes, first, last);
  }
  if constexpr (kMost > 2) {
    if (vectors == 2) return decode_groups<V, Width, 2, Symbol, Index>(block, lanes, first, last);
  }
  return decode_groups<V, Width, 1, Symbol, Index>(block, lanes, first, last);
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
