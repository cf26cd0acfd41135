// SPDX-License-Identifier: Apache-2.0
// One caller at a time for an object that several Python threads may hold.
#pragma once

#include <mutex>
#include <string>

#include "base/error.h"
#include "coder/owned_mutex.h"
#include "python/bindings.h"

namespace fastcoder {

// The object to oneself. Whoever waits for it, waits without the GIL: the one before may be about
// to take it again.
class Turn {
 public:
  explicit Turn(OwnedMutex& mutex) : lock_(mutex, std::try_to_lock) {
    if (lock_.owns_lock()) return;
    const GilRelease release;
    lock_.lock();
  }
  // And open: throws if it is finished once it is ours.
  Turn(OwnedMutex& mutex, const bool& finished, const char* name) : Turn(mutex) {
    if (finished) {
      throw Error(ErrorKind::kValue, std::string(name) + " = finished, expected one that is open");
    }
  }

 private:
  std::unique_lock<OwnedMutex> lock_;
};

}  // namespace fastcoder
