// SPDX-License-Identifier: Apache-2.0
// Push and pop one symbol: the definition that every kernel is tested against (docs/format.md 2).
// Everything is static: this header is compiled once per ISA and must not leave weak symbols.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "format/params.h"

namespace fastcoder {

// Pushes a slot onto `state`. A word leaves through `cursor`, which moves down two bytes.
//
// The limit is 64-bit on purpose: for frequency == 2^precision it is exactly one more than the
// largest state, and such a slot neither writes a word nor moves the state.
template <class Width>
static FASTCODER_ALWAYS_INLINE typename Width::State push_slot(typename Width::State state,
                                                               uint32_t start, uint32_t frequency,
                                                               uint8_t*& cursor) {
  using State = typename Width::State;
  const uint64_t limit = uint64_t{frequency} << (Width::kStateBits - Width::kPrecision);
  if (state >= limit) {
    cursor -= 2;
    store_u16(cursor, static_cast<uint32_t>(state));
    state = static_cast<State>(state >> kWordBits);
  }
  const State quotient = static_cast<State>(state / frequency);
  return static_cast<State>((quotient << Width::kPrecision) + (state - quotient * frequency) +
                            start);
}

// The state after a slot was popped, before it is renormalized. `value` is state mod 2^precision.
template <class Width>
static FASTCODER_ALWAYS_INLINE typename Width::State pop_slot(typename Width::State state,
                                                              uint32_t value, uint32_t start,
                                                              uint32_t frequency) {
  using State = typename Width::State;
  return static_cast<State>(frequency * (state >> Width::kPrecision) + (value - start));
}

}  // namespace fastcoder
