// SPDX-License-Identifier: Apache-2.0
#include "python/direct.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace fastcoder {

bool is_ndarray(py::handle value) {
  return Py_TYPE(value.ptr()) == py::detail::npy_api::get().PyArray_Type_;
}

namespace {

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

// Indexes in the shape of `symbols`; nothing if they need the long way.
std::optional<IndexSpan> direct_indexes(py::handle indexes, const py::array& symbols,
                                        uint64_t rows) {
  if (indexes.is_none()) return rows == 1 ? std::optional(IndexSpan()) : std::nullopt;
  if (!is_ndarray(indexes)) return std::nullopt;
  const auto array = py::reinterpret_borrow<py::array>(indexes);
  const std::optional<ElementType> type = direct_type(array);
  if (!type || !is_index_type(*type) || !same_shape(array, symbols)) return std::nullopt;
  return IndexSpan{array.data(), *type};
}

// A slice of the rows of a latent is the usual case: a copy in C order of an integer array that is
// not, or nothing.
py::object in_c_order(py::handle value) {
  if (!is_ndarray(value)) return {};
  const auto array = py::reinterpret_borrow<py::array>(value);
  const char kind = array.dtype().kind();
  if ((array.flags() & py::array::c_style) != 0 || (kind != 'i' && kind != 'u')) return {};
  PyObject* copy = py::detail::npy_api::get().PyArray_NewCopy_(value.ptr(), 0);  // C order
  if (copy == nullptr) PyErr_Clear();  // no memory: the long way will say so
  return py::reinterpret_steal<py::object>(copy);
}

}  // namespace

std::optional<Part> direct_part(py::handle symbols, py::handle indexes, const CdfTable& table) {
  std::optional<Part> part = direct_part(symbols, indexes, table.rows());
  if (part) part->table = &table;
  return part;
}

std::optional<Part> direct_part(py::handle symbols, py::handle indexes, uint64_t table_rows) {
  if (!is_ndarray(symbols)) return std::nullopt;
  const auto array = py::reinterpret_borrow<py::array>(symbols);
  const std::optional<ElementType> type = direct_type(array);
  if (!type) return std::nullopt;
  const std::optional<IndexSpan> rows = direct_indexes(indexes, array, table_rows);
  if (!rows) return std::nullopt;
  return Part{nullptr, {array.data(), *type}, *rows, element_count(array)};
}

std::optional<DirectPull> direct_pull(py::handle indexes, py::handle out, uint64_t rows) {
  if (!is_ndarray(out)) return std::nullopt;
  auto symbols = py::reinterpret_borrow<py::array>(out);
  const std::optional<ElementType> type = direct_type(symbols);
  if (!type || !symbols.writeable()) return std::nullopt;
  py::object copy = in_c_order(indexes);
  if (copy) indexes = copy;
  const std::optional<IndexSpan> index_span = direct_indexes(indexes, symbols, rows);
  if (!index_span) return std::nullopt;
  if (!indexes.is_none() && overlap(py::reinterpret_borrow<py::array>(indexes), symbols)) {
    return std::nullopt;
  }
  return DirectPull{
      *index_span, {symbols.mutable_data(), *type}, element_count(symbols), std::move(copy)};
}

}  // namespace fastcoder
