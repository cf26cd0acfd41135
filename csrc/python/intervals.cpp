// SPDX-License-Identifier: Apache-2.0
// Integer codes, large tables and stacks, for Python.
#include "python/intervals.h"

#include <algorithm>
#include <optional>

#include "coder/stack.h"

namespace fastcoder {
namespace {

void bind_codes(py::module_& m) {
  py::class_<IntegerCode>(m, "IntegerCode")
      .def_static("bits", &IntegerCode::bits, py::arg("width"))
      .def_static("elias_gamma", &IntegerCode::elias_gamma)
      .def_static("exp_golomb", &IntegerCode::exp_golomb, py::arg("k"))
      .def_static("zipf", &IntegerCode::zipf, py::arg("exponent"), py::arg("most"))
      .def_property_readonly("lowest", &IntegerCode::lowest)
      .def_property_readonly("highest", &IntegerCode::highest)
      .def(
          "cost",
          [](const IntegerCode& code, const Array<uint64_t>& values) {
            const auto span = array_span(values);
            const GilRelease release;
            return code.cost(span);
          },
          py::arg("values").noconvert())
      .def("bucket_firsts",
           [](const IntegerCode& code) {
             const auto firsts = code.bucket_firsts();
             return Array<uint64_t>(static_cast<py::ssize_t>(firsts.size()), firsts.data());
           })
      .def("bucket_table",
           [](const IntegerCode& code) { return share_large(code.bucket_table()); });
}

void bind_large_table(py::module_& m) {
  py::class_<LargeTable, LargeTablePtr>(m, "LargeTable")
      .def_static(
          "from_frequencies",
          [](const Array<uint32_t>& frequencies, const Array<uint32_t>& slots,
             const Array<int32_t>& offsets, int precision) {
            const GilRelease release;
            return share_large(LargeTable::from_frequencies(
                array_span(frequencies), array_span(slots), array_span(offsets), precision));
          },
          py::arg("frequencies").noconvert(), py::arg("slots").noconvert(),
          py::arg("offsets").noconvert(), py::arg("precision"))
      .def_static(
          "from_pmf",
          [](const Array<double>& pmf, const Array<uint32_t>& slots, const Array<int32_t>& offsets,
             int precision) {
            const GilRelease release;
            return share_large(LargeTable::from_pmf(array_span(pmf), array_span(slots),
                                                    array_span(offsets), precision));
          },
          py::arg("pmf").noconvert(), py::arg("slots").noconvert(), py::arg("offsets").noconvert(),
          py::arg("precision"))
      .def_static(
          "from_bytes",
          [](const py::bytes& data) {
            const auto span = byte_span(data);
            const GilRelease release;
            return share_large(large_table_from_bytes(span));
          },
          py::arg("data"))
      .def("to_bytes",
           [](const LargeTable& table) { return to_python(large_table_to_bytes(table)); })
      .def_property_readonly("rows", &LargeTable::rows)
      .def_property_readonly("precision", &LargeTable::precision)
      .def("offsets",
           [](const LargeTable& table) {
             Array<int32_t> offsets(static_cast<py::ssize_t>(table.rows()));
             for (size_t row = 0; row < table.rows(); ++row) {
               offsets.mutable_data()[row] = table.offset(row);
             }
             return offsets;
           })
      .def(
          "cdf",
          [](const LargeTable& table, size_t row) {
            const auto cdf = table.cdf(row);
            return Array<uint32_t>(static_cast<py::ssize_t>(cdf.size()), cdf.data());
          },
          py::arg("row"));
}

void push_part(Stack& stack, const py::array& symbols, const std::optional<py::array>& indexes,
               const TablePtr& table) {
  const Part part = make_part(symbols, indexes, *table);
  const GilRelease release;
  stack.push(part);
}

// Pops by CdfTable or LargeTable.
template <class Table>
void pop_part(Stack& stack, const std::optional<py::array>& indexes, const Table& table,
              py::array& out) {
  check_counts(indexes, element_count(out));
  const IndexSpan rows = index_span(indexes);
  const MutableSymbolSpan symbols = mutable_symbol_span(out);
  const uint64_t count = element_count(out);
  const GilRelease release;
  stack.pop(table, rows, count, symbols);
}

void bind_stack(py::module_& m) {
  py::class_<Stack> stack(m, "Stack");
  stack.def(py::init([](const py::bytes& initial) { return Stack(byte_span(initial)); }),
            py::arg("initial"));
  stack.def_static(
      "from_bytes", [](const py::bytes& data) { return Stack::from_bytes(byte_span(data)); },
      py::arg("data"));
  stack.def("to_bytes", [](const Stack& self) { return to_python(self.to_bytes()); });
  stack.def("initial", [](const Stack& self) { return to_python(self.initial()); });
  stack.def("bits", &Stack::bits);
  stack.def("copy", [](const Stack& self) { return self; });
  stack.def("push", &push_part, py::arg("symbols"), py::arg("indexes"), py::arg("table"));
  stack.def("pop", &pop_part<CdfTable>, py::arg("indexes"), py::arg("table"), py::arg("out"));
  stack.def("pop_large", &pop_part<LargeTable>, py::arg("indexes"), py::arg("table"),
            py::arg("out"));
  bind_interval_pushes(stack, [](Stack& self, const std::vector<PackedInterval>& intervals) {
    self.push(intervals);
  });
  stack.def(
      "peek",
      [](Stack& self, int64_t precision) {
        check_interval_precision(precision);
        return self.peek(static_cast<uint32_t>(precision));
      },
      py::arg("precision"));
  stack.def(
      "advance",
      [](Stack& self, int64_t start, int64_t frequency) {
        checked_advance(self, start, frequency);
      },
      py::arg("start"), py::arg("frequency"));
  stack.def(
      "pop_bits",
      [](Stack& self, int64_t width, Array<uint64_t>& out) {
        check_bits_width(width);
        const auto values = value_span(out);
        const GilRelease release;
        self.pop_bits(static_cast<uint32_t>(width), values);
      },
      py::arg("width"), py::arg("out").noconvert());
  stack.def(
      "pop_integers",
      [](Stack& self, const IntegerCode& code, Array<uint64_t>& out) {
        const auto values = value_span(out);
        const GilRelease release;
        code.pop(self, values);
      },
      py::arg("code"), py::arg("out").noconvert());
}

}  // namespace

void bind_intervals(py::module_& m) {
  bind_codes(m);
  bind_large_table(m);
  bind_stack(m);
}

}  // namespace fastcoder
