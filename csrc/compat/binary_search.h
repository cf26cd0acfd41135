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

// The upper 16 bits of a value in [0, 2^32) and of the last value of its interval.
struct BinaryKey {
  uint16_t value;
  uint16_t span;

  // True for every entry whose part of the interval is at most the value; and for few others,
  // those whose part is at most 3 * 2^16 above it.
  FASTCODER_ALWAYS_INLINE bool reaches(uint16_t entry) const {
    return (uint32_t{entry} * span >> 16) <= value;
  }
};

#if defined(__SSE2__)

// SSE2 is part of x86-64: no dispatch.
class BinaryComparer {
 public:
  explicit BinaryComparer(const BinaryKey& key)
      : value_(_mm_set1_epi16(static_cast<int16_t>(key.value))),
        span_(_mm_set1_epi16(static_cast<int16_t>(key.span))) {}

  // Bit k: whether entry k is reached.
  FASTCODER_ALWAYS_INLINE uint32_t reached16(const uint16_t* entries) const {
    const __m128i both = _mm_packs_epi16(reached8(entries), reached8(entries + 8));
    return static_cast<uint32_t>(_mm_movemask_epi8(both));
  }

 private:
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

// How many entries are reached before the first that is not; reads kEntries, 16 to 64 of them.
template <uint32_t kEntries>
FASTCODER_ALWAYS_INLINE uint32_t count_reached(const BinaryKey& key, const uint16_t* entries) {
  const BinaryComparer compare(key);
  uint64_t mask = 0;
  for (uint32_t k = 0; k < kEntries; k += 16) {
    mask |= uint64_t{compare.reached16(entries + k)} << k;
  }
  if constexpr (kEntries < 64) return static_cast<uint32_t>(std::countr_zero(~mask));
  return static_cast<uint32_t>(std::countr_one(mask));
}

}  // namespace fastcoder
