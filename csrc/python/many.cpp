// SPDX-License-Identifier: Apache-2.0
// Many messages at once, for Python. A list of thousands of small arrays is walked here, without a
// Python call per message.
#include "coder/many.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "python/bindings.h"
#include "python/direct.h"

namespace fastcoder {
namespace {

void check_lengths(const char* name, size_t found, size_t expected) {
  if (found == expected) return;
  throw Error(ErrorKind::kValue, std::string("len(") + name + ") = " + std::to_string(found) +
                                     ", expected " + std::to_string(expected));
}

using Objects = std::vector<py::object>;
using OptionalArrays = std::vector<std::optional<py::array>>;

// The items of a list or tuple, kept: another thread may change the list while the GIL is free.
Objects items_of(const py::sequence& sequence) {
  Objects items;
  items.reserve(sequence.size());
  for (const py::handle item : sequence) items.push_back(py::reinterpret_borrow<py::object>(item));
  return items;
}

py::list encode_parts(const std::vector<Part>& parts, const EncodeOptions& options) {
  std::vector<std::vector<uint8_t>> streams;
  {
    const GilRelease release;
    streams = encode_many(parts, options);
  }
  py::list result(streams.size());
  for (size_t i = 0; i < streams.size(); ++i) result[i] = to_python(streams[i]);
  return result;
}

py::list encode_arrays(const std::vector<py::array>& symbols, const OptionalArrays& indexes,
                       const TablePtr& table, uint32_t lanes, uint64_t segment, unsigned threads) {
  check_lengths("indexes", indexes.size(), symbols.size());
  std::vector<Part> parts;
  parts.reserve(symbols.size());
  for (size_t i = 0; i < symbols.size(); ++i) {
    parts.push_back(make_part(symbols[i], indexes[i], *table));
  }
  return encode_parts(parts, {lanes, segment, threads, false});
}

// None if an array needs a conversion or is wrong; then nothing was done.
py::object encode_lists(const py::sequence& symbols, const std::optional<py::sequence>& indexes,
                        const TablePtr& table, uint32_t lanes, uint64_t segment, unsigned threads) {
  const Objects arrays = items_of(symbols);
  const Objects rows = indexes ? items_of(*indexes) : Objects(arrays.size(), py::none());
  if (rows.size() != arrays.size()) return py::none();
  std::vector<Part> parts;
  parts.reserve(arrays.size());
  for (size_t i = 0; i < arrays.size(); ++i) {
    const std::optional<Part> part = direct_part(arrays[i], rows[i], *table);
    if (!part) return py::none();
    parts.push_back(*part);
  }
  return encode_parts(parts, {lanes, segment, threads, false});
}

void decode_arrays(const std::vector<py::bytes>& streams, const OptionalArrays& indexes,
                   const TablePtr& table, std::vector<py::array> out, unsigned threads) {
  check_lengths("indexes", indexes.size(), streams.size());
  check_lengths("out", out.size(), streams.size());
  std::vector<StreamPart> parts;
  parts.reserve(streams.size());
  for (size_t i = 0; i < streams.size(); ++i) {
    check_counts(indexes[i], element_count(out[i]));
    parts.push_back({byte_span(streams[i]), index_span(indexes[i]), mutable_symbol_span(out[i]),
                     element_count(out[i])});
  }
  const GilRelease release;
  decode_many(parts, *table, threads);
}

// None as encode_lists; every message has indexes here, and `dtype` is one of symbols.
py::object decode_lists(const py::sequence& streams, const py::sequence& indexes,
                        const TablePtr& table, const py::dtype& dtype, unsigned threads) {
  const Objects bytes = items_of(streams);
  Objects rows = items_of(indexes);
  if (rows.size() != bytes.size()) return py::none();
  py::list out(bytes.size());
  std::vector<StreamPart> parts;
  parts.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (!PyBytes_CheckExact(bytes[i].ptr()) || !is_ndarray(rows[i])) return py::none();
    const auto array = py::reinterpret_borrow<py::array>(rows[i]);
    py::array symbols(dtype, std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
    const std::optional<DirectPull> pull = direct_pull(array, symbols, table->rows());
    if (!pull) return py::none();
    rows[i] = pull->copy ? pull->copy : rows[i];
    parts.push_back({byte_span(py::reinterpret_borrow<py::bytes>(bytes[i])), pull->indexes,
                     pull->symbols, pull->count});
    out[i] = std::move(symbols);
  }
  {
    const GilRelease release;
    decode_many(parts, *table, threads);
  }
  return out;
}

}  // namespace

void bind_many(py::module_& m) {
  m.def("encode_many", &encode_arrays, py::arg("symbols"), py::arg("indexes"), py::arg("table"),
        py::arg("lanes"), py::arg("segment"), py::arg("threads"));
  m.def("encode_many_direct", &encode_lists, py::arg("symbols"), py::arg("indexes"),
        py::arg("table"), py::arg("lanes"), py::arg("segment"), py::arg("threads"));
  m.def("decode_many", &decode_arrays, py::arg("streams"), py::arg("indexes"), py::arg("table"),
        py::arg("out"), py::arg("threads"));
  m.def("decode_many_direct", &decode_lists, py::arg("streams"), py::arg("indexes"),
        py::arg("table"), py::arg("dtype"), py::arg("threads"));
}

}  // namespace fastcoder
