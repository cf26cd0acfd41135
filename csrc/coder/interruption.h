// SPDX-License-Identifier: Apache-2.0
// Ctrl-C does not wait for the last symbol: a long call asks now and then whether it should stop.
//
// Who calls the coder may put an Interruption around the call. All threads of the call report the
// work that they did, between blocks of symbols; the call's own thread asks from time to time, and
// if the answer is an exception, all of them stop and the call ends with it. An interrupted call
// leaves behind what any call that throws does: coders that stand where they stood.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>

#include "base/attributes.h"

namespace fastcoder {

class Interruption;

// The call that this thread works for, if somebody may interrupt it.
struct InterruptibleCall {
  Interruption* interruption = nullptr;
  uint64_t work = 0;  // since the last look
  bool own = false;   // whether this thread made the call

  void look();
};

class Interruption {
 public:
  // `ask(context)` throws if the call should stop. It runs on this thread alone, outside of every
  // kernel, and may itself call the coder, but not with objects that the call is changing.
  Interruption(void (*ask)(void* context), void* context);
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  // Asks if it is time to. Only for the call's own thread.
  void ask_if_due();
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  // Throws what `ask` threw, if it did. Only for the call's own thread, or after it.
  void rethrow() const;

 private:
  using Clock = std::chrono::steady_clock;

  void (*const ask_)(void*);
  void* const context_;
  const InterruptibleCall before_;
  Clock::time_point due_{};
  std::atomic<bool> stopped_{false};
  std::exception_ptr error_;
};

// What a thread throws when the call that it helps has been stopped by the call's own thread.
class Stopped {};

extern constinit thread_local InterruptibleCall t_call;

// About 0.04 ms of the fastest kernel, and 5 ms of the slowest code that there is: then a look at
// the clock costs nothing, and the answer comes soon.
inline constexpr uint64_t kWorkBetweenLooks = uint64_t{1} << 16;

// Reports work in symbols, or in what takes as long. Throws if the call is to stop.
inline void check_interruption(uint64_t work) {
  InterruptibleCall& call = t_call;
  if (call.interruption == nullptr) return;
  call.work += work;
  if (FASTCODER_UNLIKELY(call.work >= kWorkBetweenLooks)) call.look();
}

// Puts a thread of the pool into the service of a call.
class HelpingCall {
 public:
  explicit HelpingCall(Interruption* interruption) : before_(t_call) {
    t_call = {interruption, 0, false};
  }
  ~HelpingCall() { t_call = before_; }
  HelpingCall(const HelpingCall&) = delete;
  HelpingCall& operator=(const HelpingCall&) = delete;

 private:
  const InterruptibleCall before_;
};

// Calls visit(first, size) for pieces of [0, count) that take a moment each.
template <class Visit>
void for_pieces(uint64_t count, Visit&& visit) {
  for (uint64_t first = 0; first < count; first += kWorkBetweenLooks) {
    const uint64_t left = count - first;
    const uint64_t size = left < kWorkBetweenLooks ? left : kWorkBetweenLooks;
    visit(first, size);
    check_interruption(size);
  }
}

// memcpy of any number of bytes.
void copy_bytes(uint8_t* to, const uint8_t* from, uint64_t count);

}  // namespace fastcoder
