// SPDX-License-Identifier: Apache-2.0
#include "coder/interruption.h"

#include <algorithm>
#include <cstring>

namespace fastcoder {

constinit thread_local InterruptibleCall t_call;

namespace {

// To ask may mean to wait: for Python's global lock, while other threads want it. The more that
// takes, the less often it is done, but often enough that 0.1 s is never reached.
constexpr std::chrono::milliseconds kShortestPause{20};
constexpr std::chrono::milliseconds kLongestPause{60};

// While `ask` runs, this thread works for nobody: what it calls is no part of the call.
class NoCall {
 public:
  NoCall() : before_(t_call) { t_call = {}; }
  ~NoCall() { t_call = before_; }
  NoCall(const NoCall&) = delete;
  NoCall& operator=(const NoCall&) = delete;

 private:
  const InterruptibleCall before_;
};

}  // namespace

Interruption::Interruption(void (*ask)(void*), void* context)
    : ask_(ask), context_(context), before_(t_call) {
  t_call = {this, 0, true};
}

Interruption::~Interruption() { t_call = before_; }

void Interruption::ask_if_due() {
  if (stopped()) return;
  const Clock::time_point now = Clock::now();
  if (due_ == Clock::time_point{}) due_ = now + kShortestPause;
  if (now < due_) return;
  try {
    const NoCall no_call;
    ask_(context_);
  } catch (...) {
    error_ = std::current_exception();
    stopped_ = true;
    throw;
  }
  const Clock::time_point answered = Clock::now();
  due_ =
      answered + std::clamp<Clock::duration>(20 * (answered - now), kShortestPause, kLongestPause);
}

void Interruption::rethrow() const {
  if (stopped()) std::rethrow_exception(error_);
}

void InterruptibleCall::look() {
  work = 0;
  if (!own) {
    if (interruption->stopped()) throw Stopped();
    return;
  }
  interruption->rethrow();
  interruption->ask_if_due();
}

void copy_bytes(uint8_t* to, const uint8_t* from, uint64_t count) {
  // A symbol takes longer than a byte.
  constexpr uint64_t kPiece = 16 * kWorkBetweenLooks;
  for (uint64_t first = 0; first < count; first += kPiece) {
    const uint64_t size = std::min(kPiece, count - first);
    std::memcpy(to + first, from + first, size);
    check_interruption(size / 16);
  }
}

}  // namespace fastcoder
