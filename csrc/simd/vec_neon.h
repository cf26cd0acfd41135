// SPDX-License-Identifier: Apache-2.0
// Four lanes of 32 bits in NEON of AArch64. What the primitives mean is said in vec_sse41.h, in the
// same order. There is no movemask here, and counting the bits of a register is slow: a sum over
// weighted lanes gives the mask as bits, and the number of bytes that its words take with it.
#pragma once

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "simd/lane_maps.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

#define FASTCODER_PRIMITIVE static FASTCODER_ALWAYS_INLINE

struct Vec {
  static constexpr uint32_t kWidth = 4;
  using U32 = uint32x4_t;
  using Mask = uint32x4_t;  // all ones or all zeros in each lane
  using Count = int32x4_t;  // to the left; a negative one shifts to the right
  using Real = float32x4_t;

  FASTCODER_PRIMITIVE U32 load(const uint32_t* lanes) { return vld1q_u32(lanes); }
  FASTCODER_PRIMITIVE void store(uint32_t* lanes, U32 v) { vst1q_u32(lanes, v); }
  FASTCODER_PRIMITIVE U32 splat(uint32_t value) { return vdupq_n_u32(value); }
  FASTCODER_PRIMITIVE Count count(uint32_t bits) { return vdupq_n_s32(static_cast<int32_t>(bits)); }
  FASTCODER_PRIMITIVE U32 add(U32 a, U32 b) { return vaddq_u32(a, b); }
  FASTCODER_PRIMITIVE U32 sub(U32 a, U32 b) { return vsubq_u32(a, b); }
  FASTCODER_PRIMITIVE U32 mul(U32 a, U32 b) { return vmulq_u32(a, b); }
  FASTCODER_PRIMITIVE U32 both(U32 a, U32 b) { return vandq_u32(a, b); }
  FASTCODER_PRIMITIVE U32 either(U32 a, U32 b) { return vorrq_u32(a, b); }
  FASTCODER_PRIMITIVE U32 differ(U32 a, U32 b) { return veorq_u32(a, b); }
  FASTCODER_PRIMITIVE U32 min(U32 a, U32 b) { return vminq_u32(a, b); }
  FASTCODER_PRIMITIVE U32 shift_left(U32 v, Count bits) { return vshlq_u32(v, bits); }
  FASTCODER_PRIMITIVE U32 shift_right(U32 v, Count bits) { return vshlq_u32(v, vnegq_s32(bits)); }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_left(U32 v) {
    return vshlq_n_u32(v, kBits);
  }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_right(U32 v) {
    return vshrq_n_u32(v, kBits);
  }
  template <int kBits>
  FASTCODER_PRIMITIVE U32 shift_right_signed(U32 v) {
    return vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_u32(v), kBits));
  }
  FASTCODER_PRIMITIVE U32 append(U32 v, U32 word) { return vsliq_n_u32(word, v, 16); }
  FASTCODER_PRIMITIVE Mask less(U32 a, U32 b) {
    return vcltq_s32(vreinterpretq_s32_u32(a), vreinterpretq_s32_u32(b));
  }
  FASTCODER_PRIMITIVE Mask is_zero(U32 v) { return vceqzq_u32(v); }
  FASTCODER_PRIMITIVE U32 select(Mask mask, U32 yes, U32 no) { return vbslq_u32(mask, yes, no); }
  FASTCODER_PRIMITIVE U32 keep_unless(Mask mask, U32 v) { return vbicq_u32(v, mask); }
  FASTCODER_PRIMITIVE U32 increment_unless(Mask mask, U32 v) {
    return vsubq_u32(v, vmvnq_u32(mask));
  }
  FASTCODER_PRIMITIVE uint32_t bits(Mask mask) { return bits_and_bytes(mask) & 0xF; }

  FASTCODER_PRIMITIVE U32 widen(const uint8_t* p) {
    return vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(four_bytes(p)))));
  }
  FASTCODER_PRIMITIVE U32 widen(const uint16_t* p) { return vmovl_u16(vld1_u16(p)); }
  FASTCODER_PRIMITIVE U32 widen(const int8_t* p) {
    const int16x8_t words = vmovl_s8(vreinterpret_s8_u32(four_bytes(p)));
    return vreinterpretq_u32_s32(vmovl_s16(vget_low_s16(words)));
  }
  FASTCODER_PRIMITIVE U32 widen(const int16_t* p) {
    return vreinterpretq_u32_s32(vmovl_s16(vld1_s16(p)));
  }
  FASTCODER_PRIMITIVE U32 widen(const int32_t* p) { return vreinterpretq_u32_s32(vld1q_s32(p)); }
  FASTCODER_PRIMITIVE void narrow(int8_t* p, U32 v) {
    const uint16x4_t words = vmovn_u32(v);
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
    const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    memcpy(p, &four, 4);
  }
  FASTCODER_PRIMITIVE void narrow(int16_t* p, U32 v) {
    vst1_s16(p, vreinterpret_s16_u16(vmovn_u32(v)));
  }
  FASTCODER_PRIMITIVE void narrow(int32_t* p, U32 v) { vst1q_s32(p, vreinterpretq_s32_u32(v)); }

  FASTCODER_PRIMITIVE void gather_entries(const uint64_t* table, U32 at, U32& low, U32& high) {
    const uint64x2_t pairs = vreinterpretq_u64_u32(at);
    const uint32x4_t a = two_entries(table, vgetq_lane_u64(pairs, 0));
    const uint32x4_t b = two_entries(table, vgetq_lane_u64(pairs, 1));
    low = vuzp1q_u32(a, b);
    high = vuzp2q_u32(a, b);
  }
  FASTCODER_PRIMITIVE U32 gather(const uint32_t* table, U32 at) {
    const uint64x2_t pairs = vreinterpretq_u64_u32(at);
    const uint64_t a = vgetq_lane_u64(pairs, 0);
    const uint64_t b = vgetq_lane_u64(pairs, 1);
    uint32x4_t found = vdupq_n_u32(0);
    found = vld1q_lane_u32(table + static_cast<uint32_t>(a), found, 0);
    found = vld1q_lane_u32(table + (a >> 32), found, 1);
    found = vld1q_lane_u32(table + static_cast<uint32_t>(b), found, 2);
    return vld1q_lane_u32(table + (b >> 32), found, 3);
  }

  FASTCODER_PRIMITIVE U32 take_words(Mask mask, const uint8_t*& words) {
    const uint32_t taken = bits_and_bytes(mask);
    const uint8x16_t next = vcombine_u8(vld1_u8(words), vdup_n_u8(0));
    words += taken >> 8;
    return vreinterpretq_u32_u8(vqtbl1q_u8(next, vld1q_u8(kSpread4[taken & 0xF])));
  }
  FASTCODER_PRIMITIVE void emit(U32 states, uint32_t taken, uint8_t*& cursor) {
    // Twice the number of bits in `taken`, a digit for each of its sixteen values.
    constexpr uint64_t kBytes = 0x8664'6442'6442'4220;
    vst1_u8(cursor - 8, vqtbl1_u8(vreinterpretq_u8_u32(states), vld1_u8(kPackUp4[taken])));
    cursor -= kBytes >> 4 * taken & 0xF;
  }

  FASTCODER_PRIMITIVE Real reciprocal_below(U32 divisor) {
    return vdivq_f32(vdupq_n_f32(kJustBelowOne), vcvtq_f32_u32(divisor));
  }
  FASTCODER_PRIMITIVE U32 quotient_below(U32 x, Real reciprocal) {
    return vcvtq_u32_f32(vmulq_f32(vcvtq_f32_u32(x), reciprocal));
  }

 private:
  // The mask in bits 0 to 3, and from bit 8 on the bytes of a word for each lane in it.
  FASTCODER_PRIMITIVE uint32_t bits_and_bytes(Mask mask) {
    constexpr uint32_t kWeights[4] = {0x201, 0x202, 0x204, 0x208};
    return vaddvq_u32(vandq_u32(mask, vld1q_u32(kWeights)));
  }
  FASTCODER_PRIMITIVE uint32x2_t four_bytes(const void* p) {
    uint32_t bytes;
    memcpy(&bytes, p, 4);
    return vdup_n_u32(bytes);
  }
  FASTCODER_PRIMITIVE uint32x4_t two_entries(const uint64_t* table, uint64_t at) {
    const uint64x1_t first = vld1_u64(table + static_cast<uint32_t>(at));
    return vreinterpretq_u32_u64(vcombine_u64(first, vld1_u64(table + (at >> 32))));
  }
};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
