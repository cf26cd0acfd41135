// SPDX-License-Identifier: Apache-2.0
#include "compat/binary_decoder.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "coder/interruption.h"
#include "compat/binary_search.h"
#include "compat/binary_step.h"
#include "format/range_step.h"

namespace fastcoder {
namespace {

// Symbols between two looks at how many bits were read.
constexpr uint64_t kMostBlock = 64;
// Entries that are converted at a time, so that they stay in the cache.
constexpr uint64_t kBlockEntries = 8192;
// A block reads this many bytes behind the end at most: its bits, and the word that is looked at.
constexpr uint64_t kPadding = kMostBlock * kBinaryMostShift / 8 + 16;
// Slots that one search looks at.
constexpr uint32_t kWindow = 64;
constexpr uint64_t kAhead = 8;
constexpr uint64_t kLineEntries = 32;

// The upper half of `code` is how far the message's value is above the interval's low end; then
// follow `spare` bits that were read already.
struct State {
  uint64_t code = 0;
  uint64_t span = kBinarySpan;
  uint32_t last = 0xFFFFFFFF;  // less than the span by 2^18 at most, and soon known
  uint32_t low = 0;            // modulo 2^32
  uint32_t spare = 0;
  const uint8_t* in = nullptr;
};

// A slot, and its part of the interval.
struct Slot {
  uint64_t number;
  uint32_t start;
  uint64_t below;
  uint64_t top;
};

FASTCODER_ALWAYS_INLINE Slot slot_at(const uint16_t* row, uint64_t number, uint64_t last,
                                     uint64_t span) {
  const uint32_t start = row[number];
  const uint32_t next = row[number + 1];
  const uint32_t end = FASTCODER_UNPREDICTABLE(number == last) ? kBinaryTotal : next;
  return {number, start, binary_part(span, start), binary_part(span, end)};
}

FASTCODER_ALWAYS_INLINE bool holds(const Slot& slot, uint64_t code) {
  return slot.below <= code >> 32 && code >> 32 < slot.top;
}

// At least 24 bits are spare afterwards. Bits that do not fill a byte are read again.
FASTCODER_ALWAYS_INLINE void refill(State& s) {
  s.code |= load_big_u32(s.in) >> s.spare;
  s.in += (31 - s.spare) / 8;
  s.spare |= 24;
}

FASTCODER_ALWAYS_INLINE void pop(State& s, const Slot& slot) {
  const uint32_t last = static_cast<uint32_t>(slot.top - slot.below - 1);
  s.low += static_cast<uint32_t>(slot.below);
  const uint32_t shift = binary_shift(s.low, last);
  s.code = (s.code - (slot.below << 32)) << shift;
  s.span = (uint64_t{last} + 1) << shift;
  s.last = last << shift;
  s.low <<= shift;
  s.spare -= shift;
}

// Guesses the slot of a row with few slots: which of the starts behind the first are reached. Reads
// kEntries entries behind the first; what lies behind the last start does not matter.
template <uint32_t kEntries>
struct SmallSearch {
  static constexpr bool kPrefetch = false;
  FASTCODER_ALWAYS_INLINE uint64_t operator()(const BinaryKey& key, const uint16_t* row) const {
    return count_reached<kEntries>(key, row + 1, slots - 1);
  }
  uint64_t slots;
};

// Halves down to four windows, looks at their borders, then at one of them. Reads the row only.
struct LargeSearch {
  static constexpr bool kPrefetch = true;
  FASTCODER_ALWAYS_INLINE uint64_t operator()(const BinaryKey& key, const uint16_t* row) const {
    uint64_t base = 0;
    uint64_t size = slots;
    while (size > 4 * kWindow) {
      const uint64_t half = size / 2;
      base = FASTCODER_UNPREDICTABLE(key.reaches(row[base + half])) ? base + half : base;
      size -= half;
    }
    uint64_t windows = 0;
    for (uint64_t border = kWindow; border < size; border += kWindow) {
      windows += key.reaches(row[base + border]);
    }
    base = std::min(base + windows * kWindow, slots - kWindow);
    return base + count_reached<kWindow>(key, row + base + 1, kWindow - 1);
  }
  uint64_t slots;
};

// Exactly, by halving as the original: for what the upper 16 bits could not decide, and for rows
// that decrease.
uint64_t find_slowly(uint64_t code, uint64_t span, const uint16_t* row, uint64_t last) {
  const uint64_t count = (((code >> 32) + 1) * kBinaryTotal - 1) / span;
  uint64_t left = 0;
  uint64_t right = last + 1;
  while (left + 1 < right) {
    const uint64_t middle = (left + right) / 2;
    (row[middle] <= count ? left : right) = middle;
  }
  return left;
}

// Where the rows of a block are, one after the other.
struct Block {
  const uint16_t* rows;
  uint64_t stride;
  uint64_t count;
};

// Returns how many symbols were found; fewer than there are if the value is in no slot, or in one
// that no int16 names.
template <class Search>
uint64_t decode_block(const Search& search, const Block& block, uint64_t last, State& state,
                      int16_t* symbols) {
  State s = state;
  const uint16_t* row = block.rows;
  uint64_t i = 0;
  for (; i < block.count; ++i, row += block.stride) {
    if constexpr (Search::kPrefetch) {
      // As a number: it may lie behind the array.
      const uintptr_t ahead = reinterpret_cast<uintptr_t>(row) + 2 * kAhead * block.stride;
      for (uint64_t k = 0; k <= last; k += kLineEntries) FASTCODER_PREFETCH(ahead + 2 * k);
    }
    // Any bits are a row here; what a row that decreases makes of them is seen below.
    Slot slot = slot_at(row, search({s.code, s.last}, row), last, s.span);
    // 2^16 is written as 0: such a slot may seem to hold what an earlier one does.
    const bool wrapped = (slot.start == 0) & (slot.number != 0);
    if (FASTCODER_UNLIKELY(wrapped || !holds(slot, s.code))) {
      slot = slot_at(row, find_slowly(s.code, s.span, row, last), last, s.span);
      if (!holds(slot, s.code)) break;
    }
    refill(s);
    if (FASTCODER_UNLIKELY(slot.number > 0x7FFF)) break;
    symbols[i] = static_cast<int16_t>(slot.number);
    pop(s, slot);
  }
  state = s;
  return i;
}

class Decoder {
 public:
  Decoder(const BinaryRows& rows, std::span<const uint8_t> bytes)
      : rows_(rows), size_(bytes.size()), bytes_(bytes.size() + kPadding) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
    state_.code = uint64_t{load_big_u32(bytes_.data())} << 32;
    state_.in = bytes_.data() + 4;
  }

  void run(int16_t* symbols) {
    const uint64_t slots = rows_.slots();
    if (slots <= 16) return run_with(SmallSearch<16>{slots}, 17, symbols);
    if (slots <= 32) return run_with(SmallSearch<32>{slots}, 33, symbols);
    if (slots <= kWindow) return run_with(SmallSearch<kWindow>{slots}, kWindow + 1, symbols);
    run_with(LargeSearch{slots}, 0, symbols);
  }

 private:
  // `reach`: entries from a row's first on that a search may read.
  template <class Search>
  void run_with(const Search& search, uint64_t reach, int16_t* symbols) {
    const uint64_t most = std::clamp<uint64_t>(kBlockEntries / rows_.length, 1, kMostBlock);
    const uint64_t direct = direct_rows(reach);
    const uint64_t last = rows_.slots() - 1;
    for (uint64_t first = 0; first < rows_.count;) {
      const uint64_t left = (first < direct ? direct : rows_.count) - first;
      const Block block = prepare(first, std::min(most, left), first < direct, reach);
      const uint64_t done = decode_block(search, block, last, state_, symbols + first);
      if (bits_used() > 8 * size_) throw_truncated();
      if (done < block.count) throw_corrupt(first + done);
      first += block.count;
      check_interruption(block.count);
    }
    finish();
  }

  // Rows whose `reach` entries are all in the caller's array.
  uint64_t direct_rows(uint64_t reach) const {
    if (rows_.element != BinaryElement::kInt16 || rows_.count == 0) return 0;
    if (reach <= rows_.length) return rows_.count;
    const uint64_t rest = (rows_.count - 1) * rows_.stride;
    const uint64_t more = reach - rows_.length;
    return rest < more || rows_.stride == 0 ? 0 : (rest - more) / rows_.stride + 1;
  }

  Block prepare(uint64_t first, uint64_t count, bool direct, uint64_t reach) {
    const uint16_t* data = static_cast<const uint16_t*>(rows_.data) + first * rows_.stride;
    if (direct) return {data, rows_.stride, count};
    const uint64_t length = rows_.length;
    scratch_.resize(std::max<uint64_t>(scratch_.size(), count * length + reach));
    if (rows_.element == BinaryElement::kInt16) {
      for (uint64_t i = 0; i < count; ++i) {
        std::copy_n(data + i * rows_.stride, length, scratch_.data() + i * length);
      }
    } else {
      check_binary_rows(rows_, first, count);
      convert_binary_rows(rows_, first, count, length, scratch_.data());
    }
    return {scratch_.data(), length, count};
  }

  // Of the symbols so far, and the 2 that end a message.
  uint64_t bits_used() const {
    return 8 * static_cast<uint64_t>(state_.in - bytes_.data()) - state_.spare - 32 +
           (32 - kBinaryEndShift);
  }

  // The value has to be the first multiple of 2^30 above the interval's low end: the bits behind
  // the last 2 are zero then, too.
  void finish() const {
    if (bits_used() > 8 * size_) throw_truncated();
    const uint64_t needed = (bits_used() + 7) / 8;
    if (size_ != needed) {
      throw Error(ErrorKind::kCorrupt, "len(byte_stream) = " + std::to_string(size_) +
                                           ", expected " + std::to_string(needed) +
                                           " for these symbols");
    }
    constexpr uint32_t kUnit = uint32_t{1} << kBinaryEndShift;
    const uint64_t expected = kUnit - state_.low % kUnit;
    if (state_.code >> 32 != expected) {
      throw Error(ErrorKind::kCorrupt, "byte_stream[" + std::to_string(size_ - 1) +
                                           "] = " + std::to_string(bytes_[size_ - 1]) +
                                           ", expected the end of the message of these symbols");
    }
  }

  [[noreturn]] void throw_truncated() const {
    throw Error(ErrorKind::kTruncated, "len(byte_stream) = " + std::to_string(size_) +
                                           ", expected more for " + std::to_string(rows_.count) +
                                           " symbols");
  }

  [[noreturn]] void throw_corrupt(uint64_t symbol) const {
    throw Error(ErrorKind::kCorrupt, "sym[" + std::to_string(symbol) +
                                         "] = in no slot of its row, expected 0 <= sym < " +
                                         std::to_string(std::min<uint64_t>(rows_.slots(), 32768)));
  }

  const BinaryRows& rows_;
  uint64_t size_;
  std::vector<uint8_t> bytes_;  // with zeros behind them
  std::vector<uint16_t> scratch_;
  State state_;
};

}  // namespace

void decode_binary(const BinaryRows& rows, std::span<const uint8_t> bytes, int16_t* symbols) {
  check_binary_length(rows);
  Decoder(rows, bytes).run(symbols);
}

}  // namespace fastcoder
