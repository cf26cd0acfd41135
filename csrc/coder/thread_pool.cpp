// SPDX-License-Identifier: Apache-2.0
#include "coder/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "coder/interruption.h"

#ifndef _WIN32
#include <pthread.h>
#include <signal.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

namespace fastcoder {
namespace {

// Waits for `done` without giving the processor away, for a while: to sleep and to be woken takes
// 30 to 60 us, and steps of one call follow each other closer than that: three steps of 5, 1000 and
// 10 us on two threads take 1060 us with this and 1150 us without.
template <class Done>
void spin_until(Done&& done) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::microseconds(100);
  for (uint32_t turn = 1; !done(); ++turn) {
    if (turn % 64 == 0 && Clock::now() >= end) return;
  }
}

// One call of run_tasks, on its caller's stack.
class Job {
 public:
  Job(uint64_t count, void (*task)(void*, uint64_t), void* context)
      : count_(count), task_(task), context_(context) {}

  void help() {
    const HelpingCall helping(interruption_);
    work();
  }

  void work() {
    for (uint64_t i = next_++; i < count_; i = next_++) {
      try {
        task_(context_, i);
      } catch (...) {
        next_ = count_;
        const std::lock_guard lock(mutex_);
        if (error_ && error_position_ < i) continue;
        error_position_ = i;
        error_ = std::current_exception();
      }
    }
  }

  // After all threads have left. A thread that was told to stop is no error of its task.
  void rethrow() const {
    if (interruption_ != nullptr && t_call.own) interruption_->rethrow();
    if (error_) std::rethrow_exception(error_);
  }

  // The pool's, guarded by its mutex.
  uint64_t seats = 0;                // helpers that may still join
  std::atomic<uint64_t> inside = 0;  // helpers at work
  std::condition_variable left;

 private:
  const uint64_t count_;
  void (*const task_)(void*, uint64_t);
  void* const context_;
  Interruption* const interruption_ = t_call.interruption;
  std::atomic<uint64_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr error_;
  uint64_t error_position_ = 0;
};

// Signals belong to the program's own threads: Python's, for example, would not notice one that
// arrives here while it waits in a system call.
class SignalsBlocked {
 public:
#ifndef _WIN32
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
#endif
};

class Pool {
 public:
  void run(Job& job, unsigned helpers) {
    const bool listed = open(job, helpers);
    job.work();
    std::unique_lock lock(mutex_);
    wanted_ -= helpers;
    if (!listed) return;
    close(job);
    if (job.inside != 0 && may_spin()) {
      lock.unlock();
      spin_until([&] { return job.inside == 0; });
      lock.lock();  // also waits for the helper that made it 0 and still has the lock
    }
    wait_for_helpers(job, lock);
  }

 private:
  static void wait_for_helpers(Job& job, std::unique_lock<std::mutex>& lock) {
    const auto alone = [&] { return job.inside == 0; };
    if (t_call.interruption == nullptr || !t_call.own) return job.left.wait(lock, alone);
    // Helpers may be at work for long, and nobody but this thread can tell them to stop.
    while (!job.left.wait_for(lock, std::chrono::milliseconds(10), alone)) {
      lock.unlock();
      try {
        t_call.interruption->ask_if_due();
      } catch (...) {
        // Job::rethrow throws it, once the helpers have left.
      }
      lock.lock();
    }
  }

  // Offers the job to helpers. False if there are none: then the caller works alone.
  bool open(Job& job, unsigned helpers) {
    bool listed = false;
    {
      const std::lock_guard lock(mutex_);
      wanted_ += helpers;
      try {
        // As many as one call ever wanted, or, up to the processors, all of the present ones.
        grow(std::max<uint64_t>(helpers, std::min<uint64_t>(wanted_, processor_count() - 1)));
        jobs_.push_back(&job);
        open_jobs_ = jobs_.size();
        job.seats = helpers;
        listed = true;
      } catch (...) {
        // No memory.
      }
    }
    if (listed && helpers == 1) work_.notify_one();
    if (listed && helpers > 1) work_.notify_all();
    return listed;
  }

  void grow(uint64_t threads) {
    if (threads_ >= threads) return;
    const SignalsBlocked blocked;
    try {
      for (; threads_ < threads; ++threads_) std::thread([this] { serve(); }).detach();
    } catch (...) {
      // The system gives no more threads: those that there are do the work.
    }
  }

  void close(Job& job) {
    std::erase(jobs_, &job);
    open_jobs_ = jobs_.size();
  }

  // Where each thread has a processor, one that spins takes it from nobody of ours.
  bool may_spin() const { return threads_ < processors_; }

  [[noreturn]] void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (jobs_.empty() && may_spin()) {
        lock.unlock();
        spin_until([&] { return open_jobs_ != 0; });
        lock.lock();
      }
      work_.wait(lock, [&] { return !jobs_.empty(); });
      Job& job = *jobs_.front();
      if (--job.seats == 0) close(job);
      ++job.inside;
      lock.unlock();
      job.help();
      lock.lock();
      close(job);  // all its tasks are begun
      // Under the lock: the caller may end the job as soon as it sees the zero.
      if (--job.inside == 0) job.left.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<Job*> jobs_;              // with free seats, oldest first
  std::atomic<uint64_t> open_jobs_{0};  // jobs_.size(), for those that spin
  const uint64_t processors_ = processor_count();
  uint64_t threads_ = 0;
  uint64_t wanted_ = 0;  // helpers that all present calls asked for
};

// Never destroyed: its threads wait in it until the process ends, and a thread of the program may
// still be in it while static objects are destroyed.
std::atomic<Pool*> g_pool{nullptr};

#ifndef _WIN32
// A fork copies the memory and only the thread that forks: a mutex may be locked for ever, and
// threads are counted that are not there. Nothing but this store is legal in the child.
[[maybe_unused]] const int g_at_fork = pthread_atfork(nullptr, nullptr, [] { g_pool = nullptr; });
#endif

Pool& pool() {
  Pool* existing = g_pool.load(std::memory_order_acquire);
  if (existing != nullptr) return *existing;
  auto fresh = std::make_unique<Pool>();
  if (g_pool.compare_exchange_strong(existing, fresh.get(), std::memory_order_acq_rel)) {
    return *fresh.release();
  }
  return *existing;
}

std::atomic<unsigned> g_default_threads{0};  // 0: nobody asked yet

unsigned checked_threads(unsigned threads, const std::string& name, const std::string& value) {
  if (threads > kMaxThreads) {
    throw Error(ErrorKind::kValue,
                name + " = " + value + ", expected 0 <= threads <= " + std::to_string(kMaxThreads));
  }
  return threads == 0 ? processor_count() : threads;
}

unsigned threads_from_environment() {
  const char* value = std::getenv("FASTCODER_THREADS");
  if (value == nullptr || *value == '\0') return 1;
  std::string printable = "'";
  unsigned threads = 0;
  for (const char* c = value; *c != '\0'; ++c) {
    const bool digit = *c >= '0' && *c <= '9';
    if (!digit) threads = kMaxThreads + 1;
    if (threads <= kMaxThreads) threads = threads * 10 + static_cast<unsigned>(*c - '0');
    printable += *c >= ' ' && *c <= '~' ? *c : '?';
  }
  return checked_threads(threads, "FASTCODER_THREADS", printable + "'");
}

}  // namespace

unsigned processor_count() {
  unsigned count = std::thread::hardware_concurrency();
#ifdef __linux__
  // Not those of the machine: the ones that taskset or a container left us.
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = static_cast<unsigned>(CPU_COUNT(&set));
#endif
  return std::clamp(count, 1u, kMaxThreads);
}

unsigned default_threads() {
  unsigned threads = g_default_threads.load(std::memory_order_relaxed);
  if (threads == 0) {
    threads = threads_from_environment();
    unsigned none = 0;
    if (!g_default_threads.compare_exchange_strong(none, threads)) threads = none;
  }
  return threads;
}

void set_default_threads(unsigned threads) {
  g_default_threads = checked_threads(threads, "threads", std::to_string(threads));
}

void run_tasks(uint64_t count, unsigned threads, void (*task)(void* context, uint64_t i),
               void* context) {
  Job job(count, task, context);
  const uint64_t helpers = std::min<uint64_t>({threads, kMaxThreads, count});
  if (helpers > 1) {
    pool().run(job, static_cast<unsigned>(helpers - 1));
  } else {
    job.work();
  }
  job.rethrow();
}

}  // namespace fastcoder
