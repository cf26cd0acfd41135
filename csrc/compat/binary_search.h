// SPDX-License-Identifier: Apache-2.0
// Which slot of a row holds a value, by comparing many entries at once. The comparison is of the
// upper 16 bits, so that it needs no division and no product of 48 bits; the caller looks at the
// slot exactly.
#pragma once

#include <bit>
#include <cstdint>

#include "base/attributes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fastcoder {

// The upper 16 bits of a value, which are bits 48 to 63 of `code`, and about those of the size of
// its interval, bits 16 to 31 of `span`, or less.
struct BinaryKey {
  uint64_t code;
  uint32_t span;

  // True for every entry whose part of the interval is at most the value, and for few others:
  // those that the bits left away keep apart.
  FASTCODER_ALWAYS_INLINE bool reaches(uint16_t entry) const {
    return entry * (span >> 16) >> 16 <= code >> 48;
  }
};

#if defined(__SSE2__)

// SSE2 is part of x86-64: no dispatch.
class BinaryComparer {
 public:
  explicit BinaryComparer(const BinaryKey& key)
      : value_(
            spread(_mm_shufflelo_epi16(_mm_cvtsi64_si128(static_cast<int64_t>(key.code)), 0xFF))),
        span_(
            spread(_mm_shufflelo_epi16(_mm_cvtsi32_si128(static_cast<int32_t>(key.span)), 0x55))) {}

  // Bit k: whether entry k is reached.
  FASTCODER_ALWAYS_INLINE uint32_t reached16(const uint16_t* entries) const {
    const __m128i both = _mm_packs_epi16(reached8(entries), reached8(entries + 8));
    return static_cast<uint32_t>(_mm_movemask_epi8(both));
  }

 private:
  static FASTCODER_ALWAYS_INLINE __m128i spread(__m128i low) {
    return _mm_unpacklo_epi64(low, low);
  }

  // A product that exceeds the value by nothing is not above it.
  FASTCODER_ALWAYS_INLINE __m128i reached8(const uint16_t* entries) const {
    const __m128i row = _mm_loadu_si128(reinterpret_cast<const __m128i*>(entries));
    const __m128i above = _mm_subs_epu16(_mm_mulhi_epu16(row, span_), value_);
    return _mm_cmpeq_epi16(above, _mm_setzero_si128());
  }

  __m128i value_;
  __m128i span_;
};

#else

class BinaryComparer {
 public:
  explicit BinaryComparer(const BinaryKey& key) : key_(key) {}

  FASTCODER_ALWAYS_INLINE uint32_t reached16(const uint16_t* entries) const {
    uint32_t mask = 0;
    for (uint32_t k = 0; k < 16; ++k) mask |= uint32_t{key_.reaches(entries[k])} << k;
    return mask;
  }

 private:
  BinaryKey key_;
};

#endif

// How many of `most` entries are reached before the first that is not. Reads kEntries of them, 16
// to 64; `most` is below 64.
template <uint32_t kEntries>
FASTCODER_ALWAYS_INLINE uint64_t count_reached(const BinaryKey& key, const uint16_t* entries,
                                               uint64_t most) {
  const BinaryComparer compare(key);
  uint64_t mask = 0;
  for (uint32_t k = 0; k < kEntries; k += 16) {
    mask |= uint64_t{compare.reached16(entries + k)} << k;
  }
  return static_cast<uint64_t>(std::countr_zero(~mask | uint64_t{1} << most));
}

}  // namespace fastcoder
