// SPDX-License-Identifier: Apache-2.0
// Kernels for any table and any lanes, on plain integers, written against the steps of format/.
// They are what every other kernel must agree with (symbols, final states, words used), code what
// those leave over, and the tables that have no FastView. Everything is in an unnamed namespace, so
// that no weak symbol crosses the ISA wall.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "format/escape.h"
#include "format/params.h"
#include "format/rans_step.h"
#include "format/symbol_hash.h"
#include "simd/kernel_table.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// Row of symbol i. kIndexNone is `void`: a table of one row needs no index array.
template <class Index>
struct RowOf {
  static FASTCODER_ALWAYS_INLINE uint64_t at(const void* indexes, uint64_t i) {
    return static_cast<uint64_t>(static_cast<const Index*>(indexes)[i]);
  }
  // A negative index is a large one here.
  static FASTCODER_ALWAYS_INLINE bool exists(uint64_t row, const TableView& table) {
    return !FASTCODER_UNLIKELY(row >= table.row_count);
  }
  static FASTCODER_ALWAYS_INLINE const void* address(const void* indexes, uint64_t i) {
    return static_cast<const Index*>(indexes) + i;
  }
};
template <>
struct RowOf<void> {
  static FASTCODER_ALWAYS_INLINE uint64_t at(const void*, uint64_t) { return 0; }
  static FASTCODER_ALWAYS_INLINE bool exists(uint64_t, const TableView&) { return true; }
  static FASTCODER_ALWAYS_INLINE const void* address(const void*, uint64_t) { return nullptr; }
};

// Symbols [first, last) of a block as a block of their own.
template <class Block, class Symbols, class Index>
FASTCODER_ALWAYS_INLINE Block part_of(const Block& block, uint32_t lanes, uint64_t first,
                                      uint64_t last) {
  Block part = block;
  part.symbols = static_cast<Symbols>(block.symbols) + first;
  part.indexes = RowOf<Index>::address(block.indexes, first);
  part.count = last - first;
  part.first_lane = (block.first_lane + static_cast<uint32_t>(first)) & (lanes - 1);
  return part;
}

// Arrays come from memory at up to 8 bytes a symbol, a quarter of the time if nobody asks for them
// early: hardware stops at every page. Half a page ahead is far enough for 300 cycles. An address
// outside the array does no harm.
constexpr int64_t kPrefetchBytes = 2048;
template <uint32_t kLanes, class Element>
FASTCODER_ALWAYS_INLINE void prefetch_group(const Element* elements, uint64_t i, int64_t ahead) {
  const uintptr_t address =
      reinterpret_cast<uintptr_t>(elements + i) + static_cast<uintptr_t>(ahead);
  FASTCODER_UNROLL
  for (uint32_t byte = 0; byte < kLanes * sizeof(Element); byte += 64) {
    FASTCODER_PREFETCH(address + byte);
  }
}
template <uint32_t kLanes>
FASTCODER_ALWAYS_INLINE void prefetch_group(const void*, uint64_t, int64_t) {}

template <uint32_t kLanes>
constexpr uint64_t kAllLanes = ~uint64_t{0} >> (64 - kLanes);

// The first kRoom states and hashes, from EncodeLanes or DecodeLanes to a kernel's own arrays and
// back.
template <class Lanes, class State, uint32_t kRoom>
FASTCODER_ALWAYS_INLINE void load_lanes(const Lanes& lanes, State (&states)[kRoom],
                                        uint32_t (&hashes)[kRoom]) {
  for (uint32_t lane = 0; lane < kRoom; ++lane) {
    states[lane] = static_cast<State>(lanes.state[lane]);
    hashes[lane] = lanes.hash[lane];
  }
}

template <class Lanes, class State, uint32_t kRoom>
FASTCODER_ALWAYS_INLINE void store_lanes(Lanes& lanes, const State (&states)[kRoom],
                                         const uint32_t (&hashes)[kRoom]) {
  for (uint32_t lane = 0; lane < kRoom; ++lane) {
    lanes.state[lane] = states[lane];
    lanes.hash[lane] = hashes[lane];
  }
}

// Row of symbol i for an encoder: one that does not exist is a fault, and row 0 stands in for it.
template <class Index>
FASTCODER_ALWAYS_INLINE uint64_t row_or_fault(const EncodeBlock& block, EncodeLanes& lanes,
                                              uint64_t i) {
  const uint64_t row = RowOf<Index>::at(block.indexes, i);
  if (RowOf<Index>::exists(row, *block.table)) return row;
  lanes.fault = 1;
  return 0;
}

// Notes a symbol outside its row: as an escape, or as a fault if the table has none.
FASTCODER_ALWAYS_INLINE void leave_row(const TableView& table, const RowView& row, int32_t symbol,
                                       EncodeLanes& lanes) {
  if (table.escape != 0) {
    lanes.escapes[lanes.escape_count++] = make_escape(symbol, row.offset, row.symbols);
  } else {
    lanes.fault = 1;
  }
}

template <class Width, class Symbol, class Index>
void encode_generic(const EncodeBlock& block, EncodeLanes& lanes) {
  using State = typename Width::State;
  const TableView& table = *block.table;
  const Symbol* symbols = static_cast<const Symbol*>(block.symbols);
  const uint32_t shift = Width::kPrecision - table.precision;
  const uint32_t lane_mask = lanes.lanes - 1;
  uint8_t* cursor = lanes.cursor;
  for (uint64_t i = block.count; i-- > 0;) {
    const RowView& row = table.rows[row_or_fault<Index>(block, lanes, i)];
    const int32_t symbol = static_cast<int32_t>(symbols[i]);
    uint64_t slot = static_cast<uint64_t>(int64_t{symbol} - row.offset);
    if (FASTCODER_UNLIKELY(slot >= row.symbols)) {
      leave_row(table, row, symbol, lanes);
      slot = row.slots - 1;
    }
    const uint32_t* cdf = table.cdf + row.cdf_begin + slot;
    const uint32_t start = cdf[0] << shift;
    const uint32_t frequency = (cdf[1] - cdf[0]) << shift;
    const uint32_t lane = (block.first_lane + static_cast<uint32_t>(i)) & lane_mask;
    lanes.state[lane] =
        push_slot<Width>(static_cast<State>(lanes.state[lane]), start, frequency, cursor);
    lanes.hash[lane] = unhash_symbol(lanes.hash[lane], symbol);
  }
  lanes.cursor = cursor;
}

// The same for symbols [first, last) of a block.
template <class Width, class Symbol, class Index>
[[gnu::noinline]] void encode_part(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first,
                                   uint64_t last) {
  encode_generic<Width, Symbol, Index>(
      part_of<EncodeBlock, const Symbol*, Index>(block, lanes.lanes, first, last), lanes);
}

// Whether a row is one slot, with a frequency that 16 bits do not hold. Coding with it changes no
// state.
template <class Width>
FASTCODER_ALWAYS_INLINE bool is_whole(const RowView& row) {
  return Width::kPrecision == 16 && row.slots == 1;
}

// Where a dense row has the entry of a symbol. Place 0 is outside every row, and stands for all
// symbols that are.
FASTCODER_ALWAYS_INLINE uint32_t dense_place(const FastView& fast, int32_t symbol) {
  const uint32_t place = static_cast<uint32_t>(symbol) - static_cast<uint32_t>(fast.dense_low);
  return place <= static_cast<uint32_t>(fast.dense_high - fast.dense_low) ? place : 0;
}

// Pushes a slot onto a state that has room for it, dividing by multiplication: a division takes as
// long as all the rest.
template <class Width>
FASTCODER_ALWAYS_INLINE typename Width::State push_entry(typename Width::State state,
                                                         uint32_t entry,
                                                         const uint64_t* reciprocals) {
  using State = typename Width::State;
  const uint32_t frequency = entry >> 16;
  const State quotient =
      static_cast<State>(fastcoder_mul_high(uint64_t{state} + 1, reciprocals[frequency]));
  const State rest_of_total = (State{1} << Width::kPrecision) - frequency;
  return static_cast<State>(state + (entry & 0xFFFF) + quotient * rest_of_total);
}

// The entry of the last slot of a row, its escape if it has one, as FastView::dense has them, at
// the working precision.
template <class Width>
FASTCODER_ALWAYS_INLINE uint32_t last_entry(const TableView& table, const RowView& row) {
  const uint32_t shift = Width::kPrecision - table.precision;
  const uint32_t* cdf = table.cdf + row.cdf_begin + row.slots - 1;
  return cdf[0] << shift | (cdf[1] - cdf[0]) << shift << 16;
}

// The slot that holds `value`, at the table's precision.
FASTCODER_ALWAYS_INLINE uint32_t find_slot(const TableView& table, const RowView& row,
                                           uint32_t value) {
  const uint32_t* cdf = table.cdf + row.cdf_begin;
  uint32_t slot = table.buckets[row.bucket_begin + (value >> row.bucket_shift)];
  while (cdf[slot + 1] <= value) ++slot;  // ends: the row's last entry exceeds every value
  return slot;
}

// The symbol behind an escape slot, or what is wrong with it. Not inlined: almost never called.
[[gnu::noinline]] KernelResult read_escape(const RowView& row, DecodeLanes& lanes, uint64_t i) {
  if (!lanes.escapes_allowed) return {Status::kEscapeUnannounced, i, 0};
  Escape escape = {1, 0};
  switch (lanes.escapes.read(escape)) {
    case EscapeReader::Result::kTruncated:
      return {Status::kTruncated, i, 0};
    case EscapeReader::Result::kTooLong:
      return {Status::kEscapeTooLong, i, 0};
    case EscapeReader::Result::kOk:
      break;
  }
  const int64_t symbol = escaped_symbol(escape, row.offset, row.symbols);
  if (symbol < INT32_MIN || symbol > INT32_MAX) return {Status::kEscapeOutOfRange, i, symbol};
  return {Status::kOk, i, symbol};
}

struct Found {
  uint32_t start;
  uint32_t frequency;  // 0 for a fault
  int64_t symbol;
};

// What a bucket entry leaves open: crowded buckets and escapes.
template <class Width>
[[gnu::noinline]] Found look_up(const TableView& table, const RowView& row, uint32_t value,
                                DecodeLanes& lanes) {
  const uint32_t shift = Width::kPrecision - table.precision;
  const uint32_t slot = find_slot(table, row, value >> shift);
  const uint32_t* cdf = table.cdf + row.cdf_begin + slot;
  int64_t symbol = int64_t{row.offset} + slot;
  if (slot >= row.symbols) {
    const KernelResult escaped = read_escape(row, lanes, 0);
    if (escaped.status != Status::kOk) return {0, 0, 0};
    symbol = escaped.symbol;
  }
  return {cdf[0] << shift, (cdf[1] - cdf[0]) << shift, symbol};
}

template <class Width, class Symbol, class Index>
KernelResult decode_generic(const DecodeBlock& block, DecodeLanes& lanes) {
  using State = typename Width::State;
  const TableView& table = *block.table;
  Symbol* symbols = static_cast<Symbol*>(block.symbols);
  const uint32_t shift = Width::kPrecision - table.precision;
  const uint32_t lane_mask = lanes.lanes - 1;
  const uint8_t* words = lanes.words;
  for (uint64_t i = 0; i < block.count; ++i) {
    const uint64_t index = RowOf<Index>::at(block.indexes, i);
    if (!RowOf<Index>::exists(index, table)) {
      return {Status::kIndexOutOfRange, i, static_cast<int64_t>(index)};
    }
    const RowView& row = table.rows[index];
    const uint32_t* cdf = table.cdf + row.cdf_begin;
    const uint32_t lane = (block.first_lane + static_cast<uint32_t>(i)) & lane_mask;
    State state = static_cast<State>(lanes.state[lane]);

    const uint32_t value = static_cast<uint32_t>(state & ((State{1} << Width::kPrecision) - 1));
    const uint32_t slot = find_slot(table, row, value >> shift);

    state = pop_slot<Width>(state, value, cdf[slot] << shift, (cdf[slot + 1] - cdf[slot]) << shift);
    if (state < Width::kLower) {
      if (FASTCODER_UNLIKELY(lanes.words_end - words < 2)) return {Status::kTruncated, i, 0};
      state = static_cast<State>(state << kWordBits | load_u16(words));
      words += 2;
    }
    lanes.state[lane] = state;

    int64_t symbol = int64_t{row.offset} + slot;
    if (FASTCODER_UNLIKELY(slot >= row.symbols)) {
      const KernelResult escaped = read_escape(row, lanes, i);
      if (escaped.status != Status::kOk) return escaped;
      symbol = escaped.symbol;
    }
    if (FASTCODER_UNLIKELY(symbol != static_cast<Symbol>(symbol))) {
      return {Status::kSymbolOutOfRange, i, symbol};
    }
    symbols[i] = static_cast<Symbol>(symbol);
    lanes.hash[lane] = hash_symbol(lanes.hash[lane], static_cast<int32_t>(symbol));
  }
  lanes.words = words;
  return {Status::kOk, 0, 0};
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
