// SPDX-License-Identifier: Apache-2.0
// A target's kernels, listed in the order of the enums in kernel_table.h.
#pragma once

#include "simd/blocks-inl.h"
#include "simd/kernel_table.h"
#include "simd/many-inl.h"
#include "simd/parametric-inl.h"
#include "simd/serial-inl.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// What every target has: one symbol at a time.
struct SerialGroups {
  template <class Width>
  static bool fits(const TableView& table) {
    return has_fast_view<Width>(table);
  }
  template <class Width, class Symbol, class Index>
  static bool decode(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first, uint64_t last) {
    return decode_lanes<Width, Symbol, Index>(block, lanes, first, last);
  }
  template <class Width, class Symbol, class Index>
  static void encode(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first, uint64_t last) {
    encode_lanes<Width, Symbol, Index>(block, lanes, first, last);
  }
};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA

#define FASTCODER_KERNELS_OF_SYMBOL(function, Groups, Width, Symbol)                  \
  {&function<Groups, Width, Symbol, void>, &function<Groups, Width, Symbol, uint8_t>, \
   &function<Groups, Width, Symbol, uint16_t>, &function<Groups, Width, Symbol, int32_t>}
#define FASTCODER_KERNELS_OF_WIDTH(function, Groups, Width)       \
  {FASTCODER_KERNELS_OF_SYMBOL(function, Groups, Width, int8_t),  \
   FASTCODER_KERNELS_OF_SYMBOL(function, Groups, Width, int16_t), \
   FASTCODER_KERNELS_OF_SYMBOL(function, Groups, Width, int32_t)}
#define FASTCODER_KERNELS(function, Groups)              \
  {FASTCODER_KERNELS_OF_WIDTH(function, Groups, Narrow), \
   FASTCODER_KERNELS_OF_WIDTH(function, Groups, Wide)}
