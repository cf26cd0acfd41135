// SPDX-License-Identifier: Apache-2.0
// States of as many lanes as a vector has, or more, go to the vector kernels; fewer are coded one
// symbol at a time. Included after a vec_*.h.
#pragma once

#include "simd/decode-inl.h"
#include "simd/encode-inl.h"
#include "simd/export-inl.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

struct VectorGroups : SerialGroups {
  template <class Width, class Symbol, class Index>
  static bool decode(const DecodeBlock& block, DecodeLanes& lanes, uint64_t first, uint64_t last) {
    if (lanes.lanes >= Vec::kWidth) {
      return decode_vectors<Vec, Width, Symbol, Index>(block, lanes, first, last);
    }
    return decode_lanes<Width, Symbol, Index>(block, lanes, first, last);
  }
  template <class Width, class Symbol, class Index>
  static void encode(const EncodeBlock& block, EncodeLanes& lanes, uint64_t first, uint64_t last) {
    if (lanes.lanes >= Vec::kWidth) {
      return encode_vectors<Vec, Width, Symbol, Index>(block, lanes, first, last);
    }
    encode_lanes<Width, Symbol, Index>(block, lanes, first, last);
  }
};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
