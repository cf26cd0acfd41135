// SPDX-License-Identifier: Apache-2.0
// One pool of threads for the whole process. Results never depend on how many there are.
//
// Threads start when they are first needed and are kept. A call's own thread always works too, so
// that calls may nest, come from many threads at once, and go on where no thread can be had. After
// a fork the child begins with an empty pool of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace fastcoder {

inline constexpr unsigned kMaxThreads = 1024;

// Processors that this process may run on, at least 1 and at most kMaxThreads.
unsigned processor_count();

// Threads of a call that does not say how many: what the environment variable FASTCODER_THREADS
// names (1 if it is not set), or the last set_default_threads. 0 stands for processor_count();
// more than kMaxThreads, or a variable that is no number, is an Error(kValue).
unsigned default_threads();
void set_default_threads(unsigned threads);

// Calls task(context, i) for every i in [0, count), in ascending order on each thread; see below.
void run_tasks(uint64_t count, unsigned threads, void (*task)(void* context, uint64_t i),
               void* context);

// Calls task(i) for every i in [0, count), on at most `threads` threads, this one included. Every
// task runs, unless one threw: then no new one is begun, and once all have ended, the exception of
// the smallest i that threw is rethrown here. It is the one a single thread would have met: tasks
// are begun in order, so all before it were run.
template <class Task>
void parallel_for(uint64_t count, unsigned threads, Task&& task) {
  using Plain = std::remove_reference_t<Task>;
  if (threads <= 1 || count <= 1) {
    for (uint64_t i = 0; i < count; ++i) task(i);
    return;
  }
  run_tasks(
      count, threads, [](void* context, uint64_t i) { (*static_cast<Plain*>(context))(i); },
      const_cast<void*>(static_cast<const void*>(std::addressof(task))));
}

}  // namespace fastcoder
