// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: numbers from an input, damage, memory with guards, and outcomes that
// two instruction sets must agree in. A target starts from a valid stream that it made itself and
// lets the input choose the damage, so that most inputs get past the header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "coder/spans.h"

namespace fastcoder::fuzz {

// Takes numbers off the front of an input; behind its end there are zeros.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(data, size) {}

  uint8_t u8() { return position_ < bytes_.size() ? bytes_[position_++] : uint8_t{0}; }
  uint16_t u16() { return static_cast<uint16_t>(u8() | u8() << 8); }
  uint32_t u32() { return u16() | static_cast<uint32_t>(u16()) << 16; }
  uint64_t u64() { return u32() | static_cast<uint64_t>(u32()) << 32; }
  // Below `limit`, which is at least 1, from as few bytes as can be.
  uint64_t below(uint64_t limit) {
    return (limit <= 256 ? u8() : limit <= 65536 ? u16() : u32()) % limit;
  }
  bool one_in(uint64_t n) { return below(n) == n - 1; }
  bool empty() const { return position_ == bytes_.size(); }
  std::span<const uint8_t> rest() {
    const std::span<const uint8_t> left = bytes_.subspan(position_);
    position_ = bytes_.size();
    return left;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
};

// SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014): for messages that a number in the input stands for.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t operator()() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  uint64_t below(uint64_t limit) { return (*this)() % limit; }

 private:
  uint64_t state_;
};

[[noreturn]] void fail(const char* file, int line, const char* what);

#define REQUIRE(condition)                                                     \
  do {                                                                         \
    if (!(condition)) ::fastcoder::fuzz::fail(__FILE__, __LINE__, #condition); \
  } while (false)

// A copy of bytes that ends where a page begins that nobody may touch. A gather, which
// AddressSanitizer does not see, faults there; it watches the room in front, too.
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t capacity);
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  // Room for `size` bytes whose alignment is that of their element, zeroed if asked for.
  uint8_t* room(size_t size);
  std::span<const uint8_t> copy(std::span<const uint8_t> bytes);

 private:
  std::vector<uint8_t> plain_;  // where pages cannot be protected
  uint8_t* end_;
  size_t capacity_;
  size_t used_ = 0;
};

constexpr size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::kNone:
      return 0;
    case ElementType::kInt8:
    case ElementType::kUint8:
      return 1;
    case ElementType::kInt16:
    case ElementType::kUint16:
      return 2;
    case ElementType::kInt32:
    case ElementType::kUint32:
      return 4;
    case ElementType::kInt64:
      return 8;
  }
  return 8;
}

inline constexpr ElementType kIndexTypes[] = {ElementType::kInt32, ElementType::kUint8,
                                              ElementType::kUint16, ElementType::kInt64};
inline constexpr ElementType kSymbolTypes[] = {
    ElementType::kInt32, ElementType::kInt16,  ElementType::kInt64,  ElementType::kInt8,
    ElementType::kUint8, ElementType::kUint16, ElementType::kUint32, ElementType::kInt32};

// The values as an array of the type, cut off to what it holds, in guarded memory.
void* copy_elements(GuardedBytes& memory, std::span<const int64_t> values, ElementType type);
int64_t element(const void* data, ElementType type, uint64_t position);
bool fits(int64_t value, ElementType type);

// How a call ended.
struct Outcome {
  bool failed = false;
  ErrorKind kind = ErrorKind::kValue;
  std::string what;

  bool operator==(const Outcome&) const = default;
  // An error that says: these bytes are not what they should be.
  bool blames_stream() const {
    return failed && (kind == ErrorKind::kTruncated || kind == ErrorKind::kCorrupt ||
                      kind == ErrorKind::kVersion);
  }
};

// Any other exception ends the process: running out of memory, too, is a finding.
template <class Run>
Outcome attempt(Run&& run) {
  try {
    run();
  } catch (const Error& error) {
    return {true, error.kind(), error.what()};
  }
  return {};
}

// Up to four changes that the input names: flips, other values, swaps, cuts, insertions, removals,
// repetitions, and the end of another valid stream.
void damage(Input& input, std::vector<uint8_t>& bytes, std::span<const uint8_t> other);

// The first two names of this machine's instruction sets that the input chooses: one best for most
// inputs, and one to compare it with.
struct Isas {
  const std::string* first;
  const std::string* second;
};
Isas choose_isas(Input& input);

// Bytes that were allocated since the last reset, where the allocator is ours to count (not under a
// sanitizer: there libFuzzer bounds every single allocation).
void reset_allocated();
uint64_t allocated();

// --- targets ---
using Run = void (*)(Input& input);
struct Target {
  const char* name;
  Run run;
};
std::vector<Target>& targets();
struct Registration {
  Registration(const char* name, Run run) { targets().push_back({name, run}); }
};

#define FUZZ_TARGET(name)                                           \
  static void run_##name(Input& input);                             \
  static const Registration registration_##name(#name, run_##name); \
  static void run_##name(Input& input)

}  // namespace fastcoder::fuzz
