// SPDX-License-Identifier: Apache-2.0
// A mutex that a thread cannot take twice. A signal handler may run in the middle of a call
// (coder/interruption.h) and use the very object that the call has locked: that is an error, and
// not a thread that waits for itself for ever.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace fastcoder {

class OwnedMutex {
 public:
  void lock() {
    check();
    mutex_.lock();
    owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  bool try_lock() {
    check();
    if (!mutex_.try_lock()) return false;
    owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    return true;
  }
  void unlock() {
    owner_.store(std::thread::id(), std::memory_order_relaxed);
    mutex_.unlock();
  }

 private:
  // Only this thread ever stores its own name.
  void check() const {
    if (owner_.load(std::memory_order_relaxed) != std::this_thread::get_id()) return;
    throw Error(ErrorKind::kValue,
                "object = in use by the call that a signal interrupted, expected another one");
  }

  std::mutex mutex_;
  std::atomic<std::thread::id> owner_;
};

}  // namespace fastcoder
