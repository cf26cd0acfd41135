// SPDX-License-Identifier: Apache-2.0
// The range coder and its adaptive tables, for Python.
#include <cstdint>
#include <optional>
#include <vector>

#include "coder/adaptive_table.h"
#include "coder/owned_mutex.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "python/bindings.h"
#include "python/direct.h"
#include "python/turn.h"

namespace fastcoder {
namespace {

uint64_t rows_of(const CdfTable& table) { return table.rows(); }
uint64_t rows_of(const AdaptiveTable& table) { return table.row_count(); }

void push_part(RangeEncoder& encoder, const CdfTable& table, Part part) {
  part.table = &table;
  encoder.push(part);
}
void push_part(RangeEncoder& encoder, AdaptiveTable& table, const Part& part) {
  encoder.push(table, part);
}

// One symbol and its row as Python's own integers.
class DirectSymbol {
 public:
  // Nothing if these are no such integers. The part points into this object.
  std::optional<Part> part(py::handle symbol, py::handle index, uint64_t rows) {
    if (!read(symbol, symbol_)) return std::nullopt;
    Part part = {nullptr, {&symbol_, ElementType::kInt64}, {}, 1};
    if (index.is_none()) return rows == 1 ? std::optional(part) : std::nullopt;
    if (!read(index, index_)) return std::nullopt;
    part.indexes = {&index_, ElementType::kInt64};
    return part;
  }

 private:
  static bool read(py::handle value, int64_t& number) {
    if (!PyLong_CheckExact(value.ptr())) return false;
    int overflow = 0;
    number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    return overflow == 0;
  }

  int64_t symbol_ = 0;
  int64_t index_ = 0;
};

class PyRangeEncoder {
 public:
  explicit PyRangeEncoder(bool check) : encoder_(check) {}

  // Whether the arguments were what a push takes as they are; if not, nothing was done.
  template <class Table>
  bool push_direct(py::handle symbols, py::handle indexes, Table& table) {
    DirectSymbol symbol;
    std::optional<Part> part = symbol.part(symbols, indexes, rows_of(table));
    if (!part) part = direct_part(symbols, indexes, rows_of(table));
    if (!part) return false;
    const Turn turn(mutex_, finished_, "encoder");
    const OptionalRelease release(part->count);
    push_part(encoder_, table, *part);
    return true;
  }

  template <class Table>
  void push(const py::array& symbols, const std::optional<py::array>& indexes, Table& table) {
    check_counts(indexes, element_count(symbols));
    const Part part = {nullptr, symbol_span(symbols), index_span(indexes), element_count(symbols)};
    const Turn turn(mutex_, finished_, "encoder");
    const OptionalRelease release(part.count);
    push_part(encoder_, table, part);
  }

  py::bytes take() {
    const Turn turn(mutex_, finished_, "encoder");
    return to_python(encoder_.take());
  }

  py::bytes finish() {
    const Turn turn(mutex_, finished_, "encoder");
    const std::vector<uint8_t> bytes = encoder_.finish();
    finished_ = true;
    encoder_ = RangeEncoder(false);  // its memory is of no more use
    return to_python(bytes);
  }

 private:
  RangeEncoder encoder_;
  OwnedMutex mutex_;
  bool finished_ = false;
};

class PyRangeDecoder {
 public:
  void feed(const py::bytes& bytes, bool last) {
    const Turn turn(mutex_, finished_, "decoder");
    decoder_.feed(byte_span(bytes), last);
  }

  uint64_t needed() {
    const Turn turn(mutex_, finished_, "decoder");
    return decoder_.needed();
  }

  template <class Table>
  bool pull_direct(py::handle indexes, Table& table, py::handle out) {
    const std::optional<DirectPull> pull = direct_pull(indexes, out, rows_of(table));
    if (!pull) return false;
    const Turn turn(mutex_, finished_, "decoder");
    const OptionalRelease release(pull->count);
    decoder_.pull(table, pull->indexes, pull->count, pull->symbols);
    return true;
  }

  template <class Table>
  void pull(const std::optional<py::array>& indexes, Table& table, py::array& out) {
    check_counts(indexes, element_count(out));
    const IndexSpan rows = index_span(indexes);
    const MutableSymbolSpan symbols = mutable_symbol_span(out);
    const Turn turn(mutex_, finished_, "decoder");
    const OptionalRelease release(element_count(out));
    decoder_.pull(table, rows, element_count(out), symbols);
  }

  void finish() {
    const Turn turn(mutex_, finished_, "decoder");
    decoder_.finish();
    finished_ = true;
    decoder_ = RangeDecoder();
  }

 private:
  RangeDecoder decoder_;
  OwnedMutex mutex_;
  bool finished_ = false;
};

}  // namespace

void bind_range(py::module_& m) {
  py::class_<AdaptiveTable>(m, "AdaptiveTable")
      .def(py::init([](const Array<uint32_t>& counts, const Array<uint32_t>& slots,
                       const Array<int32_t>& offsets, uint32_t increment, uint32_t limit,
                       bool escape) {
             return std::make_unique<AdaptiveTable>(array_span(counts), array_span(slots),
                                                    array_span(offsets), increment, limit, escape);
           }),
           py::arg("counts").noconvert(), py::arg("slots").noconvert(),
           py::arg("offsets").noconvert(), py::arg("increment"), py::arg("limit"),
           py::arg("escape"))
      .def(py::init<const AdaptiveTable&>(), py::arg("other"))
      .def_property_readonly("rows", &AdaptiveTable::row_count)
      .def_property_readonly("increment", &AdaptiveTable::increment)
      .def_property_readonly("limit", &AdaptiveTable::limit)
      .def_property_readonly("escape", &AdaptiveTable::escape)
      .def("offsets",
           [](const AdaptiveTable& table) {
             Array<int32_t> offsets(static_cast<py::ssize_t>(table.row_count()));
             for (uint64_t r = 0; r < table.row_count(); ++r) {
               offsets.mutable_at(static_cast<py::ssize_t>(r)) = table.row(r).offset;
             }
             return offsets;
           })
      .def(
          "counts",
          [](const AdaptiveTable& table, uint64_t row) {
            const std::vector<uint32_t> counts = table.counts(row);
            return Array<uint32_t>(static_cast<py::ssize_t>(counts.size()), counts.data());
          },
          py::arg("row"));
  py::class_<PyRangeEncoder>(m, "RangeEncoder")
      .def(py::init<bool>(), py::arg("check"))
      .def("push_direct", &PyRangeEncoder::push_direct<const CdfTable>, py::arg("symbols"),
           py::arg("indexes"), py::arg("table"))
      .def("push_direct", &PyRangeEncoder::push_direct<AdaptiveTable>, py::arg("symbols"),
           py::arg("indexes"), py::arg("table"))
      .def("push", &PyRangeEncoder::push<const CdfTable>, py::arg("symbols"), py::arg("indexes"),
           py::arg("table"))
      .def("push", &PyRangeEncoder::push<AdaptiveTable>, py::arg("symbols"), py::arg("indexes"),
           py::arg("table"))
      .def("take", &PyRangeEncoder::take)
      .def("finish", &PyRangeEncoder::finish);
  py::class_<PyRangeDecoder>(m, "RangeDecoder")
      .def(py::init<>())
      .def("feed", &PyRangeDecoder::feed, py::arg("data"), py::arg("last"))
      .def_property_readonly("needed", &PyRangeDecoder::needed)
      .def("pull_direct", &PyRangeDecoder::pull_direct<const CdfTable>, py::arg("indexes"),
           py::arg("table"), py::arg("out"))
      .def("pull_direct", &PyRangeDecoder::pull_direct<AdaptiveTable>, py::arg("indexes"),
           py::arg("table"), py::arg("out"))
      .def("pull", &PyRangeDecoder::pull<const CdfTable>, py::arg("indexes"), py::arg("table"),
           py::arg("out"))
      .def("pull", &PyRangeDecoder::pull<AdaptiveTable>, py::arg("indexes"), py::arg("table"),
           py::arg("out"))
      .def("finish", &PyRangeDecoder::finish);
}

}  // namespace fastcoder
