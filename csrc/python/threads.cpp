// SPDX-License-Identifier: Apache-2.0
// The number of threads, for Python.
#include "coder/thread_pool.h"
#include "python/bindings.h"

namespace fastcoder {

void bind_threads(py::module_& m) {
  m.def("processor_count", &processor_count);
  m.def("get_threads", &default_threads);
  m.def("set_threads", &set_default_threads, py::arg("threads"));
  m.attr("MAX_THREADS") = kMaxThreads;
}

}  // namespace fastcoder
