// SPDX-License-Identifier: Apache-2.0
// Blocks of the caller's arrays, copied to where the coders check and use them: so the caller may
// write to an array meanwhile, and a coder knows one type of index and two of symbols.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "base/attributes.h"
#include "base/error.h"
#include "coder/spans.h"

namespace fastcoder {

inline constexpr uint64_t kRans64Block = 512;

// A value that its owner may change at any time: what is checked is what is used.
template <class T>
FASTCODER_ALWAYS_INLINE T read_once(const T* value) {
  return *static_cast<const volatile T*>(value);
}

inline int64_t rans64_element(const void* data, ElementType type, uint64_t position) {
  return visit_elements(data, type,
                        [&](const auto* values) -> int64_t { return values[position]; });
}

// Indexes first, first + 1, ... of any integer type but kNone. False if one names no row.
inline bool load_rans64_indexes(const IndexSpan& span, uint64_t first, uint64_t count,
                                uint64_t rows, uint32_t* out) {
  const uint32_t limit = static_cast<uint32_t>(std::min<uint64_t>(rows, UINT32_MAX));
  return visit_elements(span.data, span.type, [&](const auto* values) {
    using Value = std::remove_cvref_t<decltype(*values)>;
    uint32_t outside = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const Value value = values[first + i];
      const uint32_t index = static_cast<uint32_t>(value);
      outside |= static_cast<uint32_t>(index >= limit);
      if constexpr (sizeof(Value) > 4) outside |= static_cast<uint32_t>(value != Value{index});
      out[i] = index;
    }
    return outside == 0;
  });
}

// Copies symbols first, first + 1, ... as int32 and says whether that changes none of them.
inline bool load_rans64_symbols(const SymbolSpan& span, uint64_t first, uint64_t count,
                                int32_t* out) {
  return visit_elements(span.data, span.type, [&](const auto* values) {
    using Value = std::remove_cvref_t<decltype(*values)>;
    uint32_t outside = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const Value value = values[first + i];
      out[i] = static_cast<int32_t>(value);
      if constexpr (std::is_same_v<Value, uint32_t>) outside |= static_cast<uint32_t>(out[i] < 0);
      if constexpr (sizeof(Value) > 4) outside |= static_cast<uint32_t>(value != Value{out[i]});
    }
    return outside == 0;
  });
}

inline void load_rans64_symbols(const SymbolSpan& span, uint64_t first, uint64_t count,
                                int64_t* out) {
  visit_elements(span.data, span.type, [&](const auto* values) {
    for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<int64_t>(values[first + i]);
  });
}

[[noreturn]] inline void throw_rans64_index(const IndexSpan& span, uint64_t first, uint64_t count,
                                            uint64_t rows) {
  for (uint64_t i = first; i < first + count; ++i) {
    const int64_t index = rans64_element(span.data, span.type, i);
    if (index < 0 || static_cast<uint64_t>(index) >= rows) {
      throw Error(ErrorKind::kIndexRange, "indexes[" + std::to_string(i) +
                                              "] = " + std::to_string(index) +
                                              ", expected 0 <= index < " + std::to_string(rows));
    }
  }
  throw Error(ErrorKind::kIndexRange, "indexes = changing, expected an array at rest");
}

}  // namespace fastcoder
