// SPDX-License-Identifier: Apache-2.0
// The extension module fastcoder._core: its errors, and a call to every bind_*.
#include <string>

#include "base/error.h"
#include "python/bindings.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

// The class of fastcoder.errors for each kind. Imported once, when the module is loaded.
PyObject* g_error_classes[10] = {};

void import_error_classes() {
  const py::module_ errors = py::module_::import("fastcoder.errors");
  const auto set = [&](ErrorKind kind, const char* name) {
    g_error_classes[static_cast<size_t>(kind)] =
        errors.attr(name).cast<py::object>().release().ptr();
  };
  set(ErrorKind::kValue, "ArgumentError");
  set(ErrorKind::kTable, "TableError");
  set(ErrorKind::kIndexRange, "IndexRangeError");
  set(ErrorKind::kSymbolRange, "SymbolRangeError");
  set(ErrorKind::kTruncated, "TruncatedStreamError");
  set(ErrorKind::kNeedMoreBytes, "NeedMoreBytesError");
  set(ErrorKind::kCorrupt, "CorruptStreamError");
  set(ErrorKind::kVersion, "FormatVersionError");
  set(ErrorKind::kIsa, "IsaError");
}

}  // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  import_error_classes();
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      PyErr_SetString(g_error_classes[static_cast<size_t>(error.kind())], error.what());
    }
  });
  bind_interruption(m);
  bind_tables(m);
  bind_coding(m);
  bind_many(m);
  bind_streaming(m);
  bind_range(m);
  bind_scales(m);
  bind_intervals(m);
  bind_parametric(m);
  bind_random(m);
  bind_threads(m);
  bind_compat_torchac(m);
  bind_compat_compressai(m);
  m.def("available_isas", &available_isas);
  m.def("active_isa", [] { return std::string(active_kernels().name); });
  m.def("use_isa", &use_isa, py::arg("isa"));
  m.attr("VERSION") = FASTCODER_VERSION;
}

}  // namespace fastcoder
