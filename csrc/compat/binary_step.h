// SPDX-License-Identifier: Apache-2.0
// The binary arithmetic coder of I. Witten, R. Neal and J. Cleary ("Arithmetic coding for data
// compression", Communications of the ACM 30(6), 1987) with 32-bit ends and 16-bit probabilities,
// as torchac writes it. It is published bit by bit: `low` and `high` are doubled while their first
// bits agree, which is a bit of the stream, or while they are 01.. and 10.., which is a pending
// bit. Here the stream is one long binary fraction, its interval [low, low + span), and a symbol
// doubles it `binary_shift` times at once. That is the same:
//
// * A pending bit keeps span and subtracts 2^30 from both ends before they are doubled; the
//   fraction remembers what was subtracted. If bits are pending, the published low is the
//   fraction's low without the ones before its last 31 bits, so that the last 31 bits agree, and
//   a carry into those ones is what resolves them to 1 0 0 .. instead of 0 1 1 ..
// * The last bits, 0 1 1 .. or 1 0 0 .. by low >= 2^30, are the fraction floor(low / 2^30) + 1 in
//   units of 2^30: the first multiple above low.
#pragma once

#include <stdint.h>

#include "base/attributes.h"

namespace fastcoder {

constexpr uint32_t kBinaryPrecision = 16;
constexpr uint32_t kBinaryTotal = uint32_t{1} << kBinaryPrecision;
constexpr uint64_t kBinarySpan = uint64_t{1} << 32;
// Of the last bits.
constexpr uint32_t kBinaryEndShift = 30;
// A span is above 2^30 before a symbol, so that it is at least 2^14 after it.
constexpr uint32_t kBinaryMostShift = 18;

// How often the interval [low, low + last] is doubled. Write both ends as
//
//   low         P 0 1 1 .. 1 u      P: equal bits, one doubling each
//   low + last  P 1 0 0 .. 0 v      then the first 0 over 1, which stays; a doubling for each 1
//   over 0
//
// with n bits of u and v, which do not begin with 1 over 0. The answer is 31 - n. As last is
// 2^n + v - u, it is above 2^(n-1) and below 2^(n+1): its first bit is bit n or bit n - 1. In bit n
// the ends differ. In bit n - 1 they are equal if that is the first bit of `last`, for 0 over 1
// would make it 2^n or more. So the place of that bit and whether the ends differ there decide.
// Bits above it do not count, so that sums modulo 2^32 are right.
static FASTCODER_ALWAYS_INLINE uint32_t binary_shift(uint32_t low, uint32_t last) {
  const uint32_t first = fastcoder_first_bit(last);
  const uint32_t differ = low ^ (low + last);
  return 30 - first + (differ >> first & 1);
}

// Where a cumulative probability lies in the interval.
static FASTCODER_ALWAYS_INLINE uint64_t binary_part(uint64_t span, uint32_t cumulative) {
  return span * cumulative >> kBinaryPrecision;
}

}  // namespace fastcoder
