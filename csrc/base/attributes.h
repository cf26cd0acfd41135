// SPDX-License-Identifier: Apache-2.0
// The only file that knows which compiler this is.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#define FASTCODER_ALWAYS_INLINE __forceinline
#define FASTCODER_INLINED_LAMBDA
#define FASTCODER_UNROLL
#define FASTCODER_UNLIKELY(condition) (condition)
#define FASTCODER_UNPREDICTABLE(condition) (condition)
#define FASTCODER_PREFETCH(address)
#else
#define FASTCODER_INLINED_LAMBDA __attribute__((always_inline))
#define FASTCODER_UNROLL _Pragma("GCC unroll 8")
#define FASTCODER_ALWAYS_INLINE inline __attribute__((always_inline))
#define FASTCODER_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
// Asks for a conditional move. A jump there is taken at random and costs more than a symbol.
#if defined(__clang__)
#define FASTCODER_UNPREDICTABLE(condition) __builtin_unpredictable(!!(condition))
#else
#define FASTCODER_UNPREDICTABLE(condition) __builtin_expect_with_probability(!!(condition), 1, 0.5)
#endif
#define FASTCODER_PREFETCH(address) __builtin_prefetch(reinterpret_cast<const void*>(address))
#endif

#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
static inline uint64_t fastcoder_mul_high(uint64_t a, uint64_t b) { return __umulh(a, b); }
static inline uint32_t fastcoder_first_bit(uint32_t value) {
  unsigned long place;
  _BitScanReverse(&place, value);
  return place;
}
static inline uint32_t fastcoder_last_bit(uint64_t value) {
  unsigned long place;
  _BitScanForward64(&place, value);
  return place;
}
#else
// The place of the most and of the least significant bit of a number that is not 0. <bit> has no
// place behind the ISA wall.
static FASTCODER_ALWAYS_INLINE uint32_t fastcoder_first_bit(uint32_t value) {
  return 31 - static_cast<uint32_t>(__builtin_clz(value));
}
static FASTCODER_ALWAYS_INLINE uint32_t fastcoder_last_bit(uint64_t value) {
  return static_cast<uint32_t>(__builtin_ctzll(value));
}
// The upper half of a product.
static FASTCODER_ALWAYS_INLINE uint64_t fastcoder_mul_high(uint64_t a, uint64_t b) {
  __extension__ using Product = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Product>(a) * b) >> 64);
}
#endif
