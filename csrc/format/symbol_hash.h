// SPDX-License-Identifier: Apache-2.0
// The symbol hash (docs/format.md 5): what makes a wrong index, row or bit visible. Per lane it is
// a polynomial in an odd multiplier (5 mod 8, the longest order there is), so that a lane is one
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

// Encoders visit a lane's symbols last to first. With g = g * multiplier^-1 + symbol from there,
// the hash of n symbols is g * multiplier^(n - 1) + seed * multiplier^n, see finish_hash.
constexpr uint32_t kHashInverse = 0xCC2BFE9Du;
static_assert(kHashMultiplier * kHashInverse == 1u);

static FASTCODER_ALWAYS_INLINE uint32_t unhash_symbol(uint32_t sum, int32_t symbol) {
  return sum * kHashInverse + static_cast<uint32_t>(symbol);
}

static inline uint32_t finish_hash(uint32_t sum, uint64_t count) {
  uint32_t power = 1;  // multiplier^(count - 1)
  uint32_t base = kHashMultiplier;
  for (uint64_t n = count - 1; n != 0; n >>= 1, base *= base) {
    if (n & 1) power *= base;
  }
  return power * (sum + kHashSeed * kHashMultiplier);
}

static FASTCODER_ALWAYS_INLINE uint32_t fold_lane_hash(uint32_t total, uint32_t lane_hash) {
  uint32_t t = total ^ lane_hash;
  t = (t ^ t >> 16) * 0x85EBCA6Bu;
  t = (t ^ t >> 13) * 0xC2B2AE35u;
  return t ^ t >> 16;
}

}  // namespace fastcoder
