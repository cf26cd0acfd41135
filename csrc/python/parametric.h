// SPDX-License-Identifier: Apache-2.0
// Parametric symbols, for Python: what csrc/python/streaming.cpp adds to its classes.
#pragma once

#include <memory>

#include "coder/decoder.h"
#include "coder/encoder.h"
#include "coder/parametric.h"
#include "python/bindings.h"

namespace fastcoder {

using ModelPtr = std::shared_ptr<ParametricModel>;

template <class Class>
void bind_parametric_push(Class& encoder) {
  encoder.def(
      "push_parametric",
      [](Encoder& self, const py::array& symbols, const ModelPtr& model) {
        const SymbolSpan span = symbol_span(symbols);
        const uint64_t count = element_count(symbols);
        const GilRelease release;
        self.push_parametric(model, span, count);
      },
      py::arg("symbols"), py::arg("model"));
}

// For a class with take_turn(task), which calls task(Decoder&).
template <class Class>
void bind_parametric_pull(Class& decoder) {
  using Self = typename Class::type;
  decoder.def(
      "pull_parametric",
      [](Self& self, const ModelPtr& model, py::array& out) {
        const MutableSymbolSpan span = mutable_symbol_span(out);
        const uint64_t count = element_count(out);
        self.take_turn([&](Decoder& native) {
          const GilRelease release;
          native.pull_parametric(*model, count, span);
        });
      },
      py::arg("model"), py::arg("out"));
}

}  // namespace fastcoder
