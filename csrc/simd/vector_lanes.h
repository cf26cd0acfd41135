// SPDX-License-Identifier: Apache-2.0
// States, hashes and rows of lanes as vectors. Included after a vec_*.h.
#pragma once

#include <stdint.h>

#include "base/attributes.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

template <class Index>
FASTCODER_ALWAYS_INLINE Vec::U32 row_vector(const void* indexes, uint64_t i) {
  return Vec::widen(static_cast<const Index*>(indexes) + i);
}
template <>
FASTCODER_ALWAYS_INLINE Vec::U32 row_vector<void>(const void*, uint64_t) {
  return Vec::splat(0);
}

// From EncodeLanes or DecodeLanes, whose states have 64 bits, and back.
template <class Lanes, uint32_t kVectors>
FASTCODER_ALWAYS_INLINE void load_vectors(const Lanes& lanes, Vec::U32 (&states)[kVectors],
                                          Vec::U32 (&hashes)[kVectors]) {
  uint32_t narrow[kVectors * Vec::kWidth];
  for (uint32_t lane = 0; lane < kVectors * Vec::kWidth; ++lane) {
    narrow[lane] = static_cast<uint32_t>(lanes.state[lane]);
  }
  FASTCODER_UNROLL
  for (uint32_t v = 0; v < kVectors; ++v) {
    states[v] = Vec::load(narrow + v * Vec::kWidth);
    hashes[v] = Vec::load(lanes.hash + v * Vec::kWidth);
  }
}

template <class Lanes, uint32_t kVectors>
FASTCODER_ALWAYS_INLINE void store_vectors(Lanes& lanes, const Vec::U32 (&states)[kVectors],
                                           const Vec::U32 (&hashes)[kVectors]) {
  uint32_t narrow[kVectors * Vec::kWidth];
  FASTCODER_UNROLL
  for (uint32_t v = 0; v < kVectors; ++v) {
    Vec::store(narrow + v * Vec::kWidth, states[v]);
    Vec::store(lanes.hash + v * Vec::kWidth, hashes[v]);
  }
  for (uint32_t lane = 0; lane < kVectors * Vec::kWidth; ++lane) lanes.state[lane] = narrow[lane];
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
