// SPDX-License-Identifier: Apache-2.0
// Four lanes of 32 bits in SSE4.1, and what each primitive means; the other vec_*.h follow the same
// order and hold nothing but instructions.
//
// Comparisons are signed: everything compared is below 2^31 (frequencies, remainders, and states
// shifted right), but for symbols, which are signed.
#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "simd/lane_maps.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

#define FASTCODER_PRIMITIVE static FASTCODER_ALWAYS_INLINE

struct Vec {
  static constexpr uint32_t kWidth = 4;
  using U32 = __m128i;
  using Mask = __m128i;   // all ones or all zeros in each lane
  using Count = __m128i;  // a number of bits to shift all lanes by
  using Real = __m128;

  FASTCODER_PRIMITIVE U32 load(const uint32_t* lanes) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes));
  }
  FASTCODER_PRIMITIVE void store(uint32_t* lanes, U32 v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(lanes), v);
  }
  FASTCODER_PRIMITIVE U32 splat(uint32_t value) { return _mm_set1_epi32(static_cast<int>(value)); }
  FASTCODER_PRIMITIVE Count count(uint32_t bits) {
    return _mm_cvtsi32_si128(static_cast<int>(bits));
  }
  FASTCODER_PRIMITIVE U32 add(U32 a, U32 b) { return _mm_add_epi32(a, b); }
  FASTCODER_PRIMITIVE U32 sub(U32 a, U32 b) { return _mm_sub_epi32(a, b); }
  FASTCODER_PRIMITIVE U32 mul(U32 a, U32 b) { return _mm_mullo_epi32(a, b); }
  FASTCODER_PRIMITIVE U32 both(U32 a, U32 b) { return _mm_and_si128(a, b); }
  FASTCODER_PRIMITIVE U32 either(U32 a, U32 b) { return _mm_or_si128(a, b); }
  FASTCODER_PRIMITIVE U32 differ(U32 a, U32 b) { return _mm_xor_si128(a, b); }
  FASTCODER_PRIMITIVE U32 min(U32 a, U32 b) { return _mm_min_epu32(a, b); }
  FASTCODER_PRIMITIVE U32 shift_left(U32 v, Count bits) { return _mm_sll_epi32(v, bits); }
  FASTCODER_PRIMITIVE U32 shift_right(U32 v, Count bits) { return _mm_srl_epi32(v, bits); }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_left(U32 v) {
    return _mm_slli_epi32(v, kBits);
  }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_right(U32 v) {
    return _mm_srli_epi32(v, kBits);
  }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_right_signed(U32 v) {
    return _mm_srai_epi32(v, kBits);
  }
  // v << 16 | word, for words below 2^16.
  FASTCODER_PRIMITIVE U32 append(U32 v, U32 word) {
    return _mm_or_si128(_mm_slli_epi32(v, 16), word);
  }
  FASTCODER_PRIMITIVE Mask less(U32 a, U32 b) { return _mm_cmplt_epi32(a, b); }
  FASTCODER_PRIMITIVE Mask is_zero(U32 v) { return _mm_cmpeq_epi32(v, _mm_setzero_si128()); }
  FASTCODER_PRIMITIVE U32 select(Mask mask, U32 yes, U32 no) {
    return _mm_blendv_epi8(no, yes, mask);
  }
  // v where the mask is not set, else 0; v + 1 where it is not set, else v.
  FASTCODER_PRIMITIVE U32 keep_unless(Mask mask, U32 v) { return _mm_andnot_si128(mask, v); }
  FASTCODER_PRIMITIVE U32 increment_unless(Mask mask, U32 v) {
    return _mm_add_epi32(v, _mm_add_epi32(mask, _mm_set1_epi32(1)));
  }
  // Bit i is lane i.
  FASTCODER_PRIMITIVE uint32_t bits(Mask mask) {
    return static_cast<uint32_t>(_mm_movemask_ps(_mm_castsi128_ps(mask)));
  }

  // kWidth elements as 32-bit lanes: unsigned types with zeros, signed ones with their sign.
  FASTCODER_PRIMITIVE U32 widen(const uint8_t* p) { return _mm_cvtepu8_epi32(load_bytes<4>(p)); }
  FASTCODER_PRIMITIVE U32 widen(const uint16_t* p) { return _mm_cvtepu16_epi32(load_bytes<8>(p)); }
  FASTCODER_PRIMITIVE U32 widen(const int8_t* p) { return _mm_cvtepi8_epi32(load_bytes<4>(p)); }
  FASTCODER_PRIMITIVE U32 widen(const int16_t* p) { return _mm_cvtepi16_epi32(load_bytes<8>(p)); }
  FASTCODER_PRIMITIVE U32 widen(const int32_t* p) { return load_bytes<16>(p); }
  // The way back; what does not fit comes out as anything.
  FASTCODER_PRIMITIVE void narrow(int8_t* p, U32 v) {
    const __m128i words = _mm_packs_epi32(v, v);
    const int bytes = _mm_cvtsi128_si32(_mm_packs_epi16(words, words));
    memcpy(p, &bytes, 4);
  }
  FASTCODER_PRIMITIVE void narrow(int16_t* p, U32 v) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(v, v));
  }
  FASTCODER_PRIMITIVE void narrow(int32_t* p, U32 v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v);
  }

  // The low and high halves of 64-bit table[at]: two loads fill a vector, which is as fast as a
  // gather where gathers are fast, and several times faster where they are not.
  FASTCODER_PRIMITIVE void gather_entries(const uint64_t* table, U32 at, U32& low, U32& high) {
    const __m128 a = _mm_castsi128_ps(two_entries(table, _mm_cvtsi128_si64(at)));
    const __m128 b = _mm_castsi128_ps(two_entries(table, _mm_extract_epi64(at, 1)));
    low = _mm_castps_si128(_mm_shuffle_ps(a, b, 0x88));
    high = _mm_castps_si128(_mm_shuffle_ps(a, b, 0xDD));
  }
  // table[at]
  FASTCODER_PRIMITIVE U32 gather(const uint32_t* table, U32 at) {
    const uint64_t a = static_cast<uint64_t>(_mm_cvtsi128_si64(at));
    const uint64_t b = static_cast<uint64_t>(_mm_extract_epi64(at, 1));
    return _mm_setr_epi32(
        static_cast<int>(table[static_cast<uint32_t>(a)]), static_cast<int>(table[a >> 32]),
        static_cast<int>(table[static_cast<uint32_t>(b)]), static_cast<int>(table[b >> 32]));
  }

  // The next words of the stream, in lane order, for the lanes in `mask`:
  //
  //   lane        3  2  1  0
  //   mask        1  0  1  1
  //   takes       w2 .  w1 w0      and `words` advances by three words
  //
  // The other lanes come out as anything. Reads 2 * kWidth bytes whatever the mask.
  FASTCODER_PRIMITIVE U32 take_words(Mask mask, const uint8_t*& words) {
    const uint32_t taken = bits(mask);
    const __m128i spread = _mm_shuffle_epi8(load_bytes<8>(words), load_bytes<16>(kSpread4[taken]));
    words += 2 * static_cast<uint32_t>(_mm_popcnt_u32(taken));
    return spread;
  }
  // The reverse: the low words of the lanes in `taken` go below `cursor`, lane order upwards.
  // Writes 2 * kWidth bytes below it whatever the mask.
  FASTCODER_PRIMITIVE void emit(U32 states, uint32_t taken, uint8_t*& cursor) {
    const __m128i packed = _mm_shuffle_epi8(states, load_bytes<16>(kPackUp4[taken]));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(cursor - 8), packed);
    cursor -= 2 * static_cast<uint32_t>(_mm_popcnt_u32(taken));
  }

  // For 1 <= divisor <= 2^16 and x < 2^18 * divisor, quotient_below(x, reciprocal_below(divisor))
  // is floor(x / divisor) or one less. Dividing, converting x and multiplying each err by less than
  // 2^-23 of their result in any rounding mode, which together is less than the 2^-21 that the
  // reciprocal lies below the true one. So the product lies below x / divisor, and by less than
  // 2^18 * (2^-21 + 3 * 2^-23) < 1: truncated, it is the quotient or one less. The reciprocal does
  // not wait for the state.
  FASTCODER_PRIMITIVE Real reciprocal_below(U32 divisor) {
    return _mm_div_ps(_mm_set1_ps(kJustBelowOne), _mm_cvtepi32_ps(divisor));
  }
  FASTCODER_PRIMITIVE U32 quotient_below(U32 x, Real reciprocal) {
    const __m128i low = _mm_and_si128(x, _mm_set1_epi32(0xFFFF));
    const __m128 real =
        _mm_add_ps(_mm_mul_ps(_mm_cvtepi32_ps(_mm_srli_epi32(x, 16)), _mm_set1_ps(65536.0f)),
                   _mm_cvtepi32_ps(low));
    return _mm_cvttps_epi32(_mm_mul_ps(real, reciprocal));
  }

 private:
  template <int kBytes>
  FASTCODER_PRIMITIVE __m128i load_bytes(const void* p) {
    if constexpr (kBytes == 4) {
      int bytes;
      memcpy(&bytes, p, 4);
      return _mm_cvtsi32_si128(bytes);
    } else if constexpr (kBytes == 8) {
      return _mm_loadl_epi64(static_cast<const __m128i*>(p));
    } else {
      return _mm_loadu_si128(static_cast<const __m128i*>(p));
    }
  }
  FASTCODER_PRIMITIVE __m128i two_entries(const uint64_t* table, int64_t at) {
    const uint64_t both = static_cast<uint64_t>(at);
    const __m128i first = load_bytes<8>(table + static_cast<uint32_t>(both));
    return _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(first),
                                         reinterpret_cast<const double*>(table + (both >> 32))));
  }
};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
