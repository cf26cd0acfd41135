// SPDX-License-Identifier: Apache-2.0
#include "python/direct.h"

#include <algorithm>
#include <cstdint>

namespace fastcoder {
namespace {

bool is_ndarray(py::handle value) {
  return Py_TYPE(value.ptr()) == py::detail::npy_api::get().PyArray_Type_;
}

bool same_shape(const py::array& a, const py::array& b) {
  return a.ndim() == b.ndim() && std::equal(a.shape(), a.shape() + a.ndim(), b.shape());
}

bool overlap(const py::array& a, const py::array& b) {
  const auto begin = [](const py::array& array) {
    return reinterpret_cast<uintptr_t>(array.data());
  };
  const auto bytes = [](const py::array& array) { return static_cast<uintptr_t>(array.nbytes()); };
  return begin(a) < begin(b) + bytes(b) && begin(b) < begin(a) + bytes(a);
}

bool is_index_type(ElementType type) {
  return type == ElementType::kUint8 || type == ElementType::kUint16 ||
         type == ElementType::kInt32 || type == ElementType::kInt64;
}

}  // namespace

std::optional<DirectPull> direct_pull(py::handle indexes, py::handle out, uint64_t rows) {
  if (!is_ndarray(out)) return std::nullopt;
  auto symbols = py::reinterpret_borrow<py::array>(out);
  const std::optional<ElementType> type = direct_type(symbols);
  if (!type || !symbols.writeable()) return std::nullopt;
  DirectPull pull;
  pull.symbols = {symbols.mutable_data(), *type};
  pull.count = element_count(symbols);
  if (indexes.is_none()) return rows == 1 ? std::optional(pull) : std::nullopt;
  if (!is_ndarray(indexes)) return std::nullopt;
  const auto array = py::reinterpret_borrow<py::array>(indexes);
  const std::optional<ElementType> index_type = direct_type(array);
  if (!index_type || !is_index_type(*index_type)) return std::nullopt;
  if (!same_shape(array, symbols) || overlap(array, symbols)) return std::nullopt;
  pull.indexes = {array.data(), *index_type};
  return pull;
}

}  // namespace fastcoder
