// SPDX-License-Identifier: Apache-2.0
#include "coder/decoder.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "coder/blocks.h"
#include "coder/thread_pool.h"
#include "format/params.h"
#include "format/symbol_hash.h"

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

}  // namespace

void check_symbol_hash(uint32_t found, uint32_t stored) {
  if (found == stored) return;
  throw Error(ErrorKind::kCorrupt, "hash(symbols) = " + hex(found, 8) + ", expected " +
                                       hex(stored, 8) +
                                       ": the stream is damaged, or its indexes or table differ");
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
  uint64_t expected = count == 0 ? 0 : 1;  // or more: the first flags will tell
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
