// SPDX-License-Identifier: Apache-2.0
// The interval layer of Encoder and Decoder, for Python: what csrc/python/streaming.cpp adds to its
// classes. The classes of the layer itself (codes, LargeTable, Stack) are in intervals.cpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "coder/decoder.h"
#include "coder/encoder.h"
#include "coder/integer_codes.h"
#include "coder/intervals.h"
#include "coder/large_table.h"
#include "python/bindings.h"

namespace fastcoder {

using LargeTablePtr = std::shared_ptr<LargeTable>;

inline LargeTablePtr share_large(std::shared_ptr<const LargeTable> table) {
  return std::const_pointer_cast<LargeTable>(std::move(table));
}

inline std::span<uint64_t> value_span(Array<uint64_t>& array) {
  return {array.mutable_data(), static_cast<size_t>(array.size())};
}

// Adds the ways to push intervals to a class; take(self, intervals) pushes what they become.
template <class Class, class Take>
void bind_interval_pushes(Class& coder, Take take) {
  using Self = typename Class::type;
  coder.def(
      "push_intervals",
      [take](Self& self, const py::array& starts, const py::array& frequencies, int64_t precision) {
        check_interval_precision(precision);
        const uint64_t count = element_count(starts);
        check_counts(frequencies, count);
        const SymbolSpan first = symbol_span(starts);
        const SymbolSpan second = symbol_span(frequencies);
        const GilRelease release;
        take(self, pack_intervals(first, second, count, static_cast<uint32_t>(precision)));
      },
      py::arg("starts"), py::arg("frequencies"), py::arg("precision"));
  coder.def(
      "push_bits",
      [take](Self& self, const Array<uint64_t>& values, int64_t width) {
        check_bits_width(width);
        const auto span = array_span(values);
        const GilRelease release;
        take(self, pack_bits(span, static_cast<uint32_t>(width)));
      },
      py::arg("values").noconvert(), py::arg("width"));
  coder.def(
      "push_integers",
      [take](Self& self, const Array<uint64_t>& values, const IntegerCode& code) {
        const auto span = array_span(values);
        const GilRelease release;
        take(self, code.pack(span));
      },
      py::arg("values").noconvert(), py::arg("code"));
  coder.def(
      "push_large",
      [take](Self& self, const py::array& symbols, const std::optional<py::array>& indexes,
             const LargeTable& table) {
        const uint64_t count = element_count(symbols);
        check_counts(indexes, count);
        const SymbolSpan values = symbol_span(symbols);
        const IndexSpan rows = index_span(indexes);
        const GilRelease release;
        take(self, pack_symbols(table, values, rows, count));
      },
      py::arg("symbols"), py::arg("indexes"), py::arg("table"));
  coder.def(
      "push_table",
      [take](Self& self, const LargeTable& table) {
        const GilRelease release;
        take(self, pack_table(table));
      },
      py::arg("table"));
}

// Adds the pulls to a class with take_turn(task), which calls task(Decoder&).
template <class Class>
void bind_interval_pulls(Class& decoder) {
  using Self = typename Class::type;
  decoder.def(
      "peek",
      [](Self& self, int64_t precision) {
        check_interval_precision(precision);
        return self.take_turn(
            [&](Decoder& native) { return native.peek(static_cast<uint32_t>(precision)); });
      },
      py::arg("precision"));
  decoder.def(
      "advance",
      [](Self& self, int64_t start, int64_t frequency) {
        self.take_turn([&](Decoder& native) { checked_advance(native, start, frequency); });
      },
      py::arg("start"), py::arg("frequency"));
  decoder.def(
      "pull_bits",
      [](Self& self, int64_t width, Array<uint64_t>& out) {
        check_bits_width(width);
        const auto values = value_span(out);
        self.take_turn([&](Decoder& native) {
          const GilRelease release;
          pull_bits(native, static_cast<uint32_t>(width), values);
        });
      },
      py::arg("width"), py::arg("out").noconvert());
  decoder.def(
      "pull_integers",
      [](Self& self, const IntegerCode& code, Array<uint64_t>& out) {
        const auto values = value_span(out);
        self.take_turn([&](Decoder& native) {
          const GilRelease release;
          code.pull(native, values);
        });
      },
      py::arg("code"), py::arg("out").noconvert());
  decoder.def(
      "pull_large",
      [](Self& self, const std::optional<py::array>& indexes, const LargeTable& table,
         py::array& out) {
        check_counts(indexes, element_count(out));
        const IndexSpan rows = index_span(indexes);
        const MutableSymbolSpan symbols = mutable_symbol_span(out);
        const uint64_t count = element_count(out);
        self.take_turn([&](Decoder& native) {
          const GilRelease release;
          pull_symbols(native, table, rows, count, symbols);
        });
      },
      py::arg("indexes"), py::arg("table"), py::arg("out"));
  decoder.def("pull_table", [](Self& self) {
    return self.take_turn([&](Decoder& native) {
      const GilRelease release;
      return share_large(pull_table(native));
    });
  });
}

}  // namespace fastcoder
