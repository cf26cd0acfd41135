// SPDX-License-Identifier: Apache-2.0
// One caller at a time for an object that several Python threads may hold.
#pragma once

#include <mutex>
#include <string>

#include "base/error.h"
#include "python/bindings.h"

namespace fastcoder {

// The object to oneself, and open. Whoever waits for it, waits without the GIL: the one before may
// be about to take it again.
class Turn {
 public:
  Turn(std::mutex& mutex, const bool& finished, const char* name) : lock_(mutex, std::try_to_lock) {
    if (!lock_.owns_lock()) {
      const GilRelease release;
      lock_.lock();
    }
    if (finished) {
      throw Error(ErrorKind::kValue, std::string(name) + " = finished, expected one that is open");
    }
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace fastcoder
