// SPDX-License-Identifier: Apache-2.0
// Runs independent tasks on a few threads. Results never depend on how many there are.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace fastcoder {

// Calls task(i) for every i in [0, count), on at most `threads` threads, this one included. Every
// task runs, unless one threw: then no new one is begun, and the exception of the smallest i that
// threw is rethrown here, after all threads ended.
template <class Task>
void parallel_for(uint64_t count, unsigned threads, Task&& task) {
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  uint64_t error_position = count;
  const auto work = [&] {
    for (uint64_t i = next++; i < count; i = next++) {
      try {
        task(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < error_position) {
          error_position = i;
          error = std::current_exception();
        }
        next = count;
      }
    }
  };
  std::vector<std::thread> helpers;
  try {
    helpers.reserve(threads);
    for (uint64_t i = 1; i < std::min<uint64_t>(threads, count); ++i) helpers.emplace_back(work);
  } catch (...) {
    // No more threads or memory to be had: those that started, and this one, do the work.
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace fastcoder
