// SPDX-License-Identifier: Apache-2.0
#include "coder/range_decoder.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "coder/blocks.h"
#include "coder/interruption.h"
#include "coder/range_blocks.h"
#include "format/escape.h"

namespace fastcoder {
namespace {

uint64_t load_big_u64(const uint8_t* bytes) {
  return uint64_t{load_big_u32(bytes)} << 32 | load_big_u32(bytes + kRangeWordBytes);
}

// Decodes symbols [first, count) of a block by FastView::buckets, up to one that these cannot
// decide, that the type cannot hold, or whose word is not there; returns which that is.
template <uint32_t kPrecision, class Symbol, class Index>
uint64_t decode_buckets(const TableView& table, const void* indexes, uint64_t first, uint64_t count,
                        void* symbols, RangeCode& state, const uint8_t*& words,
                        const uint8_t* end) {
  const uint64_t row_count = table.row_count;
  Symbol* out = static_cast<Symbol*>(symbols);
  const uint64_t* buckets = table.fast->buckets;
  const uint32_t row_shift = table.fast->bucket_bits;
  const uint32_t bucket_shift = kPrecision - row_shift;
  const uint64_t last_bucket = (uint64_t{1} << row_shift) - 1;
  RangeCode s = state;
  const uint8_t* cursor = words;
  uint64_t i = first;
  for (; i < count; ++i) {
    const uint64_t row = row_at<Index>(indexes, i);
    if (FASTCODER_UNLIKELY(row >= row_count)) break;
    if (!range_take_word(s, cursor, end)) break;
    const uint64_t unit = s.range >> kPrecision;
    const uint64_t bucket = s.code / unit >> bucket_shift;
    if (FASTCODER_UNLIKELY(bucket > last_bucket)) break;
    const uint64_t entry = buckets[(row << row_shift) + (row << kRowPadBits) + bucket];
    // Which of two slots it is, is decided on the scale of the code, not of the quotient: all
    // products then start with the load. Most buckets lie in one slot, so that compilers do well
    // to branch: a guess lets the next division begin before the comparison ends.
    const uint64_t past = s.code - unit * (entry & 0xFFFF);
    const uint64_t range0 = unit * (entry >> 16 & 0xFFFF);
    const uint64_t range1 = unit * (entry >> 32 & 0xFFFF);
    const bool in_second = past >= range0;
    const uint64_t code = in_second ? past - range0 : past;
    const uint64_t range = in_second ? range1 : range0;
    if (FASTCODER_UNLIKELY(code >= range)) break;
    const int64_t symbol = (static_cast<int64_t>(entry) >> 48) + in_second;
    if (FASTCODER_UNLIKELY(symbol != static_cast<Symbol>(symbol))) break;
    s.code = code;
    s.range = range;
    s.hash = hash_symbol(s.hash, static_cast<int32_t>(symbol));
    out[i] = static_cast<Symbol>(symbol);
  }
  state = s;
  words = cursor;
  return i;
}

using DecodeBuckets = uint64_t (*)(const TableView&, const void*, uint64_t, uint64_t, void*,
                                   RangeCode&, const uint8_t*&, const uint8_t*);
constexpr DecodeBuckets kDecodeBuckets[2][kSymbolTypes][kIndexTypes] = {
    FASTCODER_RANGE_KERNELS(decode_buckets, Narrow::kPrecision),
    FASTCODER_RANGE_KERNELS(decode_buckets, Wide::kPrecision)};

// `value` is at the table's own precision.
uint32_t find_slot(const TableView& table, const RowView& row, uint32_t value) {
  const uint32_t* cdf = table.cdf + row.cdf_begin;
  uint32_t slot = table.buckets[row.bucket_begin + (value >> row.bucket_shift)];
  while (cdf[slot + 1] <= value) ++slot;  // ends: the row's last entry exceeds every value
  return slot;
}

void check_flags(uint32_t flags) {
  const std::string what = "flags = " + std::to_string(flags);
  if ((flags & kRangeMark) != kRangeMark || (flags & kReservedFlag) != 0) {
    throw Error(ErrorKind::kCorrupt, what + ", expected those of a range-coded stream (7 or 71)");
  }
  const uint32_t version = (flags & kRangeVersionMask) >> kRangeVersionShift;
  if (version != kFormatVersion) {
    throw Error(ErrorKind::kVersion, "version = " + std::to_string(version) + ", expected " +
                                         std::to_string(kFormatVersion));
  }
}

}  // namespace

void RangeDecoder::feed(std::span<const uint8_t> bytes, bool last) {
  if (ended_) {
    throw Error(ErrorKind::kValue, "stream = ended, expected nothing fed after its last bytes");
  }
  if (fed_ == 0 && !bytes.empty()) check_flags(bytes[0]);
  if (fed_ == 0 && bytes.empty() && last) {
    throw Error(ErrorKind::kTruncated, "len(stream) = 0, expected at least 1");
  }
  // The window before the cursor is still needed, by finish.
  const uint64_t used = started_ ? cursor_ - kRangeWindowBytes : 0;
  if (used > buffer_.size() / 2) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<int64_t>(used));
    dropped_ += used;
    cursor_ -= used;
  }
  const uint64_t zeros = last ? kRangeWindowBytes : 0;
  const uint64_t size = buffer_.size() + bytes.size() + zeros;
  if (size > buffer_.capacity()) buffer_.reserve(std::max(size, 2 * buffer_.size()));
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  buffer_.insert(buffer_.end(), zeros, uint8_t{0});
  if (fed_ == 0 && !bytes.empty()) check_ = (bytes[0] & kRangeCheckFlag) != 0;
  fed_ += bytes.size();
  ended_ = last;
}

uint64_t RangeDecoder::needed() const {
  if (ended_) return 0;
  const uint64_t wanted = !started_                    ? cursor_ + kRangeWindowBytes
                          : state_.range < kRangeLower ? cursor_ + kRangeWordBytes
                                                       : cursor_;
  return wanted - std::min<uint64_t>(wanted, buffer_.size());
}

void RangeDecoder::throw_missing(uint64_t position) const {
  const std::string what = "symbols[" + std::to_string(position) + "] = nothing, expected ";
  if (ended_) throw Error(ErrorKind::kTruncated, what + "more bytes in the stream");
  throw Error(ErrorKind::kNeedMoreBytes, what + "more bytes to be fed");
}

void RangeDecoder::throw_fault(const Step& step, uint64_t position) const {
  const std::string what = "symbols[" + std::to_string(position) + "] = ";
  switch (step.fault) {
    case Fault::kEscapeTooLong:
      throw Error(ErrorKind::kCorrupt, what + "an escape code, expected at most 32 leading zeros");
    case Fault::kEscapeOutOfRange:
      throw Error(ErrorKind::kCorrupt, what + std::to_string(step.symbol) +
                                           ", expected -2147483648 <= symbol <= 2147483647");
    case Fault::kValue:
      throw Error(ErrorKind::kCorrupt, what + "nothing, expected a value inside the row's total");
    case Fault::kNone:
    case Fault::kBytes:
      break;
  }
  throw_missing(position);
}

RangeDecoder::Place RangeDecoder::place(uint64_t position) const {
  if (!started_ && buffer_.size() < cursor_ + kRangeWindowBytes) throw_missing(position);
  const uint8_t* cursor = buffer_.data() + cursor_;
  const uint8_t* end = buffer_.data() + buffer_.size();
  Place result = {state_, cursor, end};
  if (!started_) {
    result.state.code = load_big_u64(cursor);
    result.cursor += kRangeWindowBytes;
  }
  return result;
}

void RangeDecoder::keep(const Place& place, uint64_t count) {
  state_ = place.state;
  cursor_ = static_cast<uint64_t>(place.cursor - buffer_.data());
  started_ = true;
  count_ += count;
}

RangeDecoder::Fault RangeDecoder::read_raw(Place& place, uint32_t bits, uint64_t& value) {
  if (!range_take_word(place.state, place.cursor, place.end)) return Fault::kBytes;
  const uint64_t unit = place.state.range >> bits;
  value = place.state.code / unit;
  if (value >> bits != 0) return Fault::kValue;
  range_decode(place.state, unit, static_cast<uint32_t>(value), 1);
  return Fault::kNone;
}

RangeDecoder::Step RangeDecoder::read_escape(Place& place, int32_t offset, uint32_t symbols) {
  uint64_t value = 0;
  uint32_t log2 = 0;
  for (;; ++log2) {
    if (const Fault fault = read_raw(place, 1, value); fault != Fault::kNone) return {fault, 0};
    if (value == 1) break;
    if (log2 == kMaxEscapeLog2) return {Fault::kEscapeTooLong, 0};
  }
  Escape escape = {uint64_t{1} << log2, 0};
  for (uint32_t done = 0; done < log2; done += kMaxRawBits) {
    const uint32_t bits = std::min(kMaxRawBits, log2 - done);
    if (const Fault fault = read_raw(place, bits, value); fault != Fault::kNone) return {fault, 0};
    escape.distance |= value << done;
  }
  if (const Fault fault = read_raw(place, 1, value); fault != Fault::kNone) return {fault, 0};
  escape.below = static_cast<uint32_t>(value);
  const int64_t symbol = escaped_symbol(escape, offset, symbols);
  if (symbol != static_cast<int32_t>(symbol)) return {Fault::kEscapeOutOfRange, symbol};
  return {Fault::kNone, symbol};
}

RangeDecoder::Step RangeDecoder::read_static(Place& place, const TableView& table,
                                             const RowView& row) {
  if (!range_take_word(place.state, place.cursor, place.end)) return {Fault::kBytes, 0};
  const uint32_t precision = range_precision(table.precision);
  const uint32_t scale = precision - table.precision;
  const uint64_t unit = place.state.range >> precision;
  const uint64_t value = place.state.code / unit;
  if (value >> precision != 0) return {Fault::kValue, 0};
  const uint32_t slot = find_slot(table, row, static_cast<uint32_t>(value >> scale));
  const uint32_t* cdf = table.cdf + row.cdf_begin + slot;
  range_decode(place.state, unit, cdf[0] << scale, (cdf[1] - cdf[0]) << scale);
  if (slot == row.symbols) return read_escape(place, row.offset, row.symbols);
  return {Fault::kNone, int64_t{row.offset} + slot};
}

RangeDecoder::Step RangeDecoder::read_adaptive(Place& place, const AdaptiveTable& table,
                                               const AdaptiveTable::Row& row, uint32_t& coded) {
  if (!range_take_word(place.state, place.cursor, place.end)) return {Fault::kBytes, 0};
  const uint64_t unit = place.state.range / row.total;
  const uint64_t value = place.state.code / unit;
  if (value >= row.total) return {Fault::kValue, 0};
  const Slot slot = table.find(row, static_cast<uint32_t>(value));
  range_decode(place.state, unit, slot.start, slot.frequency);
  Step step = {Fault::kNone, int64_t{row.offset} + slot.slot};
  if (slot.slot == row.symbols) step = read_escape(place, row.offset, row.symbols);
  coded = slot.slot;
  return step;
}

void RangeDecoder::pull_block(Place& place, const TableView& table, const IndexSpan& indexes,
                              uint64_t first, uint64_t size,
                              const MutableSymbolSpan& symbols) const {
  BlockScratch scratch;
  const KernelIndexes rows = load_indexes(indexes, first, size, scratch);
  const bool wide = range_precision(table.precision) == Wide::kPrecision;
  const bool direct = is_kernel_type(symbols.type);
  const KernelSymbolType type = kernel_output_type(symbols.type);
  const ElementType scratch_type = type == kSymbolInt16 ? ElementType::kInt16 : ElementType::kInt32;
  void* out = direct ? element_address(symbols, first) : scratch.symbol_bytes;
  for (uint64_t i = 0; i < size; ++i) {
    if (table.fast != nullptr) {
      i = kDecodeBuckets[wide][type][rows.type](table, rows.data, i, size, out, place.state,
                                                place.cursor, place.end);
      if (i == size) break;
    }
    const uint64_t index = index_at(rows, i);
    if (index >= table.row_count) throw_index(indexes, first + i, table.row_count);
    const Step step = read_static(place, table, table.rows[index]);
    if (step.fault != Fault::kNone) throw_fault(step, first + i);
    put_symbol(symbols, first + i, step.symbol);
    if (!direct) put_symbol({out, scratch_type}, i, step.symbol);
    place.state.hash = hash_symbol(place.state.hash, static_cast<int32_t>(step.symbol));
  }
  if (!direct) store_symbols(scratch, symbols, first, size);
}

void RangeDecoder::pull(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                        const MutableSymbolSpan& symbols) {
  if (count == 0) return;
  const TableView& view = count < kFewSymbols ? table.view() : table.coding_view();
  Place current = place(0);
  for (uint64_t first = 0; first < count; first += kBlock) {
    pull_block(current, view, indexes, first, std::min(kBlock, count - first), symbols);
    check_interruption(kBlock);
  }
  keep(current, count);
}

void RangeDecoder::pull_adaptive_block(Place& place, AdaptiveTable& table, const IndexSpan& indexes,
                                       uint64_t first, uint64_t size,
                                       const MutableSymbolSpan& symbols) const {
  BlockScratch scratch;
  const KernelIndexes rows = load_indexes(indexes, first, size, scratch);
  for (uint64_t i = 0; i < size; ++i) {
    const uint64_t index = index_at(rows, i);
    if (index >= table.row_count()) throw_index(indexes, first + i, table.row_count());
    uint32_t slot = 0;
    const Step step = read_adaptive(place, table, table.row(index), slot);
    if (step.fault != Fault::kNone) throw_fault(step, first + i);
    put_symbol(symbols, first + i, step.symbol);
    table.update(index, slot);
    place.state.hash = hash_symbol(place.state.hash, static_cast<int32_t>(step.symbol));
  }
}

void RangeDecoder::pull(AdaptiveTable& table, const IndexSpan& indexes, uint64_t count,
                        const MutableSymbolSpan& symbols) {
  if (count == 0) return;
  Place current = place(0);
  AdaptiveTable::Transaction transaction(table, count == 1);
  for (uint64_t first = 0; first < count; first += kBlock) {
    pull_adaptive_block(current, table, indexes, first, std::min(kBlock, count - first), symbols);
    check_interruption(kBlock);
  }
  transaction.commit();
  keep(current, count);
}

void RangeDecoder::finish() const {
  if (!ended_) {
    throw Error(ErrorKind::kNeedMoreBytes,
                "stream = not ended, expected its last bytes to be fed before finish");
  }
  Place last = place(0);
  uint64_t stored = 0;
  uint64_t high = 0;
  Fault fault = read_raw(last, 16, stored);
  if (fault == Fault::kNone && check_) fault = read_raw(last, 16, high);
  if (fault == Fault::kBytes) {
    throw Error(ErrorKind::kTruncated, "hash(symbols) = nothing, expected more bytes");
  }
  if (fault != Fault::kNone) {
    throw Error(ErrorKind::kCorrupt, "hash(symbols) = nothing, expected a value in its interval");
  }
  stored |= high << 16;
  uint32_t hash = count_ == 0 ? 0 : fold_lane_hash(0, state_.hash);
  if (!check_) hash &= 0xFFFF;
  if (hash != stored) {
    throw Error(ErrorKind::kCorrupt,
                "hash(symbols) = " + std::to_string(hash) + ", expected " + std::to_string(stored) +
                    ": the stream is damaged or not at its end, or its indexes or table differ");
  }
  const uint64_t low = load_big_u64(last.cursor - kRangeWindowBytes) - last.state.code;
  const RangeTail tail = range_tail(low, last.state.range);
  const uint64_t position = dropped_ + static_cast<uint64_t>(last.cursor - buffer_.data());
  const uint64_t size = position - kRangeWindowBytes + tail.bytes;
  if (fed_ < size) {
    throw Error(ErrorKind::kTruncated,
                "len(stream) = " + std::to_string(fed_) + ", expected " + std::to_string(size));
  }
  if (fed_ > size || last.state.code != tail.distance) {
    throw Error(ErrorKind::kCorrupt, "len(stream) = " + std::to_string(fed_) + ", expected " +
                                         std::to_string(size) + " with the shortest tail");
  }
}

}  // namespace fastcoder
