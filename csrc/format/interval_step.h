// SPDX-License-Identifier: Apache-2.0
// Push and pop one interval: a symbol with a precision of its own (docs/format.md 2, "Intervals").
// Intervals exist in wide states only. A state holds at least 2^32, so that the quotient by 2^24 is
// at least 2^8, and a symbol moves at most two words.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "format/params.h"

namespace fastcoder {

constexpr uint32_t kMaxIntervalPrecision = 24;
constexpr uint32_t kMaxIntervalWords = 2;

// Pushes an interval onto `state`. Words leave through `cursor`, which moves down; two bytes below
// the last one may be written.
//
// Whether a word leaves cannot be predicted, so that it is a matter of masks; whether a second one
// could is a question of the precision, which hardly ever changes.
static FASTCODER_ALWAYS_INLINE uint64_t push_interval(uint64_t state, uint32_t start,
                                                      uint32_t frequency, uint32_t precision,
                                                      uint8_t*& cursor) {
  const uint64_t limit = uint64_t{frequency} << (Wide::kStateBits - precision);
  const uint32_t rounds = precision > kWordBits ? kMaxIntervalWords : 1;
  for (uint32_t round = 0; round < rounds; ++round) {
    const bool gives_word = state >= limit;
    store_u16(cursor - 2, static_cast<uint32_t>(state));
    cursor -= gives_word ? 2 : 0;
    state = gives_word ? state >> kWordBits : state;
  }
  const uint64_t quotient = state / frequency;
  return (quotient << precision) + (state - quotient * frequency) + start;
}

static FASTCODER_ALWAYS_INLINE uint32_t peek_interval(uint64_t state, uint32_t precision) {
  return static_cast<uint32_t>(state) & ((uint32_t{1} << precision) - 1);
}

// The state after an interval that holds peek_interval(state, precision), not renormalized.
static FASTCODER_ALWAYS_INLINE uint64_t pop_interval(uint64_t state, uint32_t start,
                                                     uint32_t frequency, uint32_t precision) {
  return frequency * (state >> precision) + peek_interval(state, precision) - start;
}

}  // namespace fastcoder
