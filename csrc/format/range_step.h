// SPDX-License-Identifier: Apache-2.0
// The steps of the range coder (docs/range-coder.md 2): what both of its sides, static tables,
// adaptive tables and raw bits are built on.
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "format/params.h"
#include "format/symbol_hash.h"

namespace fastcoder {

// Flags: the three low bits are what no rANS stream has there, so that neither decoder takes the
// other's streams.
constexpr uint32_t kRangeMark = 0x07;
constexpr uint32_t kRangeVersionShift = 3;
constexpr uint32_t kRangeVersionMask = 0x38;
constexpr uint32_t kRangeCheckFlag = kHashFlag;

constexpr uint64_t kRangeStart = ~uint64_t{0};
// range >= kRangeLower before a step. A step divides it by at most 2^16, so that one word makes it
// large enough again, and rounding loses at most 2^-16 of a step's probability.
constexpr uint64_t kRangeLower = uint64_t{1} << 32;
constexpr uint32_t kRangeWordBytes = 4;
constexpr uint32_t kRangeWindowBytes = 8;
constexpr uint32_t kMaxRawBits = 16;

// A row's total is 2^this in the range coder.
static FASTCODER_ALWAYS_INLINE uint32_t range_precision(uint32_t table_precision) {
  return table_precision <= Narrow::kPrecision ? Narrow::kPrecision : Wide::kPrecision;
}

// The stream so far, followed by `low`, is the lower end of the interval of what was coded.
struct RangeLow {
  uint64_t low = 0;
  uint64_t range = kRangeStart;
  uint32_t hash = kHashSeed;
};

// `code` is how far the stream's value is above that lower end.
struct RangeCode {
  uint64_t code = 0;
  uint64_t range = kRangeStart;
  uint32_t hash = kHashSeed;
};

// Big-endian, unlike everything in the rANS format: the stream is one long fraction, most
// significant byte first, which is why a tail can be cut at any byte.
// One swap and one move where the compiler is known; it sees neither in four bytes and shifts.
static FASTCODER_ALWAYS_INLINE uint32_t load_big_u32(const uint8_t* bytes) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return __builtin_bswap32(value);
#else
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | static_cast<uint32_t>(bytes[3]);
#endif
}

static FASTCODER_ALWAYS_INLINE void store_big_u32(uint8_t* bytes, uint32_t value) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  value = __builtin_bswap32(value);
  memcpy(bytes, &value, sizeof value);
#else
  bytes[0] = static_cast<uint8_t>(value >> 24);
  bytes[1] = static_cast<uint8_t>(value >> 16);
  bytes[2] = static_cast<uint8_t>(value >> 8);
  bytes[3] = static_cast<uint8_t>(value);
#endif
}

// Adds one to the number whose last byte is before `end`. It ends: see RangeEncoder::finished.
static inline void carry_into(uint8_t* end) {
  while (++*--end == 0) {
  }
}

// Narrows the interval to [start, start + frequency) of its parts of size `unit`; a word may leave
// through `out`, and a carry may go into the bytes before it.
static FASTCODER_ALWAYS_INLINE void range_encode(RangeLow& state, uint64_t unit, uint32_t start,
                                                 uint32_t frequency, uint8_t* out) {
  const uint64_t add = unit * start;
  state.low += add;
  if (FASTCODER_UNLIKELY(state.low < add)) carry_into(out);
  state.range = unit * frequency;
}

static FASTCODER_ALWAYS_INLINE uint8_t* range_give_word(RangeLow& state, uint8_t* out) {
  if (state.range >= kRangeLower) return out;
  store_big_u32(out, static_cast<uint32_t>(state.low >> 32));
  state.low <<= 32;
  state.range <<= 32;
  return out + kRangeWordBytes;
}

static FASTCODER_ALWAYS_INLINE void range_decode(RangeCode& state, uint64_t unit, uint32_t start,
                                                 uint32_t frequency) {
  state.code -= unit * start;
  state.range = unit * frequency;
}

// False if the word that is needed is not there.
static FASTCODER_ALWAYS_INLINE bool range_take_word(RangeCode& state, const uint8_t*& cursor,
                                                    const uint8_t* end) {
  if (state.range >= kRangeLower) return true;
  if (end - cursor < static_cast<int64_t>(kRangeWordBytes)) return false;
  state.code = state.code << 32 | load_big_u32(cursor);
  state.range <<= 32;
  cursor += kRangeWordBytes;
  return true;
}

// The end of a stream: the fewest bytes of a number in [low, low + range), zeros understood after
// them; of those numbers the smallest.
struct RangeTail {
  uint32_t bytes;     // 0 to 8 of the 64-bit window
  uint64_t distance;  // of that number from low
};

static inline RangeTail range_tail(uint64_t low, uint64_t range) {
  for (uint32_t bytes = 0; bytes < kRangeWindowBytes; ++bytes) {
    const uint64_t below = ~uint64_t{0} >> (8 * bytes);  // what the bytes left away can hold
    const uint64_t distance = (0 - low) & below;
    if (distance < range) return {bytes, distance};
  }
  return {kRangeWindowBytes, 0};
}

}  // namespace fastcoder
