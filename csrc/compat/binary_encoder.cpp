// SPDX-License-Identifier: Apache-2.0
#include "compat/binary_encoder.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "coder/interruption.h"
#include "compat/binary_step.h"
#include "format/range_step.h"

namespace fastcoder {
namespace {

// Floats that are checked before their symbols are coded, so that the cache still has them then.
constexpr uint64_t kBlockEntries = 4096;
constexpr uint64_t kMostBlock = 1024;
// Bytes of one symbol at most, 18 bits, rounded up; and the 4 of the store of a flush.
constexpr uint64_t kSymbolBytes = 3;
constexpr uint64_t kSlackBytes = 16;
// Rows between a symbol and the one whose entries are fetched; they are a page walk apart.
constexpr uint64_t kAhead = 24;

// `low` holds its last 32 bits, `held` bits before them, and perhaps a carry before those: one at
// most, because the interval never exceeds what it was when the bits before were given away.
struct State {
  uint64_t low = 0;
  uint64_t span = kBinarySpan;
  uint32_t held = 0;
  uint8_t* out = nullptr;
};

constexpr uint32_t kMostHeld = 31;

FASTCODER_ALWAYS_INLINE void flush(State& s) {
  if (s.low >> (32 + s.held) & 1) carry_into(s.out);
  store_big_u32(s.out, static_cast<uint32_t>(s.low << (32 - s.held) >> 32));
  s.out += s.held / 8;
  s.held %= 8;
  s.low &= (uint64_t{1} << (32 + s.held)) - 1;
}

FASTCODER_ALWAYS_INLINE void push(State& s, uint32_t start, uint32_t end) {
  const uint64_t below = binary_part(s.span, start);
  const uint32_t last = static_cast<uint32_t>(binary_part(s.span, end) - below - 1);
  s.low += below;
  const uint32_t shift = binary_shift(static_cast<uint32_t>(s.low), last);
  if (s.held + shift > kMostHeld) flush(s);
  s.held += shift;
  s.low <<= shift;
  s.span = (uint64_t{last} + 1) << shift;
}

// The last 2 bits, and zeros to the end of their byte.
void finish(State& s) {
  const uint32_t bits = s.held + 32 - kBinaryEndShift;
  const uint64_t value = (s.low >> kBinaryEndShift) + 1;
  if (value >> bits & 1) carry_into(s.out);
  const uint64_t word = value << (64 - bits);
  for (uint32_t done = 0; done < bits; done += 8) {
    *s.out++ = static_cast<uint8_t>(word >> (56 - done));
  }
}

struct Int16Entries {
  explicit Int16Entries(const BinaryRows& rows)
      : data(static_cast<const uint16_t*>(rows.data)), stride(rows.stride) {}
  uint32_t at(uint64_t i, uint32_t k) const { return data[i * stride + k]; }
  void fetch(uint64_t i, uint32_t k) const { FASTCODER_PREFETCH(data + i * stride + k); }

  const uint16_t* data;
  uint64_t stride;
};

template <class Float>
struct FloatEntries {
  explicit FloatEntries(const BinaryRows& rows)
      : data(static_cast<const Float*>(rows.data)), stride(rows.stride), quantizer(rows) {}
  uint32_t at(uint64_t i, uint32_t k) const { return quantizer.entry(data[i * stride + k], k); }
  void fetch(uint64_t i, uint32_t k) const { FASTCODER_PREFETCH(data + i * stride + k); }

  const Float* data;
  uint64_t stride;
  BinaryQuantizer<Float> quantizer;
};

[[noreturn]] void throw_symbol(const BinaryRows& rows, uint64_t i, int16_t symbol) {
  throw Error(ErrorKind::kSymbolRange, "sym[" + std::to_string(i) +
                                           "] = " + std::to_string(symbol) +
                                           ", expected 0 <= sym < " + std::to_string(rows.slots()));
}

[[noreturn]] void throw_empty(const BinaryRows& rows, uint64_t i, int16_t symbol, uint32_t start,
                              uint32_t end) {
  const std::string row = "[" + std::to_string(i) + "]";
  throw Error(ErrorKind::kTable, binary_rows_name(rows) + row + "[" + std::to_string(symbol + 1) +
                                     "] = " + std::to_string(end) + " / 65536, expected > " +
                                     std::to_string(start) + " / 65536, the entry before, for sym" +
                                     row + " = " + std::to_string(symbol));
}

template <class Entries>
void encode_rows(const BinaryRows& rows, const Entries& entries, const int16_t* symbols,
                 uint64_t first, uint64_t count, State& state) {
  State s = state;  // a copy: what is stored through `out` cannot change it
  const uint32_t last = static_cast<uint32_t>(rows.slots() - 1);
  const uint64_t end = first + count;
  for (uint64_t i = first; i < end; ++i) {
    const uint64_t ahead = std::min(i + kAhead, rows.count - 1);
    entries.fetch(ahead, static_cast<uint16_t>(symbols[ahead]));
    const int16_t symbol = symbols[i];
    // A negative one becomes larger than any.
    const uint32_t slot = static_cast<uint32_t>(int32_t{symbol});
    if (FASTCODER_UNLIKELY(slot > last)) throw_symbol(rows, i, symbol);
    const uint32_t lower = entries.at(i, slot);
    const uint32_t whole = 0 - static_cast<uint32_t>(slot == last);
    const uint32_t upper = (entries.at(i, slot + 1) & ~whole) | (kBinaryTotal & whole);
    if (FASTCODER_UNLIKELY(lower >= upper)) throw_empty(rows, i, symbol, lower, upper);
    push(s, lower, upper);
  }
  state = s;
}

template <class Entries>
std::vector<uint8_t> encode_all(const BinaryRows& rows, const int16_t* symbols) {
  const Entries entries(rows);
  const uint64_t block = std::clamp<uint64_t>(kBlockEntries / rows.length, 1, kMostBlock);
  std::vector<uint8_t> bytes(kMostBlock * kSymbolBytes + kSlackBytes);
  State state;
  uint64_t used = 0;
  for (uint64_t first = 0; first < rows.count; first += block) {
    const uint64_t count = std::min(block, rows.count - first);
    if (bytes.size() - used < count * kSymbolBytes + kSlackBytes) bytes.resize(2 * bytes.size());
    state.out = bytes.data() + used;
    check_binary_rows(rows, first, count);
    encode_rows(rows, entries, symbols, first, count, state);
    used = static_cast<uint64_t>(state.out - bytes.data());
    check_interruption(count);
  }
  state.out = bytes.data() + used;
  finish(state);
  bytes.resize(static_cast<uint64_t>(state.out - bytes.data()));
  return bytes;
}

}  // namespace

std::vector<uint8_t> encode_binary(const BinaryRows& rows, const int16_t* symbols) {
  check_binary_length(rows);
  switch (rows.element) {
    case BinaryElement::kInt16:
      return encode_all<Int16Entries>(rows, symbols);
    case BinaryElement::kFloat32:
      return encode_all<FloatEntries<float>>(rows, symbols);
    case BinaryElement::kFloat64:
      break;
  }
  return encode_all<FloatEntries<double>>(rows, symbols);
}

}  // namespace fastcoder
