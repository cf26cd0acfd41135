// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <type_traits>

#include "simd/dispatch.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define FASTCODER_FUZZ_PAGES 1
#endif

#if defined(__SANITIZE_ADDRESS__)
#define FASTCODER_FUZZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FASTCODER_FUZZ_ASAN 1
#endif
#endif
#ifdef FASTCODER_FUZZ_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace fastcoder::fuzz {

void fail(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: requirement broken: %s\n", file, line, what);
  std::fflush(stderr);
  std::abort();
}

std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

// ---- memory ----------------------------------------------------------------------------------

GuardedBytes::GuardedBytes(size_t capacity) : end_(nullptr), capacity_(capacity) {
#ifdef FASTCODER_FUZZ_PAGES
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  capacity_ = (capacity + page - 1) / page * page;
  void* base = mmap(nullptr, capacity_ + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(base != MAP_FAILED);
  uint8_t* begin = static_cast<uint8_t*>(base) + page;
  REQUIRE(mprotect(begin, capacity_, PROT_READ | PROT_WRITE) == 0);
  end_ = begin + capacity_;
#else
  plain_.resize(capacity);
  end_ = plain_.data() + plain_.size();
#endif
  ASAN_POISON_MEMORY_REGION(end_ - capacity_, capacity_);
}

uint8_t* GuardedBytes::room(size_t size) {
  REQUIRE(size <= capacity_);
  ASAN_POISON_MEMORY_REGION(end_ - used_, used_);
  used_ = size;
  ASAN_UNPOISON_MEMORY_REGION(end_ - size, size);
  return end_ - size;
}

std::span<const uint8_t> GuardedBytes::copy(std::span<const uint8_t> bytes) {
  uint8_t* out = room(bytes.size());
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return {out, bytes.size()};
}

void* copy_elements(GuardedBytes& memory, std::span<const int64_t> values, ElementType type) {
  uint8_t* out = memory.room(values.size() * element_bytes(type));
  visit_elements(out, type, [&](const auto* data) {
    using Element = std::remove_cvref_t<decltype(*data)>;
    Element* elements = reinterpret_cast<Element*>(out);
    for (size_t i = 0; i < values.size(); ++i) elements[i] = static_cast<Element>(values[i]);
  });
  return out;
}

int64_t element(const void* data, ElementType type, uint64_t position) {
  return visit_elements(
      data, type, [&](const auto* elements) { return static_cast<int64_t>(elements[position]); });
}

bool fits(int64_t value, ElementType type) {
  return visit_elements(nullptr, type, [&](const auto* elements) {
    using Limits = std::numeric_limits<std::remove_cvref_t<decltype(*elements)>>;
    return value >= static_cast<int64_t>(Limits::min()) &&
           value <= static_cast<int64_t>(Limits::max());
  });
}

// ---- damage ----------------------------------------------------------------------------------

void damage(Input& input, std::vector<uint8_t>& bytes, std::span<const uint8_t> other) {
  // Small distances from either end, where the numbers of a stream stand, are as likely as others.
  const auto position = [&](size_t size) -> size_t {
    const uint8_t where = input.u8();
    if (size == 0) return 0;
    if (where < 64) return where % size;
    if (where < 96) return size - 1 - (where - 64u) % size;
    return static_cast<size_t>(input.u8() + 256u * (where & 15)) % size;
  };
  for (uint8_t left = input.u8() % 5; left > 0; --left) {
    const uint8_t kind = input.u8() % 10;
    if (bytes.empty() && kind != 5) continue;
    switch (kind) {
      case 0:
      case 1:
        bytes[position(bytes.size())] ^= static_cast<uint8_t>(1u << input.u8() % 8);
        break;
      case 2:
        bytes[position(bytes.size())] = input.u8();
        break;
      case 3:
        std::swap(bytes[position(bytes.size())], bytes[position(bytes.size())]);
        break;
      case 4:
        bytes.resize(position(bytes.size()));
        break;
      case 5: {
        std::vector<uint8_t> more(1 + input.u8() % 8);
        for (uint8_t& byte : more) byte = input.u8();
        const size_t where = input.u8() % 2 == 0 ? bytes.size() : position(bytes.size());
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(where), more.begin(), more.end());
        break;
      }
      case 6: {
        const size_t first = position(bytes.size());
        const size_t size = std::min<size_t>(1 + input.u8() % 8, bytes.size() - first);
        const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(first);
        bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(size));
        break;
      }
      case 7: {
        const size_t first = position(bytes.size());
        const size_t size = std::min<size_t>(1 + input.u8() % 8, bytes.size() - first);
        const std::vector<uint8_t> part(bytes.begin() + static_cast<std::ptrdiff_t>(first),
                                        bytes.begin() + static_cast<std::ptrdiff_t>(first + size));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(first), part.begin(), part.end());
        break;
      }
      case 8: {  // a splice: the other stream from the same place, or from another
        const size_t cut = position(bytes.size());
        const size_t from = input.u8() % 2 == 0 ? cut : position(other.size());
        bytes.resize(cut);
        if (from < other.size()) {
          bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
        }
        break;
      }
      default: {  // a 32-bit number becomes another one
        const size_t first = position(bytes.size());
        const uint32_t value = input.u32();
        for (size_t i = 0; i < 4 && first + i < bytes.size(); ++i) {
          bytes[first + i] = static_cast<uint8_t>(value >> (8 * i));
        }
      }
    }
  }
}

Isas choose_isas(Input& input) {
  static const std::vector<std::string> all = available_isas();
  const uint8_t choice = input.u8();
  const size_t first = choice % all.size();
  const size_t second = choice / all.size() % all.size();
  return {&all[first], &all[first == second ? all.size() - 1 : second]};
}

// ---- allocations -----------------------------------------------------------------------------

namespace {
thread_local uint64_t g_allocated = 0;
}

void reset_allocated() { g_allocated = 0; }
uint64_t allocated() { return g_allocated; }

#ifndef FASTCODER_FUZZ_ASAN
namespace {
void* counted(size_t size) {
  g_allocated += size;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace
#endif

}  // namespace fastcoder::fuzz

#ifndef FASTCODER_FUZZ_ASAN
void* operator new(size_t size) { return fastcoder::fuzz::counted(size); }
void* operator new[](size_t size) { return fastcoder::fuzz::counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
#endif
