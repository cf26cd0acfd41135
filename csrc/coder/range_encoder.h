// SPDX-License-Identifier: Apache-2.0
// Symbols to range-coded streams (docs/range-coder.md), in the order of the decoder. Mirror image
// of range_decoder.h.
#pragma once

#include <cstdint>
#include <vector>

#include "coder/adaptive_table.h"
#include "coder/spans.h"
#include "format/escape.h"
#include "format/range_step.h"

namespace fastcoder {

// Codes every push at once. What it holds is bounded: bytes that were not taken, and of the others
// the last byte that is not 0xFF, because a carry can still reach it. A push that throws changes
// nothing.
class RangeEncoder {
 public:
  // `check`: end with 32 bits of the symbol hash instead of 16.
  explicit RangeEncoder(bool check);

  void push(const Part& part);
  // Codes with, and then updates, an adaptive table; part.table is not used.
  void push(AdaptiveTable& table, const Part& part);

  // Hands out the bytes that are final.
  std::vector<uint8_t> take();
  // Ends the stream: the rest of its bytes.
  std::vector<uint8_t> finish();

 private:
  // What a failed push has to put back.
  struct Mark {
    RangeLow state;
    uint64_t count;
    uint64_t used;
    uint64_t finished;
    uint8_t byte;
  };

  Mark mark() const;
  void restore(const Mark& mark);
  uint64_t finished() const;
  uint8_t* reserve(uint64_t bytes);
  void commit(const uint8_t* end) { used_ = static_cast<uint64_t>(end - buffer_.data()); }

  void push_block(const Part& part, uint64_t first, uint64_t size);
  void push_adaptive_block(AdaptiveTable& table, const Part& part, uint64_t first, uint64_t size);
  uint8_t* encode_raw(uint64_t value, uint32_t bits, uint8_t* out);
  uint8_t* encode_escape(Escape escape, uint8_t* out);

  RangeLow state_;
  uint64_t count_ = 0;
  bool check_;
  std::vector<uint8_t> buffer_;  // its size is room, not content
  uint64_t used_ = 0;
  bool rare_ = false;     // few words left with the last block: decides which kernel is faster
  uint64_t payload_ = 1;  // first byte in it that a carry may reach: not the flags
};

}  // namespace fastcoder
