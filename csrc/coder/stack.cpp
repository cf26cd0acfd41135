// SPDX-License-Identifier: Apache-2.0
#include "coder/stack.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "coder/blocks.h"
#include "coder/integer_codes.h"
#include "coder/interruption.h"
#include "coder/numeric.h"
#include "coder/visit_symbols.h"
#include "format/escape.h"

namespace fastcoder {
namespace {

constexpr uint8_t kEndOfInitial = 1;
constexpr uint64_t kInitialInState = 4;  // bytes of the content that the first state takes

// The content as whole words: the bytes, a byte 1 that marks their end, zeros.
std::vector<uint8_t> pad_initial(std::span<const uint8_t> initial) {
  std::vector<uint8_t> padded(initial.begin(), initial.end());
  padded.push_back(kEndOfInitial);
  padded.resize(std::max<size_t>(kInitialInState, padded.size() + padded.size() % 2));
  return padded;
}

// What is popped for a symbol that lies outside its row, after the escape slot.
template <class Push>
void escape_to_intervals(const Escape& escape, Push&& push) {
  exp_golomb_to_intervals(escape.distance - 1, 0, push);
  bits_to_intervals(escape.below, 1, push);
}

template <class Source>
int64_t escape_from_intervals(Source& source, const RowView& row) {
  const uint64_t less_one = exp_golomb_from_intervals(source, 0);
  if (less_one >> kMaxEscapeLog2 != 0) {
    throw Error(ErrorKind::kCorrupt,
                "escape = " + std::to_string(less_one) + " + 1, expected at most 2**32");
  }
  const Escape escape = {less_one + 1, static_cast<uint32_t>(bits_from_intervals(source, 1))};
  const int64_t symbol = escaped_symbol(escape, row.offset, row.symbols);
  if (symbol < INT32_MIN || symbol > INT32_MAX) {
    throw Error(ErrorKind::kCorrupt, "escaped symbol = " + std::to_string(symbol) +
                                         ", expected -2147483648 <= symbol <= 2147483647");
  }
  return symbol;
}

}  // namespace

Stack::Stack(std::span<const uint8_t> initial) {
  if (initial.empty()) return;
  const std::vector<uint8_t> padded = pad_initial(initial);
  state_ = Wide::kLower | load_u32(padded.data());
  for (size_t i = padded.size(); i > kInitialInState; i -= 2) {
    words_.push_back(static_cast<uint16_t>(load_u16(padded.data() + i - 2)));
  }
  top_ = words_.size();
}

Stack Stack::from_bytes(std::span<const uint8_t> bytes) {
  if (bytes.size() < Wide::kStateBytes) {
    throw Error(ErrorKind::kTruncated, "len(data) = " + std::to_string(bytes.size()) +
                                           ", expected at least 6 for the state of a stack");
  }
  if (bytes.size() % 2 != 0) {
    throw Error(ErrorKind::kCorrupt, "len(data) = " + std::to_string(bytes.size()) +
                                         ", expected an even number of bytes");
  }
  Stack stack({});
  stack.state_ = load_u32(bytes.data()) | uint64_t{load_u16(bytes.data() + 4)} << 32;
  if (stack.state_ < Wide::kLower) {
    throw Error(ErrorKind::kCorrupt,
                "state = " + std::to_string(stack.state_) + ", expected at least 2**32");
  }
  for (size_t i = bytes.size(); i > Wide::kStateBytes; i -= 2) {
    stack.words_.push_back(static_cast<uint16_t>(load_u16(bytes.data() + i - 2)));
  }
  stack.top_ = stack.words_.size();
  return stack;
}

std::vector<uint8_t> Stack::to_bytes() const {
  std::vector<uint8_t> bytes(Wide::kStateBytes + 2 * top_);
  store_u32(bytes.data(), static_cast<uint32_t>(state_));
  store_u16(bytes.data() + 4, static_cast<uint32_t>(state_ >> 32));
  uint8_t* out = bytes.data() + Wide::kStateBytes;
  for (uint64_t i = top_; i-- > 0; out += 2) store_u16(out, words_[i]);
  return bytes;
}

std::vector<uint8_t> Stack::initial() const {
  std::vector<uint8_t> bytes = to_bytes();
  if (state_ == Wide::kLower && top_ == 0) return {};
  bool whole = state_ >> 32 == 1;
  bytes.erase(bytes.begin() + 4, bytes.begin() + 6);  // the leading one of the state
  const std::vector<uint8_t> padded = bytes;
  while (!bytes.empty() && bytes.back() == 0) bytes.pop_back();
  whole = whole && !bytes.empty() && bytes.back() == kEndOfInitial;
  if (whole) bytes.pop_back();
  if (!whole || bytes.empty() || pad_initial(bytes) != padded) {
    throw Error(ErrorKind::kCorrupt,
                "stack = " + std::to_string(to_bytes().size()) +
                    " bytes, expected the ones that it was made of: pops or pushes are missing");
  }
  return bytes;
}

double Stack::bits() const {
  return 16.0 * static_cast<double>(top_) + numeric::log2(static_cast<double>(state_)) - 32.0;
}

void Stack::push(std::span<const PackedInterval> intervals) {
  // Words go through a block of bytes that grows downwards, as in a segment; nothing is pushed
  // before there is room for all.
  words_.resize(top_);
  const uint64_t room = top_ + kMaxIntervalWords * intervals.size();
  if (room > words_.capacity()) words_.reserve(std::max(room, 2 * top_));
  uint8_t words[4 * kMaxIntervalWords];
  uint8_t* const end = words + sizeof words;
  uint64_t state = state_;
  for_pieces(intervals.size(), [&](uint64_t done, uint64_t size) {
    for (uint64_t i = done; i < done + size; ++i) {
      const PackedInterval interval = intervals[intervals.size() - 1 - i];
      uint8_t* cursor = end;
      state = push_interval(state, start_of(interval), frequency_of(interval),
                            precision_of(interval), cursor);
      for (const uint8_t* word = end; word != cursor;) {
        word -= 2;
        words_.push_back(static_cast<uint16_t>(load_u16(word)));
      }
    }
  });
  state_ = state;
  top_ = words_.size();
  if (!intervals.empty()) peeked_precision_ = 0;
}

void Stack::push(const Part& part) {
  const TableView& table = part.table->view();
  const uint32_t shift = Wide::kPrecision - table.precision;
  std::vector<PackedInterval> packed;
  packed.reserve(part.count);
  const auto push_one = [&](PackedInterval interval) { packed.push_back(interval); };
  visit_symbols(part, [&](uint64_t, const RowView& row, int32_t symbol, uint32_t slot) {
    const uint32_t* cdf = table.cdf + row.cdf_begin + slot;
    push_one(pack_interval(cdf[0] << shift, (cdf[1] - cdf[0]) << shift, Wide::kPrecision));
    if (slot == row.symbols) {
      escape_to_intervals(make_escape(symbol, row.offset, row.symbols), push_one);
    }
  });
  push(packed);
}

template <class PullSymbol>
void Stack::pop_blocks(const IndexSpan& indexes, uint64_t rows, uint64_t count,
                       const MutableSymbolSpan& symbols, PullSymbol&& pull_symbol) {
  guarded([&] {
    BlockScratch scratch;
    int32_t decoded[kBlock];
    for (uint64_t first = 0; first < count; first += kBlock) {
      const uint64_t size = std::min(kBlock, count - first);
      const KernelIndexes block = load_indexes(indexes, first, size, scratch);
      for (uint64_t i = 0; i < size; ++i) {
        const uint64_t row = index_at(block, i);
        if (row >= rows) throw_index(indexes, first + i, rows);
        decoded[i] = static_cast<int32_t>(pull_symbol(row));
      }
      store_decoded(decoded, symbols, first, size);
      check_interruption(size);
    }
  });
}

void Stack::pop(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                const MutableSymbolSpan& symbols) {
  const TableView& view = table.view();
  const uint32_t shift = Wide::kPrecision - view.precision;
  pop_blocks(indexes, view.row_count, count, symbols, [&](uint64_t index) -> int64_t {
    const RowView& row = view.rows[index];
    const uint32_t* cdf = view.cdf + row.cdf_begin;
    const uint32_t value = peek(Wide::kPrecision) >> shift;
    uint32_t slot = view.buckets[row.bucket_begin + (value >> row.bucket_shift)];
    while (cdf[slot + 1] <= value) ++slot;  // ends: the row's last entry exceeds every value
    advance(cdf[slot] << shift, (cdf[slot + 1] - cdf[slot]) << shift);
    if (slot == row.symbols) return escape_from_intervals(*this, row);
    return int64_t{row.offset} + slot;
  });
}

void Stack::pop(const LargeTable& table, const IndexSpan& indexes, uint64_t count,
                const MutableSymbolSpan& symbols) {
  pop_blocks(indexes, table.rows(), count, symbols, [&](uint64_t row) -> int64_t {
    return int64_t{table.offset(row)} + table.pull_slot(*this, row);
  });
}

void Stack::pop_bits(uint32_t width, std::span<uint64_t> values) {
  check_bits_width(width);
  guarded([&] {
    for_pieces(values.size(), [&](uint64_t first, uint64_t size) {
      for (uint64_t& value : values.subspan(first, size)) {
        value = bits_from_intervals(*this, width);
      }
    });
  });
}

void Stack::throw_empty() {
  throw Error(ErrorKind::kTruncated,
              "words left = 0, expected more: a stack that is popped first needs initial bytes");
}

}  // namespace fastcoder
