// SPDX-License-Identifier: Apache-2.0
// What an ISA offers: one encode and one decode function per width of state and per element type.
// Kernels check what they read: each element of the caller's arrays is looked at once, in the same
// pass that codes it, so that another thread that writes to them can change symbols, and nothing
// else. No STL here, because this header crosses the ISA wall.
#pragma once

#include <stdint.h>

#include "format/escape.h"
#include "format/params.h"
#include "simd/parametric_view.h"
#include "simd/table_view.h"

namespace fastcoder {

// Element types that kernels read and write without a conversion; coder/blocks.cpp converts others.
enum KernelSymbolType : uint32_t { kSymbolInt8, kSymbolInt16, kSymbolInt32, kSymbolTypes };
enum KernelIndexType : uint32_t { kIndexNone, kIndexUint8, kIndexUint16, kIndexInt32, kIndexTypes };

enum class Status : uint32_t {
  kOk,
  kTruncated,          // the words or the escape bits ended
  kEscapeTooLong,      // an escape code with more than 32 leading zeros
  kEscapeOutOfRange,   // an escaped symbol outside int32
  kEscapeUnannounced,  // an escape slot in a segment without the escape flag
  kSymbolOutOfRange,   // a symbol that the output type cannot hold
  kIndexOutOfRange,    // an index that names no row
};

struct KernelResult {
  Status status;
  uint64_t position;  // of the symbol at fault within the block
  int64_t symbol;     // its value, where there is one
};

// Symbol i of a block belongs to lane (first_lane + i) mod lanes.
struct EncodeBlock {
  const TableView* table;
  const void* symbols;
  const void* indexes;  // ignored for kIndexNone: every symbol uses row 0
  uint64_t count;
  uint32_t first_lane;
};

// Vector kernels may write so many bytes below the last word.
constexpr uint32_t kEncodeSlack = 64;

// An encoder's state between blocks. It visits blocks, and the symbols in them, last to first.
struct EncodeLanes {
  uint64_t state[kMaxLanes];
  uint32_t hash[kMaxLanes];  // see unhash_symbol
  uint32_t lanes;
  uint8_t* cursor;  // words leave below it; room for one per symbol, and kEncodeSlack bytes
  Escape* escapes;  // room for one per symbol of the block, in the order of the visit
  uint64_t escape_count;
  // Not 0 after an index that names no row, or a symbol outside its row in a table without
  // escapes. The states are then meaningless.
  uint32_t fault;
};

struct DecodeBlock {
  const TableView* table;
  const void* indexes;
  void* symbols;
  uint64_t count;
  uint32_t first_lane;
};

struct DecodeLanes {
  uint64_t state[kMaxLanes];
  uint32_t hash[kMaxLanes];
  uint32_t lanes;
  uint32_t escapes_allowed;
  const uint8_t* words;      // next word
  const uint8_t* words_end;  // no word is read past it
  EscapeReader escapes;
};

// encode: pushes the symbols of a block.
//   Accepts   any indexes and symbols; see EncodeLanes::fault.
//   Threads   a pure function of its arguments.
using EncodeFunction = void (*)(const EncodeBlock& block, EncodeLanes& lanes);

// decode: pops the symbols of a block.
//   Requires  room for `count` symbols.
//   Accepts   any indexes.
//   Reads     nothing outside [words, words_end) and the escape reader's bytes.
//   Returns   kOk, or what is wrong and where; symbols and lanes are then unspecified.
using DecodeFunction = KernelResult (*)(const DecodeBlock& block, DecodeLanes& lanes);

// The same for parametric symbols, in wide states (simd/parametric-inl.h).
//   Requires  encode: symbols of the support; room for two words each. decode: values < 2^24.
struct ParametricKernels {
  void (*encode)(const ParametricBlock& block, EncodeLanes& lanes);
  KernelResult (*decode)(const ParametricBlock& block, DecodeLanes& lanes);
  // cdf(symbol) and cdf(symbol + 1).
  void (*starts)(const ParametricBlock& block, int64_t* starts, int64_t* nexts);
  // The symbols whose intervals hold `values`.
  void (*find)(const ParametricBlock& block, const uint32_t* values);
};

// Several segments of few lanes at once, from a table with a FastView for this width: see
// many-inl.h. kManyChains / lane_count of them, and of each a block of the same whole groups.
constexpr uint32_t kManyChains = 8;
constexpr uint32_t kMostManyLanes = 4;
constexpr uint32_t kManyBlock = 256;  // symbols of one segment: eight segments fit the L1 cache

// Symbol i of segment s: begins[s * kManyBlock + i] is where its row begins in FastView::buckets
// or FastView::dense, symbols[s * kManyBlock + i] its symbol.
struct DecodeManyBlock {
  const TableView* table;
  const uint32_t* begins;
  int32_t* symbols;
  DecodeLanes* const* lanes;
  uint64_t count;       // of each segment; a multiple of lane_count, 1 to kManyBlock
  uint32_t lane_count;  // 1, 2 or 4
};
struct EncodeManyBlock {
  const TableView* table;
  const uint32_t* begins;
  const int32_t* symbols;
  EncodeLanes* const* lanes;
  uint64_t count;
  uint32_t lane_count;
};

// decode_many: false for a fault in any of the segments; of their lanes, only escapes may then have
//   been read.
// encode_many: false for a symbol outside a row without escape, and for a row of one slot at 16
//   bits; of the lanes, only escapes and hashes may then have changed.
using DecodeManyFunction = bool (*)(const DecodeManyBlock& block);
using EncodeManyFunction = bool (*)(const EncodeManyBlock& block);

struct KernelTable {
  const char* name;
  // [0] narrow, [1] wide
  EncodeFunction encode[2][kSymbolTypes][kIndexTypes];
  DecodeFunction decode[2][kSymbolTypes][kIndexTypes];
  ParametricKernels parametric;
  EncodeManyFunction encode_many[2];
  DecodeManyFunction decode_many[2];
};

}  // namespace fastcoder
