// SPDX-License-Identifier: Apache-2.0
// The rANS coder of CompressAI (`compressai.ans`): numbers and steps that are part of its
// bitstream. One 64-bit state x in [2^31, 2^63), 32-bit little-endian words, frequencies of 16
// bits. Source: Duda 2013, arXiv:1311.2540, with the constants of CompressAI 1.2.
//
// A stream is [x mod 2^32, x >> 32, words in the order in which a decoder reads them]. Encoding
// goes from the last symbol to the first.
//
// The last slot of a row is its escape. What lies outside the row is coded as that slot, then a
// number `raw` in 4-bit digits, pushed as if every digit had the probability 1/16:
//
//   symbol - offset = v, escape slot m     raw = v < 0 ? -2 v - 1 : 2 (v - m)
//   in decoding order                      how many digits, then the digits, least significant
//   first
//
// A count of 15 or more would go on in further digits; raw < 2^32 has at most 8.
#pragma once

#include <stdint.h>

#include "base/attributes.h"

namespace fastcoder {

constexpr uint32_t kRans64Precision = 16;
constexpr uint32_t kRans64Whole = 1u << kRans64Precision;  // of a row with a single slot
constexpr uint64_t kRans64Lower = uint64_t{1} << 31;       // of a state; also where it begins
constexpr uint64_t kRans64Upper = uint64_t{1} << 63;       // what a state stays below
constexpr uint32_t kRans64DigitBits = 4;
constexpr uint32_t kRans64MaxDigits = 8;
constexpr uint64_t kRans64MaxRaw = UINT32_MAX;

// A word leaves before a push if the state is at least frequency << kRans64LimitShift.
constexpr uint32_t kRans64LimitShift = 63 - kRans64Precision;

// One push, prepared. x div f is (x * factor >> 64) >> shift, as the state then is below 2^63:
// with 2^(s - 1) < f <= 2^s, shift = s - 1 and factor = ceil(2^(63 + s) / f), the product is over
// the quotient by less than x / 2^(63 + s) < 1 / f. For f = 1 no factor of 64 bits does, but 2^64 -
// 1 gives x - 1, and the bias adds what that lacks. So
//
//   x' = (x div f) 2^16 + x mod f + start = x + bias + quotient * complement
struct Rans64Push {
  uint64_t factor;
  uint32_t bias;
  uint16_t complement;  // 2^16 - f
  uint8_t shift;
};

// 0 < frequency < 2^16.
static inline Rans64Push make_push(uint32_t start, uint32_t frequency) {
  const uint32_t complement = kRans64Whole - frequency;
  Rans64Push push{UINT64_MAX, start + complement, static_cast<uint16_t>(complement), 0};
  if (frequency == 1) return push;
  uint32_t log2 = 1;
  while (frequency > 1u << log2) ++log2;
  // ceil(2^(63 + log2) / f) in 64 bits: twice the quotient of 2^(62 + log2), and what is left.
  const uint64_t half = (uint64_t{1} << 62) / frequency;
  const uint64_t rest = (uint64_t{1} << 62) % frequency;
  const uint64_t scaled = (rest << (log2 + 1)) + frequency - 1;
  push.factor = (half << (log2 + 1)) + scaled / frequency;
  push.bias = start;
  push.shift = static_cast<uint8_t>(log2 - 1);
  return push;
}

// Whether a word leaves first: the state is at least f * 2^47 = 2^63 - complement * 2^47.
static FASTCODER_ALWAYS_INLINE bool gives_word(uint64_t x, const Rans64Push& push) {
  return x + (uint64_t{push.complement} << kRans64LimitShift) >= kRans64Upper;
}

// The state after a word has left, if one had to.
static FASTCODER_ALWAYS_INLINE uint64_t push_state(uint64_t x, const Rans64Push& push) {
  const uint64_t quotient = fastcoder_mul_high(x, push.factor) >> push.shift;
  return x + push.bias + quotient * push.complement;
}

// How many digits `raw` has: none if it is 0.
static inline uint32_t raw_digits(uint32_t raw) {
  uint32_t digits = 0;
  for (; raw != 0; raw >>= kRans64DigitBits) ++digits;
  return digits;
}

}  // namespace fastcoder
