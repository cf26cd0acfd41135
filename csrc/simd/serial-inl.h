// SPDX-License-Identifier: Apache-2.0
// Kernels on plain integers with the lookups of FastView: for few lanes, for 48-bit states, and for
// machines without vectors. A step takes one symbol each of kStep lanes, all of them or eight; they
// are independent, so that a processor overlaps them.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "format/params.h"
#include "format/rans_step.h"
#include "format/symbol_hash.h"
#include "simd/generic-inl.h"
#include "simd/kernel_table.h"
#include "simd/words.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// Whether the FastView of a table is at the working precision of a stream.
template <class Width>
FASTCODER_ALWAYS_INLINE bool has_fast_view(const TableView& table) {
  const bool narrow_table = table.precision <= Narrow::kPrecision;
  return table.fast != nullptr && narrow_table == (Width::kPrecision == Narrow::kPrecision);
}

// Decodes whole groups of symbols [first, last); the first belongs to lane 0. False for a fault:
// then no lane has changed, but escapes may have been read.
template <class Width, uint32_t kStep, class Symbol, class Index>
bool decode_serial(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first, uint64_t last) {
  using State = typename Width::State;
  constexpr State kValueMask = (State{1} << Width::kPrecision) - 1;
  const TableView& table = *block.table;
  const uint64_t* buckets = table.fast->buckets;
  const uint32_t row_shift = table.fast->bucket_bits;
  const uint32_t bucket_shift = Width::kPrecision - row_shift;
  Symbol* symbols = static_cast<Symbol*>(block.symbols);
  constexpr uint32_t kRoom = kStep < 8 ? kStep : kMaxLanes;
  const uint32_t last_lane = kStep < 8 ? kStep - 1 : lanes.lanes - 1;
  State states[kRoom];
  uint32_t hashes[kRoom];
  load_lanes(lanes, states, hashes);
  GroupWords words(lanes.words, lanes.words_end);
  const uint8_t* cursor = lanes.words;

  uint32_t base = 0;  // lane of symbol i
  for (uint64_t i = first; i < last; i += kStep) {
    if (!words.ready(cursor)) return false;
    FASTCODER_UNROLL
    for (uint32_t k = 0; k < kStep; ++k) {
      const uint32_t lane = base + k;
      const uint64_t row = RowOf<Index>::at(block.indexes, i + k);
      if (!RowOf<Index>::exists(row, table)) return false;
      const State state = states[lane];
      const uint32_t value = static_cast<uint32_t>(state & kValueMask);
      const uint64_t entry =
          buckets[(row << row_shift) + (row << kRowPadBits) + (value >> bucket_shift)];
      const uint32_t past = value - static_cast<uint32_t>(entry & 0xFFFF);
      const uint32_t frequency0 = static_cast<uint32_t>(entry >> 16 & 0xFFFF);
      const uint32_t in_second = past >= frequency0;
      // Masks, not branches: which of two slots it is cannot be predicted.
      uint32_t frequency = in_second ? static_cast<uint32_t>(entry >> 32 & 0xFFFF) : frequency0;
      uint32_t remainder = past - (frequency0 & (0u - in_second));
      int32_t symbol =
          static_cast<int32_t>(static_cast<int64_t>(entry) >> 48) + static_cast<int32_t>(in_second);
      if (FASTCODER_UNLIKELY(remainder >= frequency)) {
        const Found found = look_up<Width>(table, table.rows[row], value, lanes);
        if (found.frequency == 0 || found.symbol != static_cast<Symbol>(found.symbol)) return false;
        frequency = found.frequency;
        remainder = value - found.start;
        symbol = static_cast<int32_t>(found.symbol);
      }
      // The rows of a FastView are int16, so only int8 can be too narrow for them.
      if (sizeof(Symbol) == 1 && FASTCODER_UNLIKELY(symbol != static_cast<Symbol>(symbol))) {
        return false;
      }
      const State popped = static_cast<State>(frequency * (state >> Width::kPrecision) + remainder);
      const State refilled = static_cast<State>(popped << kWordBits | load_u16(cursor));
      const bool needs_word = popped < Width::kLower;
      states[lane] = needs_word ? refilled : popped;
      cursor += needs_word ? 2 : 0;
      hashes[lane] = hash_symbol(hashes[lane], symbol);
      symbols[i + k] = static_cast<Symbol>(symbol);
    }
    base = (base + kStep) & last_lane;
  }
  if (!words.ready(cursor)) return false;
  lanes.words = words.position(cursor);
  store_lanes(lanes, states, hashes);
  return true;
}

// Encodes whole groups of symbols [first, last), last first. The loop ends on equality: where a
// machine counts loops down (s390x), GCC 12 runs one of `i > first` only once if `first` is 0.
template <class Width, uint32_t kStep, class Symbol, class Index>
void encode_serial(const EncodeBlock& caller_block, EncodeLanes& lanes, uint64_t first,
                   uint64_t last) {
  using State = typename Width::State;
  // Copies: a word is written as bytes, and bytes may be anybody's memory, so that a compiler would
  // read what lies behind references again for every symbol.
  const EncodeBlock block = caller_block;
  const TableView table = *block.table;
  const FastView fast = *table.fast;
  const Symbol* symbols = static_cast<const Symbol*>(block.symbols);
  constexpr uint32_t kRoom = kStep < 8 ? kStep : kMaxLanes;
  const uint32_t last_lane = kStep < 8 ? kStep - 1 : lanes.lanes - 1;
  State states[kRoom];
  uint32_t hashes[kRoom];
  load_lanes(lanes, states, hashes);
  uint8_t* cursor = lanes.cursor;
  uint32_t base = 0;  // lane of symbol i
  uint64_t i = last;
  const auto push = [&](uint32_t k) FASTCODER_INLINED_LAMBDA {
    const uint32_t lane = base + k;
    const uint64_t row = row_or_fault<Index>(block, lanes, i + k);
    const int32_t symbol = static_cast<int32_t>(symbols[i + k]);
    uint32_t entry = fast.dense[row * fast.dense_stride + dense_place(fast, symbol)];
    if (FASTCODER_UNLIKELY(entry >> 16 == 0)) {
      const RowView& view = table.rows[row];
      if (is_whole<Width>(view)) {
        if (view.symbols == 0 || symbol != view.offset) leave_row(table, view, symbol, lanes);
        hashes[lane] = unhash_symbol(hashes[lane], symbol);
        return;
      }
      leave_row(table, view, symbol, lanes);
      entry = last_entry<Width>(table, view);
    }
    const uint32_t frequency = entry >> 16;
    State state = states[lane];
    // The word is written in any case, and counts only if the state had to give one.
    const bool gives_word = state >> (Width::kStateBits - Width::kPrecision) >= frequency;
    store_u16(cursor - 2, static_cast<uint32_t>(state));
    cursor -= 2 * static_cast<uint32_t>(gives_word);
    state = FASTCODER_UNPREDICTABLE(gives_word) ? static_cast<State>(state >> kWordBits) : state;
    states[lane] = push_entry<Width>(state, entry, fast.reciprocals);
    hashes[lane] = unhash_symbol(hashes[lane], symbol);
  };
  while (i != first) {
    i -= kStep;
    base = (base - kStep) & last_lane;
    if constexpr (kStep == 8) {
      prefetch_group<kStep>(symbols, i, -kPrefetchBytes);
      prefetch_group<kStep>(static_cast<const Index*>(block.indexes), i, -kPrefetchBytes);
    }
    // Written out: GCC 12 does not unroll a loop of so many instructions, whatever it is told.
    if constexpr (kStep >= 8) push(7), push(6), push(5), push(4);
    if constexpr (kStep >= 4) push(3), push(2);
    if constexpr (kStep >= 2) push(1);
    push(0);
  }
  lanes.cursor = cursor;
  store_lanes(lanes, states, hashes);
}

// The step as a constant: with fewer than eight lanes it is all of them.
template <class Width, class Symbol, class Index>
bool decode_lanes(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first, uint64_t last) {
  switch (lanes.lanes) {
    case 1:
      return decode_serial<Width, 1, Symbol, Index>(block, lanes, first, last);
    case 2:
      return decode_serial<Width, 2, Symbol, Index>(block, lanes, first, last);
    case 4:
      return decode_serial<Width, 4, Symbol, Index>(block, lanes, first, last);
    default:
      return decode_serial<Width, 8, Symbol, Index>(block, lanes, first, last);
  }
}

template <class Width, class Symbol, class Index>
void encode_lanes(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first, uint64_t last) {
  switch (lanes.lanes) {
    case 1:
      return encode_serial<Width, 1, Symbol, Index>(block, lanes, first, last);
    case 2:
      return encode_serial<Width, 2, Symbol, Index>(block, lanes, first, last);
    case 4:
      return encode_serial<Width, 4, Symbol, Index>(block, lanes, first, last);
    default:
      return encode_serial<Width, 8, Symbol, Index>(block, lanes, first, last);
  }
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
