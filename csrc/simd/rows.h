// SPDX-License-Identifier: Apache-2.0
// The rows of the next lanes, as a vector. Included after a vec_*.h.
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

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
