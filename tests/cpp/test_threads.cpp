// SPDX-License-Identifier: Apache-2.0
// The pool, and the coder on several threads. Written for ThreadSanitizer as much as for the checks
// themselves: small, and with many threads in the same places at once.
#include <atomic>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "coder/cdf_table.h"
#include "coder/decoder.h"
#include "coder/encoder.h"
#include "coder/interruption.h"
#include "coder/many.h"
#include "coder/owned_mutex.h"
#include "coder/thread_pool.h"

namespace fastcoder {
namespace {

// Runs `work(number)` on `count` threads of their own at once.
template <class Work>
void on_threads(unsigned count, Work&& work) {
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < count; ++number) {
    threads.emplace_back([&work, number] { work(number); });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(every_task_runs_once) {
  for (const unsigned threads : {1u, 2u, 3u, 8u, 100u}) {
    for (const uint64_t count : {0u, 1u, 2u, 7u, 1000u}) {
      std::vector<int> runs(count, 0);  // each element belongs to one task
      parallel_for(count, threads, [&](uint64_t i) { ++runs[i]; });
      for (const int times : runs) CHECK_EQ(times, 1);
    }
  }
}

// Fails with the number of the task. Errors travel from the thread that met them.
void fail_at(uint64_t i) { throw Error(ErrorKind::kValue, "task = " + std::to_string(i)); }

TEST(the_first_error_by_position_comes_back) {
  for (const unsigned threads : {1u, 2u, 5u, 16u}) {
    for (int trial = 0; trial < 30; ++trial) {
      std::atomic<int> begun{0};
      const auto task = [&](uint64_t i) {
        ++begun;
        if (i >= 40 && i % 7 == 3) fail_at(i);  // 45 is the first
      };
      CHECK_ERROR(ErrorKind::kValue, "task = 45", parallel_for(2000, threads, task));
      CHECK(begun >= 46);
      CHECK(begun < 2000);
    }
  }
  std::string caught;
  try {
    parallel_for(64, 4, [](uint64_t i) {
      if (i == 9) throw std::runtime_error("not ours");
    });
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  CHECK_EQ(caught, std::string("not ours"));
}

TEST(calls_nest_and_come_from_many_threads) {
  std::atomic<uint64_t> sum{0};
  on_threads(6, [&](unsigned) {
    for (int round = 0; round < 10; ++round) {
      parallel_for(6, 4, [&](uint64_t i) {
        parallel_for(5, 3, [&](uint64_t j) {
          parallel_for(3, 2, [&](uint64_t k) { sum += 100 * i + 10 * j + k; });
        });
      });
    }
  });
  // Of 6 x 5 x 3 tasks: 100 * 2.5 + 10 * 2 + 1 on average.
  CHECK_EQ(sum.load(), uint64_t{6 * 10 * 90 * 271});
}

TEST(nested_errors_come_back_through_every_call) {
  const auto outer = [](uint64_t i) {
    parallel_for(8, 3, [&](uint64_t j) {
      if (i >= 2 && j >= 5) fail_at(10 * i + j);
    });
  };
  for (int trial = 0; trial < 30; ++trial) {
    CHECK_ERROR(ErrorKind::kValue, "task = 25", parallel_for(8, 4, outer));
  }
}

TEST(default_threads_are_what_was_set) {
  const unsigned former = default_threads();
  set_default_threads(3);
  CHECK_EQ(default_threads(), 3u);
  set_default_threads(0);
  CHECK_EQ(default_threads(), processor_count());
  CHECK_ERROR(ErrorKind::kValue, "threads = 1025, expected 0 <= threads <= 1024",
              set_default_threads(kMaxThreads + 1));
  CHECK_EQ(default_threads(), processor_count());
  set_default_threads(former);
  CHECK(processor_count() >= 1);
}

// ---- the coder -------------------------------------------------------------------------------

// Three rows with escapes; nothing is built for coding yet.
std::shared_ptr<const CdfTable> fresh_table() {
  const std::vector<double> pmf = {0.25, 0.5, 0.2, 0.1, 0.2, 0.4, 0.2, 0.09, 0.9};
  const std::vector<uint32_t> lengths = {3, 5, 1};
  const std::vector<int32_t> offsets = {-1, -2, 7};
  return CdfTable::from_pmf(pmf, lengths, offsets, 14, true);
}

struct Data {
  std::vector<int32_t> symbols;
  std::vector<uint8_t> indexes;

  explicit Data(uint64_t count, uint32_t seed) {
    for (uint64_t i = 0; i < count; ++i) {
      seed = seed * 1664525 + 1013904223;
      symbols.push_back(static_cast<int32_t>(seed >> 28) - 4);
      indexes.push_back(static_cast<uint8_t>((seed >> 20) % 3));
    }
  }
  Part part(const CdfTable& table) const {
    Part result;
    result.table = &table;
    result.symbols = {symbols.data(), ElementType::kInt32};
    result.indexes = {indexes.data(), ElementType::kUint8};
    result.count = symbols.size();
    return result;
  }
};

std::vector<uint8_t> encode(const Data& data, const CdfTable& table, unsigned threads) {
  EncodeOptions options;
  options.segment = 256;
  options.threads = threads;
  return encode_one_shot(data.part(table), options).bytes();
}

void check_decodes(std::span<const uint8_t> stream, const Data& data, const CdfTable& table,
                   unsigned threads) {
  std::vector<int32_t> symbols(data.symbols.size());
  decode_one_shot(stream, table, data.part(table).indexes, symbols.size(),
                  {symbols.data(), ElementType::kInt32}, threads);
  CHECK(symbols == data.symbols);
}

TEST(threads_change_no_byte) {
  const auto table = fresh_table();
  const Data data(6000, 1);
  const std::vector<uint8_t> expected = encode(data, *table, 1);
  for (unsigned threads = 2; threads <= 8; ++threads) {
    CHECK(encode(data, *table, threads) == expected);
    check_decodes(expected, data, *table, threads);
  }
}

// The lookup structures are built by whoever codes first; here all of them are.
TEST(threads_share_a_table_that_is_built_when_it_is_used) {
  const Data data(3000, 2);
  const std::vector<uint8_t> expected = encode(data, *fresh_table(), 1);
  for (int round = 0; round < 8; ++round) {
    const auto table = fresh_table();
    on_threads(6, [&](unsigned number) {
      if (number % 2 == 0) {
        CHECK(encode(data, *table, 1 + number) == expected);
      } else {
        check_decodes(expected, data, *table, number);
      }
    });
  }
}

TEST(many_messages_on_many_threads_are_the_messages_one_by_one) {
  const auto table = fresh_table();
  std::vector<Data> messages;
  std::vector<Part> parts;
  for (uint32_t i = 0; i < 150; ++i) messages.emplace_back(i * 37 % 700, i);
  for (const Data& message : messages) parts.push_back(message.part(*table));
  std::vector<std::vector<uint8_t>> expected;
  for (const Part& part : parts) expected.push_back(encode_one_shot(part, {}).bytes());
  on_threads(3, [&](unsigned number) {
    EncodeOptions options;
    options.threads = 1 + 2 * number;
    const auto streams = encode_many(parts, options);
    CHECK(streams == expected);
    std::vector<std::vector<int32_t>> symbols;
    for (const Data& message : messages) symbols.emplace_back(message.symbols.size());
    std::vector<StreamPart> wanted;
    for (size_t i = 0; i < streams.size(); ++i) {
      wanted.push_back({streams[i],
                        parts[i].indexes,
                        {symbols[i].data(), ElementType::kInt32},
                        symbols[i].size()});
    }
    decode_many(wanted, *table, options.threads);
    for (size_t i = 0; i < messages.size(); ++i) CHECK(symbols[i] == messages[i].symbols);
    // Two damaged ones: the first is named, whatever thread met it.
    std::vector<uint8_t> first = streams[40];
    std::vector<uint8_t> second = streams[101];
    first.back() ^= 1;
    second[8] ^= 1;
    wanted[40].stream = first;
    wanted[101].stream = second;
    try {
      decode_many(wanted, *table, options.threads);
      CHECK(false);
    } catch (const Error& error) {
      CHECK(std::string(error.what()).ends_with("(message 40)"));
    }
  });
}

TEST(errors_of_segments_come_back_to_every_caller) {
  const auto table = fresh_table();
  Data data(4000, 3);
  data.indexes[1234] = 3;
  data.indexes[3000] = 9;
  on_threads(4, [&](unsigned number) {
    CHECK_ERROR(ErrorKind::kIndexRange, "indexes[1234] = 3", encode(data, *table, 1 + number));
  });
}

// What a caller answers who wants the call to end.
void stop(void*) { throw std::runtime_error("stop"); }

// Runs a call that ends with that answer.
template <class Call>
void check_stops(Call&& call) {
  std::string caught;
  try {
    const Interruption interruption(&stop, nullptr);
    call();
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  CHECK_EQ(caught, std::string("stop"));
}

[[noreturn]] void work_for_ever() {
  for (;;) check_interruption(kWorkBetweenLooks);
}

TEST(an_interrupted_call_ends_on_all_threads) {
  for (const unsigned threads : {1u, 2u, 5u}) {
    check_stops([&] { parallel_for(8, threads, [](uint64_t) { work_for_ever(); }); });
    // Nested, and from several threads at once.
    on_threads(3, [&](unsigned) {
      check_stops([&] {
        parallel_for(3, threads, [&](uint64_t) {
          parallel_for(3, threads, [](uint64_t) { work_for_ever(); });
        });
      });
    });
  }
}

TEST(a_call_that_waits_for_its_helpers_is_interrupted) {
  std::atomic<int> helping{0};
  check_stops([&] {
    parallel_for(4, 4, [&](uint64_t) {
      if (!t_call.own) {
        ++helping;
        work_for_ever();
      }
      while (helping == 0) std::this_thread::yield();
    });
  });
}

TEST(a_call_without_interruption_is_not_stopped) {
  check_stops([] { work_for_ever(); });
  CHECK(t_call.interruption == nullptr);
  std::atomic<int> done{0};
  parallel_for(64, 4, [&](uint64_t) {
    for (int i = 0; i < 100; ++i) check_interruption(kWorkBetweenLooks);
    ++done;
  });
  CHECK_EQ(done.load(), 64);
}

TEST(an_interrupted_call_may_answer_with_calls) {
  // A call within the answer is one of its own, and nobody interrupts it.
  const auto answer = [](void* context) {
    const bool idle = t_call.interruption == nullptr;
    parallel_for(16, 3, [](uint64_t) { check_interruption(kWorkBetweenLooks); });
    if (++*static_cast<int*>(context) == 3 || !idle) throw std::runtime_error("stop");
  };
  int answers = 0;
  std::string caught;
  try {
    const Interruption interruption(answer, &answers);
    parallel_for(4, 2, [](uint64_t) { work_for_ever(); });
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  CHECK_EQ(caught, std::string("stop"));
  CHECK_EQ(answers, 3);
}

TEST(a_thread_cannot_wait_for_itself) {
  OwnedMutex mutex;
  const std::lock_guard lock(mutex);
  CHECK_ERROR(ErrorKind::kValue, "object = in use", mutex.lock());
  CHECK_ERROR(ErrorKind::kValue, "object = in use", static_cast<void>(mutex.try_lock()));
  on_threads(1, [&](unsigned) { CHECK(!mutex.try_lock()); });
}

}  // namespace
}  // namespace fastcoder
