// SPDX-License-Identifier: Apache-2.0
// Whole messages, and what symbols cost, for Python.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "coder/cost.h"
#include "coder/decode_range.h"
#include "coder/decoder.h"
#include "coder/encoder.h"
#include "python/bindings.h"
#include "python/direct.h"

namespace fastcoder {
namespace {

py::bytes encode(const py::array& symbols, const std::optional<py::array>& indexes,
                 const TablePtr& table, uint32_t lanes, uint64_t segment, unsigned threads) {
  const Part part = make_part(symbols, indexes, *table);
  return stream_to_python(part.count, threads,
                          [&] { return encode_one_shot(part, {lanes, segment, threads, false}); });
}

// None if the arguments were not what encoding takes as they are.
py::object encode_direct(py::handle symbols, py::handle indexes, const CdfTable& table,
                         uint32_t lanes, uint64_t segment, unsigned threads) {
  const std::optional<Part> part = direct_part(symbols, indexes, table);
  if (!part) return py::none();
  return stream_to_python(part->count, threads,
                          [&] { return encode_one_shot(*part, {lanes, segment, threads, false}); });
}

void check_stream(const py::bytes& stream, const TablePtr& table, uint64_t count) {
  check_one_shot(byte_span(stream), *table, count);
}

void decode(const py::bytes& stream, const std::optional<py::array>& indexes, const TablePtr& table,
            py::array& out, unsigned threads) {
  check_counts(indexes, element_count(out));
  const auto bytes = byte_span(stream);
  const IndexSpan rows = index_span(indexes);
  const MutableSymbolSpan symbols = mutable_symbol_span(out);
  const uint64_t count = element_count(out);
  const GilRelease release;
  decode_one_shot(bytes, *table, rows, count, symbols, threads);
}

// Whether the arguments were what decoding takes as they are; if not, nothing was done.
bool decode_direct(const py::bytes& stream, py::handle indexes, const CdfTable& table,
                   py::handle out, unsigned threads) {
  const std::optional<DirectPull> pull = direct_pull(indexes, out, table.rows());
  if (!pull) return false;
  const OptionalRelease release(pull->count);
  decode_one_shot(byte_span(stream), table, pull->indexes, pull->count, pull->symbols, threads);
  return true;
}

void decode_range_of(const py::bytes& stream, uint64_t first,
                     const std::optional<py::array>& indexes, bool whole_indexes,
                     const TablePtr& table, py::array& out) {
  const uint64_t count = element_count(out);
  const IndexSpan rows = index_span(indexes);
  const MutableSymbolSpan symbols = mutable_symbol_span(out);
  if (whole_indexes) {
    check_counts(indexes, symbols_claimed(byte_span(stream), *table));
  } else {
    check_counts(indexes, count);
  }
  const GilRelease release;
  decode_range(byte_span(stream), *table, rows, {first, count, whole_indexes}, symbols);
}

double cost_of(const py::array& symbols, const std::optional<py::array>& indexes,
               const TablePtr& table) {
  const Part part = make_part(symbols, indexes, *table);
  const GilRelease release;
  return cost(part);
}

// Columns, one entry per row: symbols, escapes, bits, escape bits.
py::tuple cost_of_rows_of(const py::array& symbols, const std::optional<py::array>& indexes,
                          const TablePtr& table) {
  const Part part = make_part(symbols, indexes, *table);
  std::vector<RowCost> rows;
  {
    const GilRelease release;
    rows = cost_of_rows(part);
  }
  const auto size = static_cast<py::ssize_t>(rows.size());
  Array<uint64_t> counts(size);
  Array<uint64_t> escapes(size);
  Array<double> bits(size);
  Array<double> escape_bits(size);
  for (py::ssize_t r = 0; r < size; ++r) {
    const RowCost& row = rows[static_cast<size_t>(r)];
    counts.mutable_at(r) = row.symbols;
    escapes.mutable_at(r) = row.escapes;
    bits.mutable_at(r) = row.bits;
    escape_bits.mutable_at(r) = row.escape_bits;
  }
  return py::make_tuple(counts, escapes, bits, escape_bits);
}

}  // namespace

void bind_coding(py::module_& m) {
  m.def("encode", &encode, py::arg("symbols"), py::arg("indexes"), py::arg("table"),
        py::arg("lanes"), py::arg("segment"), py::arg("threads"));
  m.def("encode_direct", &encode_direct, py::arg("symbols"), py::arg("indexes"), py::arg("table"),
        py::arg("lanes"), py::arg("segment"), py::arg("threads"));
  m.def("decode", &decode, py::arg("stream"), py::arg("indexes"), py::arg("table"), py::arg("out"),
        py::arg("threads"));
  m.def("decode_direct", &decode_direct, py::arg("stream"), py::arg("indexes"), py::arg("table"),
        py::arg("out"), py::arg("threads"));
  m.def(
      "symbols_claimed",
      [](const py::bytes& stream, const TablePtr& table) {
        return symbols_claimed(byte_span(stream), *table);
      },
      py::arg("stream"), py::arg("table"));
  m.def("decode_range", &decode_range_of, py::arg("stream"), py::arg("first"), py::arg("indexes"),
        py::arg("whole_indexes"), py::arg("table"), py::arg("out"));
  m.def("check_stream", &check_stream, py::arg("stream"), py::arg("table"), py::arg("count"));
  m.def("cost_of_rows", &cost_of_rows_of, py::arg("symbols"), py::arg("indexes"), py::arg("table"));
  m.def("cost", &cost_of, py::arg("symbols"), py::arg("indexes"), py::arg("table"));
  m.def(
      "check_options",
      [](uint32_t lanes, uint64_t segment) { check_options({lanes, segment, 1, false}); },
      py::arg("lanes"), py::arg("segment"));
}

}  // namespace fastcoder
