// SPDX-License-Identifier: Apache-2.0
// Runs targets without libFuzzer, with any compiler: the inputs of a corpus, then mutations of them
// that a seed decides.
//
//   fuzz_replay TARGET CORPUS [executions [seed [seconds]]]
//
// CORPUS is a text file with one input per line, in hexadecimal. An input that crashes, breaks a
// requirement or takes more than a second of processor time is printed, and the program fails.
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "fuzz.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/time.h>
#include <unistd.h>
#define FASTCODER_FUZZ_SIGNALS 1
#endif

namespace {

using fastcoder::fuzz::Input;
using fastcoder::fuzz::Random;
using fastcoder::fuzz::Target;
using Bytes = std::vector<uint8_t>;

constexpr size_t kMostBytes = 512;

const Bytes* g_input = nullptr;
volatile uint64_t g_executions = 0;

#ifdef FASTCODER_FUZZ_SIGNALS
void write_input() {
  static const char digits[] = "0123456789abcdef";
  char text[2 * kMostBytes + 1];
  size_t size = 0;
  for (const uint8_t byte : g_input == nullptr ? Bytes() : *g_input) {
    if (size + 2 > sizeof text) break;
    text[size++] = digits[byte >> 4];
    text[size++] = digits[byte & 15];
  }
  text[size < sizeof text ? size++ : size - 1] = '\n';
  if (write(STDERR_FILENO, text, size) < 0) return;
}

void on_crash(int number) {
  static const char what[] = "the input that crashed: ";
  if (write(STDERR_FILENO, what, sizeof what - 1) > 0) write_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

// Every quarter of a second of processor time: is it still the same execution?
void on_tick(int) {
  static uint64_t before = 0;
  static int ticks = 0;
  ticks = before == g_executions ? ticks + 1 : 0;
  before = g_executions;
  if (ticks < 5) return;
  static const char what[] = "more than a second: ";
  if (write(STDERR_FILENO, what, sizeof what - 1) > 0) write_input();
  _exit(3);
}

void watch() {
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
    std::signal(number, on_crash);
  }
  std::signal(SIGVTALRM, on_tick);
  const itimerval quarter = {{0, 250000}, {0, 250000}};
  setitimer(ITIMER_VIRTUAL, &quarter, nullptr);
}
#else
void watch() {}
#endif

std::vector<Bytes> read_corpus(const char* path) {
  std::vector<Bytes> corpus;
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "%s: no such corpus\n", path);
    std::exit(2);
  }
  for (std::string line; std::getline(file, line);) {
    Bytes bytes;
    for (size_t i = 0; i + 1 < line.size(); i += 2) {
      bytes.push_back(static_cast<uint8_t>(std::stoul(line.substr(i, 2), nullptr, 16)));
    }
    corpus.push_back(std::move(bytes));
  }
  return corpus;
}

void mutate(Random& random, const std::vector<Bytes>& corpus, Bytes& bytes) {
  const auto place = [&] {
    return bytes.begin() + static_cast<std::ptrdiff_t>(random.below(bytes.size()));
  };
  if (corpus.empty() || random.below(4) == 0) {
    bytes.resize(4 + random.below(40));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    return;
  }
  bytes = corpus[random.below(corpus.size())];
  for (uint64_t changes = 1 + random.below(6); changes > 0; --changes) {
    if (bytes.empty()) bytes.push_back(0);
    switch (random.below(6)) {
      case 0:
        *place() ^= static_cast<uint8_t>(1u << random.below(8));
        break;
      case 1:
      case 2:
        *place() = static_cast<uint8_t>(random());
        break;
      case 3:
        bytes.insert(place(), static_cast<uint8_t>(random()));
        break;
      case 4:
        bytes.erase(place());
        break;
      default: {  // goes on like another input
        const Bytes& other = corpus[random.below(corpus.size())];
        bytes.resize(random.below(bytes.size() + 1));
        if (bytes.size() < other.size()) {
          bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(bytes.size()),
                       other.end());
        }
      }
    }
  }
  if (bytes.size() > kMostBytes) bytes.resize(kMostBytes);
}

void execute(const Target& target, const Bytes& bytes) {
  g_input = &bytes;
  g_executions = g_executions + 1;
  Input input(bytes.data(), bytes.size());
  target.run(input);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 2 ? argv[1] : "";
  const auto& all = fastcoder::fuzz::targets();
  const auto target =
      std::find_if(all.begin(), all.end(), [&](const Target& one) { return one.name == name; });
  if (target == all.end()) {
    std::fprintf(stderr, "usage: %s TARGET CORPUS [executions [seed [seconds]]], TARGET one of",
                 argv[0]);
    for (const Target& one : all) std::fprintf(stderr, " %s", one.name);
    std::fprintf(stderr, "\n");
    return 2;
  }
  const uint64_t executions = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  Random random(argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 0);
  const double limit = argc > 5 ? std::strtod(argv[5], nullptr) : 1e9;
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };

  watch();
  const std::vector<Bytes> corpus = read_corpus(argv[2]);
  for (const Bytes& bytes : corpus) execute(*target, bytes);
  Bytes bytes;
  for (uint64_t i = 0; i < executions && (i % 4096 != 0 || seconds() < limit); ++i) {
    mutate(random, corpus, bytes);
    execute(*target, bytes);
  }
  std::printf("%s: %" PRIu64 " executions in %.1f s, %zu inputs in the corpus, 0 failures\n",
              target->name, static_cast<uint64_t>(g_executions), seconds(), corpus.size());
  return 0;
}
