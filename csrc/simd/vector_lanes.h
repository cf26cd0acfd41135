// SPDX-License-Identifier: Apache-2.0
// States, hashes and rows of lanes as vectors. Included after a vec_*.h.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "simd/generic-inl.h"
#include "simd/table_view.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// The rows of a block, forced into the table; `all_exist` tells afterwards whether one had to be.
template <class Index>
struct Rows {
  const Index* indexes;
  Vec::U32 last;
  Vec::U32 forced;

  FASTCODER_ALWAYS_INLINE Rows(const void* block_indexes, const TableView& table)
      : indexes(static_cast<const Index*>(block_indexes)),
        last(Vec::splat(static_cast<uint32_t>(table.row_count - 1))),
        forced(Vec::splat(0)) {}
  FASTCODER_ALWAYS_INLINE Vec::U32 at(uint64_t i) {
    const Vec::U32 wanted = Vec::widen(indexes + i);
    const Vec::U32 row = Vec::min(wanted, last);
    forced = Vec::either(forced, Vec::differ(wanted, row));
    return row;
  }
  FASTCODER_ALWAYS_INLINE bool all_exist() const {
    return Vec::bits(Vec::is_zero(forced)) == kAllLanes<Vec::kWidth>;
  }
};
template <>
struct Rows<void> {
  FASTCODER_ALWAYS_INLINE Rows(const void*, const TableView&) {}
  FASTCODER_ALWAYS_INLINE Vec::U32 at(uint64_t) { return Vec::splat(0); }
  FASTCODER_ALWAYS_INLINE bool all_exist() const { return true; }
};

// Arrays come from memory at up to 8 bytes a symbol, a quarter of the time if nobody asks for them
// early: hardware stops at every page. Half a page ahead is far enough for 300 cycles. An address
// outside the array does no harm.
constexpr int64_t kPrefetchBytes = 2048;
template <uint32_t kLanes, class Element>
FASTCODER_ALWAYS_INLINE void prefetch_group(const Element* elements, uint64_t i, int64_t ahead) {
  const uintptr_t address =
      reinterpret_cast<uintptr_t>(elements + i) + static_cast<uintptr_t>(ahead);
  FASTCODER_UNROLL
  for (uint32_t byte = 0; byte < kLanes * sizeof(Element); byte += 64) {
    FASTCODER_PREFETCH(address + byte);
  }
}
template <uint32_t kLanes>
FASTCODER_ALWAYS_INLINE void prefetch_group(const void*, uint64_t, int64_t) {}

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
