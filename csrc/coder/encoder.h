// SPDX-License-Identifier: Apache-2.0
// Symbols to streams. Mirror image of decoder.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "coder/cdf_table.h"
#include "coder/segment_encoder.h"
#include "coder/spans.h"

namespace fastcoder {

struct EncodeOptions {
  uint32_t lanes = 0;    // 0: chosen by the size of the result (docs/format.md 8)
  uint64_t segment = 0;  // symbols per segment, a power of two; 0: chosen likewise
  unsigned threads = 1;  // never changes a byte
  bool check = false;    // append the symbol hash
};

// Throws Error(kValue) for lanes or a segment that the format does not have.
void check_options(const EncodeOptions& options);

// What encoding made, before it is put together: the caller may have memory of its own for it.
class EncodedStream {
 public:
  // With the one-shot header if there is a fingerprint of a table for it.
  EncodedStream(const Message& message, const EncodeOptions& options, const uint64_t* fingerprint);

  uint64_t size() const { return heads_.size() + body_bytes_; }
  // Requires room for size() bytes.
  void write(uint8_t* out, unsigned threads) const;
  std::vector<uint8_t> bytes() const;

 private:
  std::vector<uint8_t> heads_;       // all that stands before, between and after the bodies
  std::vector<uint64_t> head_ends_;  // in heads_, of what precedes a body
  std::vector<Segment> segments_;
  uint64_t body_bytes_ = 0;
};

// One self-checking stream with the one-shot header.
EncodedStream encode_one_shot(const Part& part, const EncodeOptions& options);

// Collects copies of symbols until finish. A push that throws changes nothing.
class Encoder {
 public:
  void push(std::shared_ptr<const CdfTable> table, const SymbolSpan& symbols,
            const IndexSpan& indexes, uint64_t count);
  // Checked intervals (coder/intervals.h): the stream will be a wide one.
  void push_intervals(std::vector<uint64_t> intervals);
  // Symbols of a parametric model, likewise in a wide stream.
  void push_parametric(std::shared_ptr<const ParametricModel> model, const SymbolSpan& symbols,
                       uint64_t count);
  // The stream, without header.
  EncodedStream finish(const EncodeOptions& options) const;

 private:
  // A push, copied in the narrowest types that hold it.
  struct Pushed {
    std::shared_ptr<const CdfTable> table;
    std::vector<uint8_t> symbols;
    std::vector<uint8_t> indexes;
    std::vector<uint64_t> intervals;
    std::shared_ptr<const ParametricModel> parametric;
    Part part;
  };
  std::vector<Pushed> pushed_;
};

}  // namespace fastcoder
