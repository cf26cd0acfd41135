// SPDX-License-Identifier: Apache-2.0
// The decoder's loop: which slot of a row holds the value, by comparing many entries at once, and
// then one doubling. The comparison is of the upper 16 bits, so that it needs no division and no
// product of 48 bits; the slot that it finds is looked at exactly. A target defines FASTCODER_ISA.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "compat/binary_kernels.h"
#include "compat/binary_step.h"
#include "format/range_step.h"

#if defined(__SSE2__) && defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fastcoder::FASTCODER_ISA {
namespace {

// Slots that one search looks at.
constexpr uint32_t kWindow = 64;
constexpr uint64_t kAhead = 8;
constexpr uint64_t kLineEntries = 32;

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

#if defined(__AVX512BW__) && defined(__AVX512VL__)

class BinaryComparer {
 public:
  explicit BinaryComparer(const BinaryKey& key)
      : value_(_mm512_set1_epi16(static_cast<int16_t>(key.code >> 48))),
        span_(_mm512_set1_epi16(static_cast<int16_t>(key.span >> 16))) {}

  // Bit k: whether entry k of 16 or 32 is reached.
  FASTCODER_ALWAYS_INLINE uint64_t reached16(const uint16_t* entries) const {
    const __m256i row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(entries));
    const __m256i part = _mm256_mulhi_epu16(row, _mm512_castsi512_si256(span_));
    return _mm256_cmple_epu16_mask(part, _mm512_castsi512_si256(value_));
  }
  FASTCODER_ALWAYS_INLINE uint64_t reached32(const uint16_t* entries) const {
    const __m512i part = _mm512_mulhi_epu16(_mm512_loadu_si512(entries), span_);
    return _mm512_cmple_epu16_mask(part, value_);
  }

 private:
  __m512i value_;
  __m512i span_;
};

#elif defined(__SSE2__) && defined(__x86_64__)

// SSE2 is part of x86-64: no dispatch.
class BinaryComparer {
 public:
  explicit BinaryComparer(const BinaryKey& key)
      : value_(
            spread(_mm_shufflelo_epi16(_mm_cvtsi64_si128(static_cast<int64_t>(key.code)), 0xFF))),
        span_(
            spread(_mm_shufflelo_epi16(_mm_cvtsi32_si128(static_cast<int32_t>(key.span)), 0x55))) {}

  // Bit k: whether entry k is reached.
  FASTCODER_ALWAYS_INLINE uint64_t reached16(const uint16_t* entries) const {
    const __m128i both = _mm_packs_epi16(reached8(entries), reached8(entries + 8));
    return static_cast<uint32_t>(_mm_movemask_epi8(both));
  }

  FASTCODER_ALWAYS_INLINE uint64_t reached32(const uint16_t* entries) const {
    return reached16(entries) | reached16(entries + 16) << 16;
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

  FASTCODER_ALWAYS_INLINE uint64_t reached16(const uint16_t* entries) const {
    uint32_t mask = 0;
    for (uint32_t k = 0; k < 16; ++k) mask |= uint32_t{key_.reaches(entries[k])} << k;
    return mask;
  }

  FASTCODER_ALWAYS_INLINE uint64_t reached32(const uint16_t* entries) const {
    return reached16(entries) | reached16(entries + 16) << 16;
  }

 private:
  BinaryKey key_;
};

#endif

// How many of `most` entries are reached before the first that is not. Reads kEntries of them, 16,
// 32 or 64; `most` is below 64.
template <uint32_t kEntries>
FASTCODER_ALWAYS_INLINE uint64_t count_reached(const BinaryKey& key, const uint16_t* entries,
                                               uint64_t most) {
  const BinaryComparer compare(key);
  uint64_t mask = 0;
  if constexpr (kEntries == 16) {
    mask = compare.reached16(entries);
  } else {
    for (uint32_t k = 0; k < kEntries; k += 32) mask |= compare.reached32(entries + k) << k;
  }
  return fastcoder_last_bit(~mask | uint64_t{1} << most);
}

// A slot, and its part of the interval.
struct Slot {
  uint64_t number;
  uint32_t start;
  uint64_t below;
  uint64_t top;
};

FASTCODER_ALWAYS_INLINE Slot slot_at(const uint16_t* row, uint64_t number, uint64_t last,
                                     uint64_t span) {
  const uint32_t start = row[number];
  const uint32_t next = row[number + 1];
  const uint32_t end = FASTCODER_UNPREDICTABLE(number == last) ? kBinaryTotal : next;
  return {number, start, binary_part(span, start), binary_part(span, end)};
}

FASTCODER_ALWAYS_INLINE bool holds(const Slot& slot, uint64_t code) {
  return slot.below <= code >> 32 && code >> 32 < slot.top;
}

// At least 24 bits are spare afterwards. Bits that do not fill a byte are read again.
FASTCODER_ALWAYS_INLINE void refill(BinaryDecodeState& s) {
  s.code |= load_big_u32(s.in) >> s.spare;
  s.in += (31 - s.spare) / 8;
  s.spare |= 24;
}

FASTCODER_ALWAYS_INLINE void pop(BinaryDecodeState& s, const Slot& slot) {
  const uint32_t last = static_cast<uint32_t>(slot.top - slot.below - 1);
  s.low += static_cast<uint32_t>(slot.below);
  const uint32_t shift = binary_shift(s.low, last);
  s.code = (s.code - (slot.below << 32)) << shift;
  s.span = (uint64_t{last} + 1) << shift;
  s.last = last << shift;
  s.low <<= shift;
  s.spare -= shift;
}

// Guesses the slot of a row with few slots: which of the starts behind the first are reached. Reads
// kEntries entries behind the first; what lies behind the last start does not matter.
template <uint32_t kEntries>
struct SmallSearch {
  static constexpr bool kPrefetch = false;
  FASTCODER_ALWAYS_INLINE uint64_t operator()(const BinaryKey& key, const uint16_t* row) const {
    return count_reached<kEntries>(key, row + 1, slots - 1);
  }
  uint64_t slots;
};

// Halves down to four windows, looks at their borders, then at one of them. Reads the row only.
struct LargeSearch {
  static constexpr bool kPrefetch = true;
  FASTCODER_ALWAYS_INLINE uint64_t operator()(const BinaryKey& key, const uint16_t* row) const {
    uint64_t base = 0;
    uint64_t size = slots;
    while (size > 4 * kWindow) {
      const uint64_t half = size / 2;
      base = FASTCODER_UNPREDICTABLE(key.reaches(row[base + half])) ? base + half : base;
      size -= half;
    }
    uint64_t windows = 0;
    for (uint64_t border = kWindow; border < size; border += kWindow) {
      windows += key.reaches(row[base + border]);
    }
    base += windows * kWindow;
    if (base > slots - kWindow) base = slots - kWindow;
    return base + count_reached<kWindow>(key, row + base + 1, kWindow - 1);
  }
  uint64_t slots;
};

// Exactly, by halving as the original: for what the upper 16 bits could not decide, and for rows
// that decrease.
uint64_t find_slowly(uint64_t code, uint64_t span, const uint16_t* row, uint64_t last) {
  const uint64_t count = (((code >> 32) + 1) * kBinaryTotal - 1) / span;
  uint64_t left = 0;
  uint64_t right = last + 1;
  while (left + 1 < right) {
    const uint64_t middle = (left + right) / 2;
    (row[middle] <= count ? left : right) = middle;
  }
  return left;
}

template <class Search>
uint64_t decode_block(const BinaryBlock& block, uint64_t slots, BinaryDecodeState& state,
                      int16_t* symbols) {
  const Search search{slots};
  const uint64_t last = slots - 1;
  BinaryDecodeState s = state;
  const uint16_t* row = block.rows;
  uint64_t i = 0;
  for (; i < block.count; ++i, row += block.stride) {
    if constexpr (Search::kPrefetch) {
      // As a number: it may lie behind the array.
      const uintptr_t ahead = reinterpret_cast<uintptr_t>(row) + 2 * kAhead * block.stride;
      for (uint64_t k = 0; k <= last; k += kLineEntries) FASTCODER_PREFETCH(ahead + 2 * k);
    }
    // Any bits are a row here; what a row that decreases makes of them is seen below.
    Slot slot = slot_at(row, search({s.code, s.last}, row), last, s.span);
    // 2^16 is written as 0: such a slot may seem to hold what an earlier one does.
    const bool wrapped = (slot.start == 0) & (slot.number != 0);
    if (FASTCODER_UNLIKELY(wrapped || !holds(slot, s.code))) {
      slot = slot_at(row, find_slowly(s.code, s.span, row, last), last, s.span);
      if (!holds(slot, s.code)) break;
    }
    refill(s);
    if (FASTCODER_UNLIKELY(slot.number > 0x7FFF)) break;
    symbols[i] = static_cast<int16_t>(slot.number);
    pop(s, slot);
  }
  state = s;
  return i;
}

constexpr BinaryDecodeKernels kFunctions = {
    {&decode_block<SmallSearch<16>>, &decode_block<SmallSearch<32>>,
     &decode_block<SmallSearch<kWindow>>, &decode_block<LargeSearch>}};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
