// SPDX-License-Identifier: Apache-2.0
// One segment of a stream. Mirror image of segment_encoder.h.
#pragma once

#include <cstdint>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "coder/cdf_table.h"
#include "coder/spans.h"
#include "coder/stream_layout.h"
#include "format/interval_step.h"
#include "format/symbol_hash.h"
#include "simd/kernel_table.h"

namespace fastcoder {

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

  // The same for symbols of a parametric model, in a wide segment.
  void pull_parametric(const ParametricModel& model, uint64_t first, uint64_t count,
                       const MutableSymbolSpan& symbols);

  // The next symbol as an interval, in a wide segment: the number that it holds, and its removal,
  // with a start and a frequency that fit the number. False if the words end first; then nothing
  // was removed.
  uint32_t peek(uint32_t precision) const { return peek_interval(lanes_.state[lane()], precision); }
  bool advance(uint32_t start, uint32_t frequency, uint32_t precision);

  // Bits of the body that the symbols still to come may use: those not read, and what the states
  // hold of those read (the binary logarithm of each state over its lower bound).
  double bits_ahead() const;

  // For kernels that take several segments at once (coder/many.cpp): the lanes, and how many more
  // symbols were taken from them.
  DecodeLanes& lanes() { return lanes_; }
  void note_decoded(uint64_t count) { count_ += count; }

  // Throws unless the segment ended exactly here; returns `hash` with its lanes folded in.
  uint32_t finish(uint32_t hash) const;

 private:
  uint32_t lane() const { return static_cast<uint32_t>(count_) & (lanes_.lanes - 1); }

  DecodeLanes lanes_ = {};
  bool wide_ = false;
  uint64_t count_ = 0;
};

}  // namespace fastcoder
