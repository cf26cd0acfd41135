// SPDX-License-Identifier: Apache-2.0
// Streams to symbols. Mirror image of encoder.h. Every byte is hostile: whatever it is, a decoder
// returns symbols or throws, reads inside its bytes, and allocates nothing by a number that it
// read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "coder/cdf_table.h"
#include "coder/spans.h"
#include "coder/stream_layout.h"
#include "simd/kernel_table.h"

namespace fastcoder {

// Decodes a one-shot stream into `symbols`, which has room for `count` of them. Throws unless the
// bytes are a stream of exactly these symbols for this table and these indexes.
void decode_one_shot(std::span<const uint8_t> stream, const CdfTable& table,
                     const IndexSpan& indexes, uint64_t count, const MutableSymbolSpan& symbols,
                     unsigned threads);

// The part of it that reads the header alone: whether the stream claims to be of so many symbols
// and this table. To be asked before memory for the symbols is.
void check_one_shot(std::span<const uint8_t> stream, const CdfTable& table, uint64_t count);

// The symbols of one segment, in order.
class SegmentDecoder {
 public:
  SegmentDecoder() = default;
  // Reads the K states; throws if they are not there or not in their interval.
  SegmentDecoder(const SegmentView& segment, bool wide);

  uint64_t count() const { return count_; }

  // Decodes symbols [first, first + count) of the caller's arrays.
  void pull(const CdfTable& table, const IndexSpan& indexes, uint64_t first, uint64_t count,
            const MutableSymbolSpan& symbols);

  // The same for count <= kBlock symbols of a type that kernels write. If it throws, nothing has
  // changed.
  void pull_block(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                  const MutableSymbolSpan& symbols);

  // Throws unless the segment ended exactly here; returns `hash` with its lanes folded in.
  uint32_t finish(uint32_t hash) const;

 private:
  DecodeLanes lanes_ = {};
  bool wide_ = false;
  uint64_t count_ = 0;
};

// Decodes a header-less stream in pieces. Copyable: a copy is a snapshot. It borrows the bytes.
class Decoder {
 public:
  explicit Decoder(std::span<const uint8_t> stream) : walker_(ByteReader(stream)) {}

  // A pull that throws changes nothing in the decoder. Small pulls are the rule here (one position
  // of a context model): inside a segment they cost the symbols and less than 150 ns.
  void pull(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
            const MutableSymbolSpan& symbols);

  // Throws unless the stream ended exactly here and its hash, if it carries one, agrees.
  void finish() const;

 private:
  void pull_slowly(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                   const MutableSymbolSpan& symbols);
  void pull_unguarded(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                      const MutableSymbolSpan& symbols);

  SegmentWalker walker_;
  SegmentDecoder segment_;
  bool in_segment_ = false;
  uint32_t hash_ = 0;
};

}  // namespace fastcoder
