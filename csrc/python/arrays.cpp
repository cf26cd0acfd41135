// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>

#include "base/error.h"
#include "python/bindings.h"

namespace fastcoder {

[[noreturn]] void throw_type(const char* argument, const std::string& found, const char* expected) {
  throw py::type_error(std::string(argument) + ".dtype = " + found + ", expected " + expected);
}

std::optional<ElementType> direct_type(const py::array& array) {
  constexpr int kAtRest =
      py::array::c_style | static_cast<int>(py::detail::npy_api::NPY_ARRAY_ALIGNED_);
  if ((array.flags() & kAtRest) != kAtRest) return std::nullopt;
  const py::dtype dtype = array.dtype();
  if (dtype.byteorder() != '=' && dtype.byteorder() != '|') return std::nullopt;
  const bool is_signed = dtype.kind() == 'i';
  if (!is_signed && dtype.kind() != 'u') return std::nullopt;
  switch (dtype.itemsize()) {
    case 1:
      return is_signed ? ElementType::kInt8 : ElementType::kUint8;
    case 2:
      return is_signed ? ElementType::kInt16 : ElementType::kUint16;
    case 4:
      return is_signed ? ElementType::kInt32 : ElementType::kUint32;
    default:
      return is_signed ? std::optional(ElementType::kInt64) : std::nullopt;
  }
}

namespace {

// The Python layer sees to it that there is one.
ElementType element_type(const py::array& array, const char* argument) {
  if (const auto type = direct_type(array)) return *type;
  throw_type(argument, py::str(array.dtype()), "a contiguous integer array");
}

}  // namespace

SymbolSpan symbol_span(const py::array& array) {
  return {array.data(), element_type(array, "symbols")};
}

MutableSymbolSpan mutable_symbol_span(py::array& array) {
  const ElementType type = element_type(array, "out");
  return {array.mutable_data(), type};
}

IndexSpan index_span(const std::optional<py::array>& array) {
  if (!array) return {};
  const ElementType type = element_type(*array, "indexes");
  switch (type) {
    case ElementType::kUint8:
    case ElementType::kUint16:
    case ElementType::kInt32:
    case ElementType::kInt64:
      return {array->data(), type};
    default:
      throw_type("indexes", py::str(array->dtype()), "uint8, uint16, int32 or int64");
  }
}

void check_counts(const std::optional<py::array>& indexes, uint64_t count) {
  if (indexes && element_count(*indexes) != count) {
    throw Error(ErrorKind::kValue, "indexes.size = " + std::to_string(element_count(*indexes)) +
                                       ", expected " + std::to_string(count));
  }
}

std::span<const uint8_t> byte_span(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return {reinterpret_cast<const uint8_t*>(view.data()), view.size()};
}

py::bytes to_python(const std::vector<uint8_t>& bytes) {
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Part make_part(const py::array& symbols, const std::optional<py::array>& indexes,
               const CdfTable& table) {
  check_counts(indexes, element_count(symbols));
  return {&table, symbol_span(symbols), index_span(indexes), element_count(symbols)};
}

}  // namespace fastcoder
