// SPDX-License-Identifier: Apache-2.0
// The GIL and signals. A handler in Python can only run with the GIL and in the main thread, so it
// is that thread which takes the GIL back from time to time (coder/interruption.h says how often).
#include <atomic>
#include <chrono>
#include <thread>

#include "coder/owned_mutex.h"
#include "python/bindings.h"

#ifndef _WIN32
#include <pthread.h>
#endif

namespace fastcoder {
namespace {

// Of Python's main thread; 0 if there is none.
std::atomic<unsigned long> g_main_thread{0};

#ifndef _WIN32
// The thread that forks is the main one of the child.
[[maybe_unused]] const int g_at_fork =
    pthread_atfork(nullptr, nullptr, [] { g_main_thread = PyThread_get_thread_ident(); });
#endif

// A lock for `with`. In C++, because a handler that raises may run between any two lines of Python:
// after a lock was taken and before the body is entered, or before the lock is given back.
class PyOwnedLock {
 public:
  void enter() {
    if (mutex_.try_lock()) return;
    const GilRelease release;
    mutex_.lock();
  }
  void exit(const py::args&) { mutex_.unlock(); }

 private:
  OwnedMutex mutex_;
};

}  // namespace

GilRelease::GilRelease() : state_(PyEval_SaveThread()) {
  if (PyThread_get_thread_ident() == g_main_thread.load(std::memory_order_relaxed)) {
    interruption_.emplace(&GilRelease::handle_signals, this);
  }
}

GilRelease::~GilRelease() {
  interruption_.reset();
  take_back();
}

// Before Python 3.14 a daemon thread that wants the GIL back when the interpreter ends is ended by
// an exception, which may not leave a destructor and would abort the process. The thread sleeps
// instead, as it does since 3.14.
void GilRelease::take_back() {
  try {
    PyEval_RestoreThread(state_);
  } catch (...) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

void GilRelease::handle_signals(void* self) {
  GilRelease& release = *static_cast<GilRelease*>(self);
  release.take_back();
  std::optional<py::error_already_set> error;
  if (PyErr_CheckSignals() != 0) error.emplace();
  release.state_ = PyEval_SaveThread();
  if (error) throw py::error_already_set(*error);
}

void bind_interruption(py::module_& m) {
  py::class_<PyOwnedLock>(m, "OwnedLock")
      .def(py::init<>())
      .def("__enter__", &PyOwnedLock::enter)
      .def("__exit__", &PyOwnedLock::exit);
  const py::object thread = py::module_::import("threading").attr("main_thread")();
  g_main_thread = thread.attr("ident").cast<unsigned long>();
}

}  // namespace fastcoder
