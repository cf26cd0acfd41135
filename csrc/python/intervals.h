// SPDX-License-Identifier: Apache-2.0
// The interval layer of Encoder and Decoder, for Python: what csrc/python/streaming.cpp adds to its
// classes.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "coder/decoder.h"
#include "coder/encoder.h"
#include "coder/intervals.h"
#include "python/bindings.h"

namespace fastcoder {

inline std::span<uint64_t> value_span(Array<uint64_t>& array) {
  return {array.mutable_data(), static_cast<size_t>(array.size())};
}

// Adds the pushes of intervals to the class of Encoder.
template <class Class>
void bind_interval_pushes(Class& encoder) {
  encoder.def(
      "push_intervals",
      [](Encoder& self, const py::array& starts, const py::array& frequencies, int64_t precision) {
        check_interval_precision(precision);
        const uint64_t count = element_count(starts);
        check_counts(frequencies, count);
        const SymbolSpan first = symbol_span(starts);
        const SymbolSpan second = symbol_span(frequencies);
        const py::gil_scoped_release release;
        self.push_intervals(pack_intervals(first, second, count, static_cast<uint32_t>(precision)));
      },
      py::arg("starts"), py::arg("frequencies"), py::arg("precision"));
  encoder.def(
      "push_bits",
      [](Encoder& self, const Array<uint64_t>& values, int64_t width) {
        check_bits_width(width);
        const auto span = array_span(values);
        const py::gil_scoped_release release;
        self.push_intervals(pack_bits(span, static_cast<uint32_t>(width)));
      },
      py::arg("values").noconvert(), py::arg("width"));
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
          const py::gil_scoped_release release;
          pull_bits(native, static_cast<uint32_t>(width), values);
        });
      },
      py::arg("width"), py::arg("out").noconvert());
}

}  // namespace fastcoder
