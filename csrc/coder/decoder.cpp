// SPDX-License-Identifier: Apache-2.0
#include "coder/decoder.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/little_endian.h"
#include "coder/blocks.h"
#include "coder/numeric.h"
#include "coder/thread_pool.h"
#include "format/params.h"
#include "format/symbol_hash.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

std::string hex(uint64_t value, int digits) {
  std::string text(static_cast<size_t>(digits), '0');
  for (size_t i = text.size(); i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

void check_width(const CdfTable& table, bool wide) {
  if (!wide && table.precision() > static_cast<int>(Narrow::kPrecision)) {
    throw Error(ErrorKind::kCorrupt, "table.precision = " + std::to_string(table.precision()) +
                                         ", expected 1 <= precision <= 14 for a narrow stream");
  }
}

[[noreturn]] void throw_no_words(uint64_t position) {
  throw Error(ErrorKind::kTruncated, "symbols[" + std::to_string(position) +
                                         "] = nothing, expected more bytes in the stream");
}

[[noreturn]] void throw_result(const KernelResult& result, uint64_t first, const IndexSpan& indexes,
                               const TableView& table, ElementType type) {
  const uint64_t position = first + result.position;
  const std::string where = "symbols[" + std::to_string(position) + "] = ";
  switch (result.status) {
    case Status::kTruncated:
      throw_no_words(position);
    case Status::kEscapeTooLong:
      throw Error(ErrorKind::kCorrupt, where + "an escape code, expected at most 32 leading zeros");
    case Status::kEscapeOutOfRange:
      throw Error(ErrorKind::kCorrupt, where + std::to_string(result.symbol) +
                                           ", expected -2147483648 <= symbol <= 2147483647");
    case Status::kEscapeUnannounced:
      throw Error(ErrorKind::kCorrupt,
                  where + "an escape, expected none in a segment without the escape flag");
    case Status::kIndexOutOfRange:
      throw_index(indexes, position, table.row_count);
    case Status::kSymbolOutOfRange:
    case Status::kOk:
      break;
  }
  throw_symbol_outside_type(position, result.symbol, type);
}

}  // namespace

void check_symbol_hash(uint32_t found, uint32_t stored) {
  if (found == stored) return;
  throw Error(ErrorKind::kCorrupt, "hash(symbols) = " + hex(found, 8) + ", expected " +
                                       hex(stored, 8) +
                                       ": the stream is damaged, or its indexes or table differ");
}

SegmentDecoder::SegmentDecoder(const SegmentView& segment, bool wide) : wide_(wide) {
  lanes_.lanes = 1u << (segment.flags & kLog2LanesMask);
  lanes_.escapes_allowed = (segment.flags & kEscapesFlag) != 0;
  const uint32_t state_bytes = wide ? Wide::kStateBytes : Narrow::kStateBytes;
  const uint64_t size = segment.body.size();
  if (size < lanes_.lanes * state_bytes) {
    throw Error(ErrorKind::kTruncated,
                "len(segment) = " + std::to_string(size) + ", expected at least " +
                    std::to_string(lanes_.lanes * state_bytes) + " for its states");
  }
  const uint8_t* bytes = segment.body.data();
  for (uint32_t lane = 0; lane < lanes_.lanes; ++lane, bytes += state_bytes) {
    uint64_t state = load_u32(bytes);
    if (wide) state |= uint64_t{load_u16(bytes + 4)} << 32;
    if (state < (wide ? Wide::kLower : Narrow::kLower)) {
      throw Error(ErrorKind::kCorrupt, "state[" + std::to_string(lane) +
                                           "] = " + std::to_string(state) + ", expected at least " +
                                           (wide ? "2**32" : "2**16"));
    }
    lanes_.state[lane] = state;
    lanes_.hash[lane] = kHashSeed;
  }
  lanes_.words = bytes;
  lanes_.words_end = segment.body.data() + size;
  lanes_.escapes = {lanes_.words, lanes_.words_end, 0};
}

void SegmentDecoder::pull(const CdfTable& table, const IndexSpan& indexes, uint64_t first,
                          uint64_t count, const MutableSymbolSpan& symbols) {
  const KernelTable& kernels = active_kernels();
  const TableView& view = table.coding_view();
  const KernelSymbolType type = kernel_output_type(symbols.type);
  const bool direct = is_kernel_type(symbols.type);
  BlockScratch scratch;
  for (uint64_t done = 0; done < count;) {
    const uint64_t size = std::min(kBlock, count - done);
    const uint64_t position = first + done;
    const KernelIndexes rows = load_indexes(indexes, position, size, scratch);
    void* out = direct ? element_address(symbols, position) : scratch.symbol_bytes;
    const DecodeBlock block = {&view, rows.data, out, size,
                               static_cast<uint32_t>(count_ % lanes_.lanes)};
    const KernelResult result = kernels.decode[wide_][type][rows.type](block, lanes_);
    if (result.status != Status::kOk) throw_result(result, position, indexes, view, symbols.type);
    if (!direct) store_symbols(scratch, symbols, position, size);
    count_ += size;
    done += size;
  }
}

namespace {

// What a kernel changes in the lanes, to put it back: of the lanes in use alone, because a copy of
// all of them takes longer than a small pull.
class LanesBefore {
 public:
  explicit LanesBefore(const DecodeLanes& lanes)
      : words_(lanes.words), escape_position_(lanes.escapes.position) {
    for (uint32_t lane = 0; lane < lanes.lanes; ++lane) {
      state_[lane] = lanes.state[lane];
      hash_[lane] = lanes.hash[lane];
    }
  }

  void put_back(DecodeLanes& lanes) const {
    for (uint32_t lane = 0; lane < lanes.lanes; ++lane) {
      lanes.state[lane] = state_[lane];
      lanes.hash[lane] = hash_[lane];
    }
    lanes.words = words_;
    lanes.escapes.position = escape_position_;
  }

 private:
  uint64_t state_[kMaxLanes];
  uint32_t hash_[kMaxLanes];
  const uint8_t* words_;
  uint64_t escape_position_;
};

}  // namespace

void SegmentDecoder::pull_block(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                                const MutableSymbolSpan& symbols) {
  const TableView& view = table.coding_view();
  BlockScratch scratch;
  const KernelIndexes rows = load_indexes(indexes, 0, count, scratch);
  const LanesBefore before(lanes_);
  const DecodeBlock block = {&view, rows.data, symbols.data, count,
                             static_cast<uint32_t>(count_ & (lanes_.lanes - 1))};
  const KernelSymbolType type = kernel_output_type(symbols.type);
  const KernelResult result = active_kernels().decode[wide_][type][rows.type](block, lanes_);
  if (result.status != Status::kOk) {
    before.put_back(lanes_);
    throw_result(result, 0, indexes, view, symbols.type);
  }
  count_ += count;
}

void SegmentDecoder::pull_parametric(const ParametricModel& model, uint64_t first, uint64_t count,
                                     const MutableSymbolSpan& symbols) {
  const bool direct = symbols.type == ElementType::kInt32;
  int32_t scratch[kBlock];
  for (uint64_t done = 0; done < count;) {
    const uint64_t size = std::min(kBlock, count - done);
    const uint64_t position = first + done;
    int32_t* out = direct ? static_cast<int32_t*>(element_address(symbols, position)) : scratch;
    const KernelResult result =
        active_kernels().parametric.decode({&model.view(), out, position, size, lane()}, lanes_);
    if (result.status != Status::kOk) throw_no_words(position + result.position);
    if (!direct) store_parametric(scratch, symbols, position, size);
    count_ += size;
    done += size;
  }
}

uint32_t SegmentDecoder::finish(uint32_t hash) const {
  if (count_ < lanes_.lanes) {
    throw Error(ErrorKind::kCorrupt, "lanes = " + std::to_string(lanes_.lanes) +
                                         ", expected at most the " + std::to_string(count_) +
                                         " symbols of the segment");
  }
  const uint64_t lower = wide_ ? Wide::kLower : uint64_t{Narrow::kLower};
  for (uint32_t lane = 0; lane < lanes_.lanes; ++lane) {
    if (lanes_.state[lane] != lower) {
      throw Error(ErrorKind::kCorrupt, "final state[" + std::to_string(lane) +
                                           "] = " + std::to_string(lanes_.state[lane]) +
                                           ", expected " + std::to_string(lower));
    }
    hash = fold_lane_hash(hash, lanes_.hash[lane]);
  }
  if (lanes_.escapes_allowed != (lanes_.escapes.position != 0)) {
    throw Error(ErrorKind::kCorrupt, "escapes = 0, expected at least 1 in a segment with the flag");
  }
  if (lanes_.words != lanes_.escapes.lowest()) {
    throw Error(ErrorKind::kCorrupt,
                "bytes left = " + std::to_string(lanes_.escapes.lowest() - lanes_.words) +
                    ", expected 0 after the last symbol of a segment");
  }
  if (!lanes_.escapes.padding_is_zero()) {
    throw Error(ErrorKind::kCorrupt, "escape padding = 1, expected zero bits");
  }
  return hash;
}

void Decoder::pull(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                   const MutableSymbolSpan& symbols) {
  const bool inside = in_segment_ && count <= walker_.segment_symbols() - segment_.count();
  if (!inside || count == 0 || count > kBlock || !is_kernel_type(symbols.type)) {
    return pull_slowly(table, indexes, count, symbols);
  }
  check_width(table, walker_.wide());
  segment_.pull_block(table, indexes, count, symbols);
  peeked_precision_ = 0;
}

void Decoder::pull_slowly(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                          const MutableSymbolSpan& symbols) {
  guarded([&] { pull_unguarded(table, indexes, count, symbols); });
  if (count > 0) peeked_precision_ = 0;
}

void Decoder::pull_unguarded(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
                             const MutableSymbolSpan& symbols) {
  if (count > 0 && !walker_.empty()) check_width(table, walker_.wide());
  for (uint64_t done = 0; done < count;) {
    enter_segment(done);
    const uint64_t room = walker_.segment_symbols() - segment_.count();
    const uint64_t size = std::min(room, count - done);
    segment_.pull(table, indexes, done, size, symbols);
    done += size;
  }
}

void Decoder::enter_segment(uint64_t position) {
  if (in_segment_ && segment_.count() == walker_.segment_symbols() && !walker_.at_end()) {
    hash_ = segment_.finish(hash_);
    in_segment_ = false;
  }
  if (!in_segment_) {
    if (walker_.at_end()) {
      throw Error(ErrorKind::kTruncated, "symbols[" + std::to_string(position) +
                                             "] = nothing, expected a stream with more symbols");
    }
    segment_ = SegmentDecoder(walker_.next(), walker_.wide());
    in_segment_ = true;
  }
  if (segment_.count() == walker_.segment_symbols()) {
    throw Error(ErrorKind::kTruncated, "symbols[" + std::to_string(position) +
                                           "] = nothing, expected a stream with more segments");
  }
}

void Decoder::check_wide() const {
  if (!walker_.empty() && !walker_.wide()) {
    throw Error(ErrorKind::kCorrupt, "flags bit 4 = 0, expected 1 in a stream with intervals");
  }
}

void Decoder::pull_parametric(const ParametricModel& model, uint64_t count,
                              const MutableSymbolSpan& symbols) {
  model.check_count(count);
  if (count == 0) return;
  check_wide();
  guarded([&] {
    for (uint64_t done = 0; done < count;) {
      enter_segment(done);
      const uint64_t room = walker_.segment_symbols() - segment_.count();
      const uint64_t size = std::min(room, count - done);
      segment_.pull_parametric(model, done, size, symbols);
      done += size;
    }
  });
  peeked_precision_ = 0;
}

void Decoder::prepare_interval() {
  check_wide();
  guarded([&] { enter_segment(0); });
}

void Decoder::throw_no_words() {
  throw Error(ErrorKind::kTruncated, "words left = 0, expected more for the next interval");
}

double SegmentDecoder::bits_ahead() const {
  const double lower = wide_ ? 0x1p32 : 0x1p16;
  double held = 0.0;
  for (uint32_t lane = 0; lane < lanes_.lanes; ++lane) {
    held += numeric::log2(static_cast<double>(lanes_.state[lane]) / lower);
  }
  const int64_t bytes = lanes_.words_end - lanes_.words;
  return 8.0 * static_cast<double>(bytes) - static_cast<double>(lanes_.escapes.position) + held;
}

double Decoder::tell() const {
  if (!in_segment_ && !walker_.at_end()) {
    Decoder ahead = *this;
    ahead.enter_segment(0);
    return ahead.tell();
  }
  const double read = 8.0 * static_cast<double>(walker_.position());
  return in_segment_ ? read - segment_.bits_ahead() : read;
}

void Decoder::finish() const {
  uint32_t hash = hash_;
  if (in_segment_) hash = segment_.finish(hash);
  if (!walker_.at_end()) {
    throw Error(ErrorKind::kCorrupt,
                "segments left = 1 or more, expected all symbols to be pulled");
  }
  if (walker_.has_hash()) check_symbol_hash(hash, walker_.stored_hash());
}

namespace {

// Decodes what follows the header, segment by segment, a batch at a time: what is kept is bounded
// however many segments hostile bytes name.
uint32_t decode_segments(SegmentWalker& walker, const CdfTable& table, const IndexSpan& indexes,
                         uint64_t count, const MutableSymbolSpan& symbols, unsigned threads) {
  constexpr uint64_t kBatch = 1024;
  std::vector<SegmentView> views;
  std::vector<SegmentDecoder> decoders;
  uint64_t size = 1;
  uint64_t expected = 0;
  uint64_t done = 0;
  uint32_t hash = 0;
  while (!walker.at_end() && done <= expected) {
    views.clear();
    while (!walker.at_end() && views.size() < kBatch && done + views.size() <= expected) {
      views.push_back(walker.next());
      size = std::min(walker.segment_symbols(), std::max<uint64_t>(count, 1));
      expected = (count + size - 1) / size;
    }
    if (done + views.size() > expected) {
      done += views.size();
      break;
    }
    decoders.assign(views.size(), SegmentDecoder());
    parallel_for(views.size(), threads, [&](uint64_t i) {
      const uint64_t first = (done + i) * size;
      decoders[i] = SegmentDecoder(views[i], walker.wide());
      decoders[i].pull(table, indexes, first, std::min(size, count - first), symbols);
    });
    for (const SegmentDecoder& decoder : decoders) hash = decoder.finish(hash);
    done += views.size();
  }
  if (done != expected || !walker.at_end()) {
    throw Error(ErrorKind::kCorrupt, "segments = " + std::to_string(done) +
                                         (walker.at_end() ? "" : " or more") + ", expected " +
                                         std::to_string(expected) + " for " +
                                         std::to_string(count) + " symbols");
  }
  return hash;
}

void check_count(const OneShotHeader& header, uint64_t count) {
  if (header.count == count) return;
  throw Error(ErrorKind::kCorrupt, "len(indexes) = " + std::to_string(count) + ", expected " +
                                       std::to_string(header.count) +
                                       " (the symbols of the stream)");
}

void decode_checked(std::span<const uint8_t> stream, const CdfTable& table,
                    const IndexSpan& indexes, uint64_t count, const MutableSymbolSpan& symbols,
                    unsigned threads) {
  ByteReader reader(stream);
  const OneShotHeader header = read_header_of(reader, table);
  check_count(header, count);
  SegmentWalker walker = walk_one_shot(reader, table);
  check_symbol_hash(decode_segments(walker, table, indexes, count, symbols, threads), header.hash);
}

}  // namespace

OneShotHeader read_header_of(ByteReader& reader, const CdfTable& table) {
  const OneShotHeader header = read_one_shot_header(reader);
  if (header.fingerprint != static_cast<uint32_t>(table.fingerprint())) {
    throw Error(ErrorKind::kCorrupt, "table.fingerprint = " + hex(table.fingerprint(), 16) +
                                         ", expected one that ends in " +
                                         hex(header.fingerprint, 8) + " (the table of the stream)");
  }
  return header;
}

SegmentWalker walk_one_shot(const ByteReader& reader, const CdfTable& table) {
  const SegmentWalker walker(reader);
  if (walker.has_hash()) {
    throw Error(ErrorKind::kCorrupt, "flags bit 6 = 1, expected 0 in a one-shot stream");
  }
  const bool wide = table.precision() > static_cast<int>(Narrow::kPrecision);
  if (!walker.empty() && walker.wide() != wide) {
    throw Error(ErrorKind::kCorrupt, "flags bit 4 = " + std::to_string(walker.wide()) +
                                         ", expected " + std::to_string(wide) +
                                         " for a table of precision " +
                                         std::to_string(table.precision()));
  }
  return walker;
}

void check_one_shot(std::span<const uint8_t> stream, const CdfTable& table, uint64_t count) {
  ByteReader reader(stream);
  check_count(read_header_of(reader, table), count);
}

void decode_one_shot(std::span<const uint8_t> stream, const CdfTable& table,
                     const IndexSpan& indexes, uint64_t count, const MutableSymbolSpan& symbols,
                     unsigned threads) {
  try {
    decode_checked(stream, table, indexes, count, symbols, threads);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kSymbolRange) throw;
    // A type too narrow, or damage? Only the hash over all symbols can tell: a damaged stream
    // throws what it deserves from here, an intact one the error that was caught.
    std::vector<int32_t> wide_enough(count);
    decode_checked(stream, table, indexes, count, {wide_enough.data(), ElementType::kInt32},
                   threads);
    throw;
  }
}

}  // namespace fastcoder
