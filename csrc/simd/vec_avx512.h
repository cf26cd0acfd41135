// SPDX-License-Identifier: Apache-2.0
// Eight lanes of 32 bits in AVX-512VL: 256-bit vectors with masks. What the primitives mean is said
// in vec_sse41.h, in the same order.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "base/attributes.h"
#include "simd/lane_maps.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

#define FASTCODER_PRIMITIVE static FASTCODER_ALWAYS_INLINE

struct Vec {
  static constexpr uint32_t kWidth = 8;
  using U32 = __m256i;
  using Mask = __mmask8;
  using Count = __m128i;
  using Real = __m256;

  FASTCODER_PRIMITIVE U32 load(const uint32_t* lanes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes));
  }
  FASTCODER_PRIMITIVE void store(uint32_t* lanes, U32 v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), v);
  }
  FASTCODER_PRIMITIVE U32 splat(uint32_t value) {
    return _mm256_set1_epi32(static_cast<int>(value));
  }
  FASTCODER_PRIMITIVE Count count(uint32_t bits) {
    return _mm_cvtsi32_si128(static_cast<int>(bits));
  }
  FASTCODER_PRIMITIVE U32 add(U32 a, U32 b) { return _mm256_add_epi32(a, b); }
  FASTCODER_PRIMITIVE U32 sub(U32 a, U32 b) { return _mm256_sub_epi32(a, b); }
  FASTCODER_PRIMITIVE U32 mul(U32 a, U32 b) { return _mm256_mullo_epi32(a, b); }
  FASTCODER_PRIMITIVE U32 both(U32 a, U32 b) { return _mm256_and_si256(a, b); }
  FASTCODER_PRIMITIVE U32 either(U32 a, U32 b) { return _mm256_or_si256(a, b); }
  FASTCODER_PRIMITIVE U32 differ(U32 a, U32 b) { return _mm256_xor_si256(a, b); }
  FASTCODER_PRIMITIVE U32 min(U32 a, U32 b) { return _mm256_min_epu32(a, b); }
  FASTCODER_PRIMITIVE U32 shift_left(U32 v, Count bits) { return _mm256_sll_epi32(v, bits); }
  FASTCODER_PRIMITIVE U32 shift_right(U32 v, Count bits) { return _mm256_srl_epi32(v, bits); }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_left(U32 v) {
    return _mm256_slli_epi32(v, kBits);
  }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_right(U32 v) {
    return _mm256_srli_epi32(v, kBits);
  }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_right_signed(U32 v) {
    return _mm256_srai_epi32(v, kBits);
  }
  FASTCODER_PRIMITIVE U32 append(U32 v, U32 word) {
    return _mm256_or_si256(_mm256_slli_epi32(v, 16), word);
  }
  FASTCODER_PRIMITIVE Mask less(U32 a, U32 b) { return _mm256_cmplt_epi32_mask(a, b); }
  FASTCODER_PRIMITIVE Mask is_zero(U32 v) { return _mm256_testn_epi32_mask(v, v); }
  FASTCODER_PRIMITIVE U32 select(Mask mask, U32 yes, U32 no) {
    return _mm256_mask_mov_epi32(no, mask, yes);
  }
  FASTCODER_PRIMITIVE U32 keep_unless(Mask mask, U32 v) {
    return _mm256_mask_mov_epi32(v, mask, _mm256_setzero_si256());
  }
  FASTCODER_PRIMITIVE U32 increment_unless(Mask mask, U32 v) {
    return _mm256_mask_add_epi32(v, static_cast<Mask>(~mask), v, _mm256_set1_epi32(1));
  }
  FASTCODER_PRIMITIVE uint32_t bits(Mask mask) { return mask; }

  FASTCODER_PRIMITIVE U32 widen(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  FASTCODER_PRIMITIVE U32 widen(const uint16_t* p) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  FASTCODER_PRIMITIVE U32 widen(const int8_t* p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  FASTCODER_PRIMITIVE U32 widen(const int16_t* p) {
    return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  FASTCODER_PRIMITIVE U32 widen(const int32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  FASTCODER_PRIMITIVE void narrow(int8_t* p, U32 v) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm256_cvtepi32_epi8(v));
  }
  FASTCODER_PRIMITIVE void narrow(int16_t* p, U32 v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtepi32_epi16(v));
  }
  FASTCODER_PRIMITIVE void narrow(int32_t* p, U32 v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  }

  FASTCODER_PRIMITIVE void gather_entries(const uint64_t* table, U32 at, U32& low, U32& high) {
    const __m128i at_low = _mm256_castsi256_si128(at);
    const __m128i at_high = _mm256_extracti128_si256(at, 1);
    const __m256 a = _mm256_castsi256_ps(_mm256_inserti128_si256(
        _mm256_castsi128_si256(two_entries(table, _mm_cvtsi128_si64(at_low))),
        two_entries(table, _mm_cvtsi128_si64(at_high)), 1));
    const __m256 b = _mm256_castsi256_ps(_mm256_inserti128_si256(
        _mm256_castsi128_si256(two_entries(table, _mm_extract_epi64(at_low, 1))),
        two_entries(table, _mm_extract_epi64(at_high, 1)), 1));
    low = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
    high = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD));
  }
  FASTCODER_PRIMITIVE U32 gather(const uint32_t* table, U32 at) {
    return _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), at, 4);
  }

  FASTCODER_PRIMITIVE U32 take_words(Mask mask, const uint8_t*& words) {
    const __m256i next =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words)));
    words += 2 * static_cast<uint32_t>(_mm_popcnt_u32(mask));
    return _mm256_maskz_expand_epi32(mask, next);
  }
  FASTCODER_PRIMITIVE void emit(U32 states, uint32_t taken, uint8_t*& cursor) {
    const uint32_t words = static_cast<uint32_t>(_mm_popcnt_u32(taken));
    cursor -= 2 * words;
    const __m256i packed = _mm256_maskz_compress_epi32(static_cast<Mask>(taken), states);
    _mm_mask_storeu_epi16(cursor, static_cast<Mask>((1u << words) - 1),
                          _mm256_cvtepi32_epi16(packed));
  }

  FASTCODER_PRIMITIVE Real reciprocal_below(U32 divisor) {
    return _mm256_div_ps(_mm256_set1_ps(kJustBelowOne), _mm256_cvtepi32_ps(divisor));
  }
  FASTCODER_PRIMITIVE U32 quotient_below(U32 x, Real reciprocal) {
    return _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_cvtepu32_ps(x), reciprocal));
  }

 private:
  FASTCODER_PRIMITIVE __m128i two_entries(const uint64_t* table, int64_t at) {
    const uint64_t both = static_cast<uint64_t>(at);
    const __m128i first =
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(table + static_cast<uint32_t>(both)));
    return _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(first),
                                         reinterpret_cast<const double*>(table + (both >> 32))));
  }
};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
