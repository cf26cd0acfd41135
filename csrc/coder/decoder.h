// SPDX-License-Identifier: Apache-2.0
// Streams to symbols. Mirror image of encoder.h. Every byte is hostile: whatever it is, a decoder
// returns symbols or throws, reads inside its bytes, and allocates nothing by a number that it
// read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "coder/cdf_table.h"
#include "coder/parametric.h"
#include "coder/segment_decoder.h"
#include "coder/spans.h"
#include "coder/stream_layout.h"
#include "format/interval_step.h"
#include "format/symbol_hash.h"
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

// The steps of it: the header, once magic, version and table agree; the segments behind it, once
// their flags are legal there; the hash of all symbols.
OneShotHeader read_header_of(ByteReader& reader, const CdfTable& table);
SegmentWalker walk_one_shot(const ByteReader& reader, const CdfTable& table);
void check_symbol_hash(uint32_t found, uint32_t stored);

// Decodes a header-less stream in pieces. Copyable: a copy is a snapshot. It borrows the bytes.
class Decoder {
 public:
  explicit Decoder(std::span<const uint8_t> stream) : walker_(ByteReader(stream)) {}

  // A pull that throws changes nothing in the decoder. Small pulls are the rule here (one position
  // of a context model): inside a segment they cost the symbols and 20 to 195 ns, see
  // docs/streaming.md.
  void pull(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
            const MutableSymbolSpan& symbols);

  // The same for symbols of a parametric model: one, or as many as it has distributions.
  //   Throws    if the stream is narrow, too.
  void pull_parametric(const ParametricModel& model, uint64_t count,
                       const MutableSymbolSpan& symbols);

  // The next symbol as an interval (coder/intervals.h): the number in [0, 2^precision) that it
  // holds. Takes nothing from the stream.
  //   Requires  1 <= precision <= 24.
  //   Throws    if no symbol is left, or the stream is narrow.
  uint32_t peek(uint32_t precision) {
    if (FASTCODER_UNLIKELY(!intervals_ready())) prepare_interval();
    peeked_precision_ = precision;
    return segment_.peek(precision);
  }

  // Takes the interval that was peeked at.
  //   Requires  a peek since the last symbol, and start <= its result < start + frequency.
  //   Throws    if the stream ends; then nothing was taken.
  void advance(uint32_t start, uint32_t frequency) {
    if (FASTCODER_UNLIKELY(!segment_.advance(start, frequency, peeked_precision_))) {
      throw_no_words();
    }
    peeked_precision_ = 0;
  }

  // Of the interval that was peeked at, 0 if the last call was none.
  uint32_t peeked_precision() const { return peeked_precision_; }

  // Runs a task that pulls; if it throws, the decoder stands where it stood before.
  template <class Task>
  void guarded(Task&& task) {
    const Decoder snapshot = *this;
    try {
      task();
    } catch (...) {
      *this = snapshot;
      throw;
    }
  }

  // Bits of the stream that were read, less what the states still hold of them. It never decreases:
  // a symbol of frequency f < 2^W takes at least q >= 4 from a state (q = state div 2^W), more than
  // the word that may follow can give back. Throws if the first segment cannot be entered.
  double tell() const;

  // Throws unless the stream ended exactly here and its hash, if it carries one, agrees.
  void finish() const;

 private:
  void pull_slowly(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                   const MutableSymbolSpan& symbols);
  void pull_unguarded(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                      const MutableSymbolSpan& symbols);

  // Makes sure that there is a symbol at hand, the `position`-th of what the caller pulls.
  void enter_segment(uint64_t position);
  bool intervals_ready() const {
    return in_segment_ && walker_.wide() && segment_.count() != walker_.segment_symbols();
  }
  void check_wide() const;
  void prepare_interval();
  [[noreturn]] static void throw_no_words();

  SegmentWalker walker_;
  SegmentDecoder segment_;
  bool in_segment_ = false;
  uint32_t peeked_precision_ = 0;
  uint32_t hash_ = 0;
};

inline bool SegmentDecoder::advance(uint32_t start, uint32_t frequency, uint32_t precision) {
  uint64_t& lane_state = lanes_.state[lane()];
  uint64_t state = pop_interval(lane_state, start, frequency, precision);
  const uint8_t* words = lanes_.words;
  while (state < Wide::kLower) {
    if (FASTCODER_UNLIKELY(lanes_.words_end - words < 2)) return false;
    state = state << kWordBits | load_u16(words);
    words += 2;
  }
  lanes_.words = words;
  lane_state = state;
  lanes_.hash[lane()] = hash_symbol(lanes_.hash[lane()], static_cast<int32_t>(start));
  ++count_;
  return true;
}

}  // namespace fastcoder
