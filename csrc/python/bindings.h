// SPDX-License-Identifier: Apache-2.0
// What every file of this folder needs: typed views of arrays, and the names of the others' bind_*.
// No other folder includes pybind11. One file per subject; each of its functions accepts arrays
// that python/fastcoder/_arrays.py made contiguous, takes typed views, releases the GIL, calls the
// core, and wraps the result. Releasing the GIL is safe: all Python objects were turned into spans
// before, are kept alive by the caller's references, and nothing in coder/ touches a Python object.
// A thread that writes to an array meanwhile gets some symbols or an error: what is checked is
// copied before.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coder/cdf_table.h"
#include "coder/interruption.h"
#include "coder/spans.h"

namespace fastcoder {

namespace py = pybind11;

using TablePtr = std::shared_ptr<CdfTable>;
template <class T>
using Array = py::array_t<T, py::array::c_style>;

// py::gil_scoped_release, but for the end of the interpreter (see interruption.cpp), and for
// signals: in the main thread, where Python handles them, the handlers run while the core is at
// work, and what they raise (KeyboardInterrupt) ends the call.
class GilRelease {
 public:
  GilRelease();
  ~GilRelease();
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  static void handle_signals(void* self);
  void take_back();

  PyThreadState* state_;
  std::optional<Interruption> interruption_;
};

[[noreturn]] void throw_type(const char* argument, const std::string& found, const char* expected);

// The type of an integer array that the core takes as it is: contiguous, aligned, in native byte
// order; nothing for any other.
std::optional<ElementType> direct_type(const py::array& array);

SymbolSpan symbol_span(const py::array& array);
MutableSymbolSpan mutable_symbol_span(py::array& array);
IndexSpan index_span(const std::optional<py::array>& array);
std::span<const uint8_t> byte_span(const py::bytes& bytes);

inline uint64_t element_count(const py::array& array) {
  return static_cast<uint64_t>(array.size());
}

template <class T>
std::span<const T> array_span(const Array<T>& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

// Throws unless there are no indexes, or as many as symbols.
void check_counts(const std::optional<py::array>& indexes, uint64_t count);

Part make_part(const py::array& symbols, const std::optional<py::array>& indexes,
               const CdfTable& table);

py::bytes to_python(const std::vector<uint8_t>& bytes);

void bind_interruption(py::module_& m);
void bind_tables(py::module_& m);
void bind_coding(py::module_& m);
void bind_many(py::module_& m);
void bind_streaming(py::module_& m);
void bind_range(py::module_& m);
void bind_scales(py::module_& m);
void bind_intervals(py::module_& m);
void bind_parametric(py::module_& m);
void bind_random(py::module_& m);
void bind_threads(py::module_& m);
void bind_compat_torchac(py::module_& m);
void bind_compat_compressai(py::module_& m);

}  // namespace fastcoder
