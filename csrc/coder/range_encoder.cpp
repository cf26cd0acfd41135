// SPDX-License-Identifier: Apache-2.0
#include "coder/range_encoder.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "coder/blocks.h"
#include "coder/cdf_table.h"
#include "coder/interruption.h"
#include "coder/range_blocks.h"

namespace fastcoder {
namespace {

// Words of one symbol: one before its slot, and of an escape one per 32 of at most 66 bits, with
// one to spare for what rounding takes. The store of a word that does not count needs room, too.
constexpr uint64_t kSymbolBytes = 1 * kRangeWordBytes;
constexpr uint64_t kEscapeBytes = 5 * kRangeWordBytes;
constexpr uint64_t kSlackBytes = 4 * kRangeWordBytes;

// Codes symbols [first, count) of a block by FastView::dense up to one without a row or not in it,
// and returns which that is. `kRare`: words leave so rarely that a wrong guess costs less than
// masks.
template <uint32_t kPrecision, class Symbol, class Index, bool kRare>
uint64_t encode_dense(const TableView& table, const void* symbols, const void* indexes,
                      uint64_t first, uint64_t count, RangeLow& state, uint8_t*& out) {
  const FastView fast = *table.fast;  // a copy: what is stored through `cursor` cannot change it
  // Both ends of a row are outside of it: a symbol below wraps around and ends at the upper one.
  const uint32_t low = static_cast<uint32_t>(fast.dense_low);
  const uint32_t last = static_cast<uint32_t>(fast.dense_high) - low;
  const uint64_t row_count = table.row_count;
  const Symbol* values = static_cast<const Symbol*>(symbols);
  RangeLow s = state;
  uint8_t* cursor = out;
  uint64_t i = first;
  for (; i < count; ++i) {
    const uint64_t row = row_at<Index>(indexes, i);
    if (FASTCODER_UNLIKELY(row >= row_count)) break;
    const int32_t symbol = static_cast<int32_t>(values[i]);
    const uint32_t entry =
        fast.dense[row * fast.dense_stride + std::min(static_cast<uint32_t>(symbol) - low, last)];
    if (FASTCODER_UNLIKELY(entry >> 16 == 0)) break;
    if constexpr (kRare) {
      cursor = range_give_word(s, cursor);
      range_encode(s, s.range >> kPrecision, entry & 0xFFFF, entry >> 16, cursor);
    } else {
      // The word is written in any case, and counts only if it has to leave. When that is cannot
      // be predicted, hence masks; both units are ready before the comparison is.
      const uint64_t gives_word = 0 - uint64_t{s.range < kRangeLower};
      const uint64_t kept = s.range >> kPrecision;
      const uint64_t grown = s.range << (32 - kPrecision);
      store_big_u32(cursor, static_cast<uint32_t>(s.low >> 32));
      cursor += gives_word & kRangeWordBytes;
      s.low <<= gives_word & 32;
      range_encode(s, kept ^ ((kept ^ grown) & gives_word), entry & 0xFFFF, entry >> 16, cursor);
    }
    s.hash = hash_symbol(s.hash, symbol);
  }
  state = s;
  out = cursor;
  return i;
}

template <uint32_t kPrecision, class Symbol, class Index>
constexpr auto encode_rare = encode_dense<kPrecision, Symbol, Index, true>;
template <uint32_t kPrecision, class Symbol, class Index>
constexpr auto encode_often = encode_dense<kPrecision, Symbol, Index, false>;

using EncodeDense = uint64_t (*)(const TableView&, const void*, const void*, uint64_t, uint64_t,
                                 RangeLow&, uint8_t*&);
constexpr EncodeDense kEncodeDense[2][2][kSymbolTypes][kIndexTypes] = {
    {FASTCODER_RANGE_KERNELS(encode_often, Narrow::kPrecision),
     FASTCODER_RANGE_KERNELS(encode_often, Wide::kPrecision)},
    {FASTCODER_RANGE_KERNELS(encode_rare, Narrow::kPrecision),
     FASTCODER_RANGE_KERNELS(encode_rare, Wide::kPrecision)}};

}  // namespace

RangeEncoder::RangeEncoder(bool check) : check_(check), buffer_(1) {
  buffer_[0] = static_cast<uint8_t>(kRangeMark | kFormatVersion << kRangeVersionShift |
                                    (check ? kRangeCheckFlag : 0));
  used_ = 1;
}

// While a word leaves, the interval that was coded is narrower than 2^32 times the word's unit, so
// that it holds at most one multiple of that: at most one carry ever goes into a word. A carry
// runs through bytes of 0xFF and stops at the first other byte, hence never before the last such
// byte. A carry out of the first word is impossible: low + range starts below 2^64.
uint64_t RangeEncoder::finished() const {
  uint64_t end = used_;
  while (end > payload_ && buffer_[end - 1] == 0xFF) --end;
  return end > payload_ ? end - 1 : payload_;
}

uint8_t* RangeEncoder::reserve(uint64_t bytes) {
  if (buffer_.size() - used_ < bytes) {
    buffer_.resize(std::max<uint64_t>(used_ + bytes, 2 * buffer_.size()));
  }
  return buffer_.data() + used_;
}

RangeEncoder::Mark RangeEncoder::mark() const {
  const uint64_t first = finished();
  return {state_, count_, used_, first, first < used_ ? buffer_[first] : uint8_t{0}};
}

void RangeEncoder::restore(const Mark& mark) {
  state_ = mark.state;
  count_ = mark.count;
  used_ = mark.used;
  if (mark.finished == used_) return;
  std::fill(buffer_.begin() + static_cast<int64_t>(mark.finished),
            buffer_.begin() + static_cast<int64_t>(used_), uint8_t{0xFF});
  buffer_[mark.finished] = mark.byte;
}

// `bits` <= 16.
uint8_t* RangeEncoder::encode_raw(uint64_t value, uint32_t bits, uint8_t* out) {
  out = range_give_word(state_, out);
  range_encode(state_, state_.range >> bits, static_cast<uint32_t>(value), 1, out);
  return out;
}

uint8_t* RangeEncoder::encode_escape(Escape escape, uint8_t* out) {
  const uint32_t log2 = log2_floor(escape.distance);
  for (uint32_t zero = 0; zero < log2; ++zero) out = encode_raw(0, 1, out);
  out = encode_raw(1, 1, out);
  for (uint32_t done = 0; done < log2; done += kMaxRawBits) {
    const uint32_t bits = std::min(kMaxRawBits, log2 - done);
    out = encode_raw(escape.distance >> done & ((1u << bits) - 1), bits, out);
  }
  return encode_raw(escape.below, 1, out);
}

void RangeEncoder::push_block(const Part& part, uint64_t first, uint64_t size) {
  BlockScratch scratch;
  const auto [symbols, indexes] = load_block(part, first, size, scratch);
  // Few symbols do not pay for building the lookup tables.
  const bool few = part.count < kFewSymbols;
  const TableView& table = few ? part.table->view() : part.table->coding_view();
  const uint32_t precision = range_precision(table.precision);
  const uint32_t scale = precision - table.precision;
  uint8_t* out = reserve(size * (kSymbolBytes + (table.escape ? kEscapeBytes : 0)) + kSlackBytes);
  for (uint64_t i = 0; i < size; ++i) {
    if (table.fast != nullptr) {
      i = kEncodeDense[rare_][precision == Wide::kPrecision][symbols.type][indexes.type](
          table, symbols.data, indexes.data, i, size, state_, out);
      if (i == size) break;
    }
    const uint64_t index = index_at(indexes, i);
    if (index >= table.row_count) throw_index(part.indexes, first + i, table.row_count);
    const RowView& row = table.rows[index];
    const int32_t symbol = static_cast<int32_t>(symbol_at(symbols, i));
    const uint64_t slot =
        std::min<uint64_t>(static_cast<uint64_t>(int64_t{symbol} - row.offset), row.symbols);
    if (slot == row.symbols && !table.escape) {
      throw_outside_row(first + i, symbol, index, row.offset, row.symbols);
    }
    const uint32_t* cdf = table.cdf + row.cdf_begin + slot;
    out = range_give_word(state_, out);
    range_encode(state_, state_.range >> precision, cdf[0] << scale, (cdf[1] - cdf[0]) << scale,
                 out);
    if (slot == row.symbols) out = encode_escape(make_escape(symbol, row.offset, row.symbols), out);
    state_.hash = hash_symbol(state_.hash, symbol);
  }
  // Measured on Zen 5: masks win from about one word in 16 symbols on.
  const uint64_t words = static_cast<uint64_t>(out - (buffer_.data() + used_)) / kRangeWordBytes;
  rare_ = 16 * words < size;
  commit(out);
  count_ += size;
}

void RangeEncoder::push(const Part& part) {
  const Mark before = mark();
  try {
    for (uint64_t first = 0; first < part.count; first += kBlock) {
      push_block(part, first, std::min(kBlock, part.count - first));
      check_interruption(kBlock);
    }
  } catch (...) {
    restore(before);
    throw;
  }
}

void RangeEncoder::push_adaptive_block(AdaptiveTable& table, const Part& part, uint64_t first,
                                       uint64_t size) {
  BlockScratch scratch;
  const auto [symbols, indexes] = load_block(part, first, size, scratch);
  uint8_t* out = reserve(size * (kSymbolBytes + kEscapeBytes) + kSlackBytes);
  for (uint64_t i = 0; i < size; ++i) {
    const uint64_t index = index_at(indexes, i);
    if (index >= table.row_count()) throw_index(part.indexes, first + i, table.row_count());
    const AdaptiveTable::Row& row = table.row(index);
    const int32_t symbol = static_cast<int32_t>(symbol_at(symbols, i));
    const uint64_t number =
        std::min<uint64_t>(static_cast<uint64_t>(int64_t{symbol} - row.offset), row.symbols);
    if (number == row.symbols && !table.escape()) {
      throw_outside_row(first + i, symbol, index, row.offset, row.symbols);
    }
    const Slot slot = table.slot(row, static_cast<uint32_t>(number));
    out = range_give_word(state_, out);
    range_encode(state_, state_.range / row.total, slot.start, slot.frequency, out);
    if (slot.slot == row.symbols) {
      out = encode_escape(make_escape(symbol, row.offset, row.symbols), out);
    }
    state_.hash = hash_symbol(state_.hash, symbol);
    table.update(index, slot.slot);
  }
  commit(out);
  count_ += size;
}

void RangeEncoder::push(AdaptiveTable& table, const Part& part) {
  const Mark before = mark();
  AdaptiveTable::Transaction transaction(table, part.count <= 1);
  try {
    for (uint64_t first = 0; first < part.count; first += kBlock) {
      push_adaptive_block(table, part, first, std::min(kBlock, part.count - first));
      check_interruption(kBlock);
    }
  } catch (...) {
    restore(before);
    throw;
  }
  transaction.commit();
}

std::vector<uint8_t> RangeEncoder::take() {
  const auto begin = buffer_.begin();
  const auto end = begin + static_cast<int64_t>(finished());
  std::vector<uint8_t> bytes(begin, end);
  if (!bytes.empty()) {
    std::copy(end, begin + static_cast<int64_t>(used_), begin);
    used_ -= bytes.size();
    payload_ = 0;
  }
  return bytes;
}

std::vector<uint8_t> RangeEncoder::finish() {
  const uint32_t hash = count_ == 0 ? 0 : fold_lane_hash(0, state_.hash);
  uint8_t* out = reserve(2 * kRangeWordBytes + kRangeWindowBytes + kSlackBytes);
  out = encode_raw(hash & 0xFFFF, 16, out);
  if (check_) out = encode_raw(hash >> 16, 16, out);
  const RangeTail tail = range_tail(state_.low, state_.range);
  const uint64_t window = state_.low + tail.distance;
  if (window < state_.low) carry_into(out);
  store_big_u32(out, static_cast<uint32_t>(window >> 32));
  store_big_u32(out + kRangeWordBytes, static_cast<uint32_t>(window));
  commit(out + tail.bytes);
  buffer_.resize(used_);
  return std::move(buffer_);
}

}  // namespace fastcoder
