// SPDX-License-Identifier: Apache-2.0
// The symbol hash (docs/format.md 5): what makes a wrong index, row or bit visible. Per lane it is a
// polynomial in an odd multiplier (5 mod 8, the longest order there is), so that a lane is one
// multiply-add per symbol in any vector; the lanes are then folded in order by a bijective mix.
#pragma once

#include <stdint.h>

#include "base/attributes.h"

namespace fastcoder {

constexpr uint32_t kHashSeed = 0x811C9DC5u;
constexpr uint32_t kHashMultiplier = 0x2C9277B5u;

static FASTCODER_ALWAYS_INLINE uint32_t hash_symbol(uint32_t hash, int32_t symbol) {
  return hash * kHashMultiplier + static_cast<uint32_t>(symbol);
}

static FASTCODER_ALWAYS_INLINE uint32_t fold_lane_hash(uint32_t total, uint32_t lane_hash) {
  uint32_t t = total ^ lane_hash;
  t = (t ^ t >> 16) * 0x85EBCA6Bu;
  t = (t ^ t >> 13) * 0xC2B2AE35u;
  return t ^ t >> 16;
}

}  // namespace fastcoder
