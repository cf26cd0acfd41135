// SPDX-License-Identifier: Apache-2.0
// Escapes (docs/format.md 3): a symbol outside its row is the escape slot plus an Elias-gamma code
// of its distance and one bit for the side, in a bit section that grows down from the segment's
// end. It is a cold path: nothing of it is touched by a segment without escapes.
#pragma once

#include <stdint.h>

#include "base/attributes.h"

namespace fastcoder {

struct Escape {
  uint64_t distance;  // 1 to 2^32, from the row's nearest symbol
  uint32_t below;     // 1: below the row, 0: above it
};

constexpr uint32_t kMaxEscapeLog2 = 32;

// `symbol` lies outside [offset, offset + symbols).
static inline Escape make_escape(int32_t symbol, int32_t offset, uint32_t symbols) {
  const int64_t above = int64_t{symbol} - offset - int64_t{symbols} + 1;
  if (above >= 1) return {static_cast<uint64_t>(above), 0};
  return {static_cast<uint64_t>(int64_t{offset} - symbol), 1};
}

// As 64 bits: a hostile distance (below 2^33) may leave int32, which the caller checks.
static inline int64_t escaped_symbol(Escape escape, int32_t offset, uint32_t symbols) {
  const int64_t distance = static_cast<int64_t>(escape.distance);
  return escape.below ? offset - distance : offset + int64_t{symbols} + distance - 1;
}

static inline uint32_t log2_floor(uint64_t value) {
  uint32_t result = 0;
  while (value >>= 1) ++result;
  return result;
}

static inline uint32_t escape_bits(Escape escape) { return 2 * log2_floor(escape.distance) + 2; }

// Writes codes from the byte before `end` downwards; the caller made room and zeroed it.
class EscapeWriter {
 public:
  explicit EscapeWriter(uint8_t* end) : end_(end) {}

  void write(Escape escape) {
    const uint32_t log2 = log2_floor(escape.distance);
    position_ += log2;  // the zeros
    write_bit(1);
    for (uint32_t bit = 0; bit < log2; ++bit) write_bit(escape.distance >> bit & 1);
    write_bit(escape.below);
  }

 private:
  void write_bit(uint64_t bit) {
    uint8_t& byte = end_[-1 - static_cast<int64_t>(position_ / 8)];
    byte = static_cast<uint8_t>(byte | bit << position_ % 8);
    ++position_;
  }

  uint8_t* end_;
  uint64_t position_ = 0;
};

// Reads codes from the byte before `end` downwards and never below `begin`.
struct EscapeReader {
  const uint8_t* begin;
  const uint8_t* end;
  uint64_t position;  // bits read

  enum class Result { kOk, kTruncated, kTooLong };

  FASTCODER_ALWAYS_INLINE Result read(Escape& escape) {
    const uint64_t available = static_cast<uint64_t>(end - begin) * 8 - position;
    const uint64_t unary = peek64();
    uint32_t log2 = 0;
    while (log2 <= kMaxEscapeLog2 && !(unary >> log2 & 1)) ++log2;
    if (2 * uint64_t{log2} + 2 > available) return Result::kTruncated;
    if (log2 > kMaxEscapeLog2) return Result::kTooLong;
    position += log2 + 1;
    const uint64_t binary = peek64();
    const uint64_t low = binary & ((uint64_t{1} << log2) - 1);
    escape.distance = (uint64_t{1} << log2) | low;
    escape.below = static_cast<uint32_t>(binary >> log2 & 1);
    position += log2 + 1;
    return Result::kOk;
  }

  // The lowest byte that was read from; the bits of it that were not read must be zero.
  FASTCODER_ALWAYS_INLINE const uint8_t* lowest() const { return end - (position + 7) / 8; }
  FASTCODER_ALWAYS_INLINE bool padding_is_zero() const {
    return position % 8 == 0 || (*lowest() >> position % 8) == 0;
  }

 private:
  // The next 64 bits, zeros past `begin`; nine bytes hold them wherever they start. Half a code is
  // at most 33 bits long.
  FASTCODER_ALWAYS_INLINE uint64_t peek64() const {
    const uint64_t first = position / 8;
    const uint64_t bytes = static_cast<uint64_t>(end - begin);
    const uint32_t skip = static_cast<uint32_t>(position % 8);
    uint64_t window = 0;
    for (uint32_t i = 0; i < 9 && first + i < bytes; ++i) {
      const uint64_t byte = *(end - 1 - (first + i));
      const uint32_t shift = 8 * i - skip;
      if (i == 0) {
        window = byte >> skip;
      } else if (shift < 64) {
        window |= byte << shift;
      }
    }
    return window;
  }
};

}  // namespace fastcoder
