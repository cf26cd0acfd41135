// SPDX-License-Identifier: Apache-2.0
// Typed views of the caller's arrays. They own nothing and are contiguous; strided input was made
// contiguous above (python/fastcoder/_arrays.py).
#pragma once

#include <cstdint>

namespace fastcoder {

enum class ElementType : uint8_t { kNone, kInt8, kUint8, kInt16, kUint16, kInt32, kUint32, kInt64 };

// Any element type but kNone.
struct SymbolSpan {
  const void* data = nullptr;
  ElementType type = ElementType::kInt32;
};

struct MutableSymbolSpan {
  void* data = nullptr;
  ElementType type = ElementType::kInt32;
};

// kUint8, kUint16, kInt32 or kInt64; kNone stands for "row 0 for every symbol".
struct IndexSpan {
  const void* data = nullptr;
  ElementType type = ElementType::kNone;
};

// Calls visit(const T* data) with the C++ type of `type`.
template <class Visitor>
decltype(auto) visit_elements(const void* data, ElementType type, Visitor&& visit) {
  switch (type) {
    case ElementType::kInt8:
      return visit(static_cast<const int8_t*>(data));
    case ElementType::kUint8:
      return visit(static_cast<const uint8_t*>(data));
    case ElementType::kInt16:
      return visit(static_cast<const int16_t*>(data));
    case ElementType::kUint16:
      return visit(static_cast<const uint16_t*>(data));
    case ElementType::kUint32:
      return visit(static_cast<const uint32_t*>(data));
    case ElementType::kInt64:
      return visit(static_cast<const int64_t*>(data));
    case ElementType::kNone:
    case ElementType::kInt32:
      break;
  }
  return visit(static_cast<const int32_t*>(data));
}

class CdfTable;
class ParametricModel;

// Symbols that were pushed together, or will be pulled together. If there are `intervals` (checked,
// see coder/intervals.h), they are the symbols, and table, symbols and indexes mean nothing.
struct Part {
  const CdfTable* table = nullptr;
  SymbolSpan symbols;
  IndexSpan indexes;
  uint64_t count = 0;
  const uint64_t* intervals = nullptr;
  // Symbols of this model (coder/parametric.h), checked; table and indexes mean nothing then.
  const ParametricModel* parametric = nullptr;
};

}  // namespace fastcoder
