// SPDX-License-Identifier: Apache-2.0
#include "compat/rans64_encoder.h"

#include <algorithm>
#include <new>
#include <string>

#include "base/error.h"
#include "base/little_endian.h"
#include "coder/interruption.h"
#include "compat/rans64_blocks.h"

namespace fastcoder {
namespace {

// An escape at its longest: a slot of 16 bits and nine digits of four.
constexpr uint64_t kMaxWords = 3;

// What one symbol is, before it is coded.
struct Code {
  uint32_t start;
  uint32_t frequency;  // 0: cannot be coded
  bool escape;
  uint32_t raw;
};

Code code_of(const Rans64Table& table, uint32_t index, int64_t symbol) {
  const Rans64Row& row = table.rows()[index];
  const int32_t* cdf = table.content().cdf.data() + row.begin;
  Code code{};
  // A symbol is below 2^63 and an offset in int32, so unsigned differences are right, if large.
  const uint64_t place = static_cast<uint64_t>(symbol) - static_cast<uint64_t>(int64_t{row.offset});
  const bool below = symbol < row.offset;
  uint64_t slot = place;
  if (below || place >= row.plain) {
    const uint64_t away = below ? ~place : place - row.plain;  // from -1, or from the escape slot
    if (away > kRans64MaxRaw >> 1) return code;
    slot = row.plain;
    code.escape = true;
    code.raw = static_cast<uint32_t>(away << 1 | static_cast<uint64_t>(below));
  }
  code.start = static_cast<uint32_t>(cdf[slot]);
  code.frequency = static_cast<uint32_t>(cdf[slot + 1]) - code.start;
  return code;
}

[[noreturn]] void throw_first_fault(const Rans64Part& part, const Rans64Table& table) {
  const auto text = [](int64_t value) { return std::to_string(value); };
  for (uint64_t i = 0; i < part.count; ++i) {
    uint32_t index = 0;
    if (!load_rans64_indexes(part.indexes, i, 1, table.rows().size(), &index)) {
      throw_rans64_index(part.indexes, i, 1, table.rows().size());
    }
    const int64_t symbol = rans64_element(part.symbols.data, part.symbols.type, i);
    const Code code = code_of(table, index, symbol);
    if (code.frequency != 0) continue;
    const Rans64Row& row = table.rows()[index];
    const std::string what = "symbols[" + text(static_cast<int64_t>(i)) + "] = " + text(symbol);
    const std::string name = "cdfs[" + std::to_string(index) + "]";
    const int64_t escapes = int64_t{row.offset} + row.plain;
    if (symbol >= row.offset && symbol < escapes) {
      throw Error(ErrorKind::kSymbolRange,
                  what + ", expected one whose slot in " + name + " is not empty");
    }
    constexpr int64_t kReach = int64_t{1} << 31;
    if (symbol < row.offset - kReach || symbol >= escapes + kReach) {
      throw Error(ErrorKind::kSymbolRange, what + ", expected " + text(row.offset - kReach) +
                                               " <= symbol < " + text(escapes + kReach) +
                                               ", within 2**31 of " + name);
    }
    throw Error(ErrorKind::kSymbolRange,
                what + ", expected one inside " + name + ", whose escape slot is empty");
  }
  throw Error(ErrorKind::kIndexRange, "symbols, indexes = changing, expected arrays at rest");
}

void push_slot(uint64_t& state, uint32_t*& cursor, uint32_t start, uint32_t frequency) {
  if (state >= uint64_t{frequency} << kRans64LimitShift) {
    *cursor++ = static_cast<uint32_t>(state);
    state >>= 32;
  }
  state = (state / frequency << kRans64Precision) + state % frequency + start;
}

void push_digit(uint64_t& state, uint32_t*& cursor, uint32_t digit) {
  if (state >= kRans64Upper >> kRans64DigitBits) {
    *cursor++ = static_cast<uint32_t>(state);
    state >>= 32;
  }
  state = state << kRans64DigitBits | digit;
}

// Any symbol without anything prepared. False if it cannot be coded.
bool push_symbol(const Rans64Table& table, uint32_t index, int64_t symbol, uint64_t& state,
                 uint32_t*& cursor) {
  const Code code = code_of(table, index, symbol);
  if (code.frequency == 0) return false;
  if (code.escape) {
    const uint32_t digits = raw_digits(code.raw);
    for (uint32_t i = digits; i-- > 0;) {
      push_digit(state, cursor, code.raw >> (kRans64DigitBits * i) & 15);
    }
    push_digit(state, cursor, digits);
  }
  push_slot(state, cursor, code.start, code.frequency);
  return true;
}

template <class Symbol>
bool push_block(const Rans64Table& table, const Rans64Push* pushes, const Symbol* symbols,
                const uint32_t* indexes, uint64_t count, Rans64Stream& stream) {
  const Rans64Row* rows = table.rows().data();
  uint32_t* cursor = stream.reserve(kMaxWords * kRans64Block);
  uint64_t state = stream.state;
  bool good = true;
  for (uint64_t i = count; good && i-- > 0;) {
    const Rans64Row& row = rows[indexes[i]];
    const uint64_t place =
        static_cast<uint64_t>(int64_t{symbols[i]}) - static_cast<uint64_t>(int64_t{row.offset});
    if (FASTCODER_UNLIKELY(pushes == nullptr || place >= row.plain)) {
      good = push_symbol(table, indexes[i], symbols[i], state, cursor);
      continue;
    }
    const Rans64Push& push = pushes[row.begin + place];
    if (FASTCODER_UNLIKELY(state >= uint64_t{push.frequency} << kRans64LimitShift)) {
      if (push.frequency == 0) {
        good = push_symbol(table, indexes[i], symbols[i], state, cursor);
        continue;
      }
      *cursor++ = static_cast<uint32_t>(state);
      state >>= 32;
    }
    state = push_state(state, push);
  }
  stream.state = state;
  stream.advance(cursor);
  return good;
}

// Block number `block` of a part.
bool encode_block(const Rans64Part& part, const Rans64Table& table, const Rans64Push* pushes,
                  uint64_t block, Rans64Stream& stream) {
  uint32_t indexes[kRans64Block];
  const uint64_t first = block * kRans64Block;
  const uint64_t count = std::min(kRans64Block, part.count - first);
  if (!load_rans64_indexes(part.indexes, first, count, table.rows().size(), indexes)) return false;
  int32_t narrow[kRans64Block];
  if (load_rans64_symbols(part.symbols, first, count, narrow)) {
    return push_block(table, pushes, narrow, indexes, count, stream);
  }
  int64_t wide[kRans64Block];
  load_rans64_symbols(part.symbols, first, count, wide);
  return push_block(table, pushes, wide, indexes, count, stream);
}

// A push kept in 32 bits: start | (frequency - 1) << 16; a digit is one that exceeds a row.
constexpr uint32_t kDigitMark = 0xFFFF0000;

}  // namespace

void Rans64Stream::write(uint8_t* out) const {
  store_u32(out, static_cast<uint32_t>(state));
  store_u32(out + 4, static_cast<uint32_t>(state >> 32));
  out += 8;
  for (uint64_t i = words_; i-- > 0; out += 4) store_u32(out, room_.get()[i]);
}

uint32_t* Rans64Stream::reserve(uint64_t words) {
  if (capacity_ - words_ < words) {
    const uint64_t wanted = std::max(2 * capacity_, words_ + words);
    void* room = std::realloc(room_.get(), wanted * sizeof(uint32_t));
    if (room == nullptr) throw std::bad_alloc();
    static_cast<void>(room_.release());
    room_.reset(static_cast<uint32_t*>(room));
    capacity_ = wanted;
  }
  return room_.get() + words_;
}

Rans64Stream encode_rans64(const Rans64Part& part, const Rans64Table& table) {
  Rans64Stream stream;
  const Rans64Push* pushes = table.pushes(part.count);
  for (uint64_t block = (part.count + kRans64Block - 1) / kRans64Block; block-- > 0;) {
    if (!encode_block(part, table, pushes, block, stream)) throw_first_fault(part, table);
    check_interruption(kRans64Block);
  }
  return stream;
}

std::vector<Rans64Stream> encode_rans64_many(std::span<const Rans64Part> parts,
                                             const Rans64Table& table) {
  std::vector<Rans64Stream> streams;
  for (size_t i = 0; i < parts.size(); ++i) {
    try {
      streams.push_back(encode_rans64(parts[i], table));
    } catch (const Error& error) {
      throw Error(error.kind(), std::string(error.what()) + " (message " + std::to_string(i) + ")");
    }
  }
  return streams;
}

void Rans64Buffer::push(const Rans64Part& part, const Rans64Table& table) {
  const size_t before = pushes_.size();
  try {
    for (uint64_t first = 0; first < part.count; first += kRans64Block) {
      uint32_t indexes[kRans64Block];
      int64_t symbols[kRans64Block];
      const uint64_t count = std::min(kRans64Block, part.count - first);
      if (!load_rans64_indexes(part.indexes, first, count, table.rows().size(), indexes)) {
        throw_first_fault(part, table);
      }
      load_rans64_symbols(part.symbols, first, count, symbols);
      for (uint64_t i = 0; i < count; ++i) {
        const Code code = code_of(table, indexes[i], symbols[i]);
        if (code.frequency == 0) throw_first_fault(part, table);
        if (code.frequency != kRans64Whole) {
          pushes_.push_back(code.start | (code.frequency - 1) << 16);
        }
        if (!code.escape) continue;
        const uint32_t digits = raw_digits(code.raw);
        pushes_.push_back(kDigitMark + 1 + digits);
        for (uint32_t digit = 0; digit < digits; ++digit) {
          pushes_.push_back(kDigitMark + 1 + (code.raw >> (kRans64DigitBits * digit) & 15));
        }
      }
      check_interruption(count);
    }
  } catch (...) {
    pushes_.resize(before);
    throw;
  }
}

Rans64Stream Rans64Buffer::encode() const {
  Rans64Stream stream;
  for (size_t left = pushes_.size(); left > 0;) {
    const size_t first = left - std::min<size_t>(left, kRans64Block);
    uint32_t* cursor = stream.reserve(kRans64Block);
    for (; left > first; --left) {
      const uint32_t push = pushes_[left - 1];
      if (push > kDigitMark) {
        push_digit(stream.state, cursor, push - kDigitMark - 1);
      } else {
        push_slot(stream.state, cursor, push & 0xFFFF, (push >> 16) + 1);
      }
    }
    stream.advance(cursor);
    check_interruption(kRans64Block);
  }
  return stream;
}

}  // namespace fastcoder
