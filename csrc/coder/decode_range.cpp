// SPDX-License-Identifier: Apache-2.0
#include "coder/decode_range.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "coder/blocks.h"
#include "coder/decoder.h"
#include "coder/stream_layout.h"

namespace fastcoder {
namespace {

IndexSpan skip(const IndexSpan& span, uint64_t count) {
  if (span.type == ElementType::kNone) return span;
  return visit_elements(span.data, span.type,
                        [&](const auto* data) -> IndexSpan { return {data + count, span.type}; });
}

// Decodes symbols that nobody asked for: they lie before the range or behind it in a segment.
void pass_over(SegmentDecoder& segment, const CdfTable& table, const IndexSpan& indexes,
               uint64_t count, uint64_t position) {
  int32_t scratch[kBlock];
  for (uint64_t done = 0; done < count; done += kBlock) {
    const uint64_t size = std::min(kBlock, count - done);
    try {
      segment.pull_block(table, skip(indexes, done), size, {scratch, ElementType::kInt32});
    } catch (const Error& error) {
      throw Error(error.kind(), std::string(error.what()) + " (counted from symbol " +
                                    std::to_string(position + done) + " of the message)");
    }
  }
}

// What a segment needs to know of the range.
class RangeReader {
 public:
  RangeReader(const CdfTable& table, const IndexSpan& indexes, const SymbolRange& range,
              const MutableSymbolSpan& symbols)
      : table_(table), indexes_(indexes), range_(range), symbols_(symbols) {}

  // Decodes what the range has of the segment of the symbols [begin, end); returns `hash` with
  // those of a finished segment folded in.
  uint32_t read(const SegmentView& view, bool wide, uint64_t begin, uint64_t end, uint32_t hash) {
    SegmentDecoder segment(view, wide);
    const uint64_t first = std::max(begin, range_.first);
    const uint64_t last = std::min(end, range_.first + range_.count);
    if (first > begin) {
      if (!range_.whole_indexes && table_.rows() != 1) {
        throw Error(ErrorKind::kValue,
                    "first = " + std::to_string(first) + ", expected " + std::to_string(begin) +
                        " (where a segment begins), or the indexes of the whole message");
      }
      pass_over(segment, table_, indexes_from(begin), first - begin, begin);
    }
    // Positions in an error are those of the result: the indexes begin where the range does.
    const IndexSpan rows = range_.whole_indexes ? skip(indexes_, range_.first) : indexes_;
    segment.pull(table_, rows, first - range_.first, last - first, symbols_);
    if (last < end) {
      if (!range_.whole_indexes) return hash;
      pass_over(segment, table_, indexes_from(last), end - last, last);
    }
    return segment.finish(hash);
  }

 private:
  IndexSpan indexes_from(uint64_t position) const {
    return range_.whole_indexes ? skip(indexes_, position) : IndexSpan{};
  }

  const CdfTable& table_;
  const IndexSpan& indexes_;
  const SymbolRange& range_;
  const MutableSymbolSpan& symbols_;
};

void check_range(const SymbolRange& range, uint64_t claimed) {
  if (range.first > claimed || range.count > claimed - range.first) {
    throw Error(ErrorKind::kValue, "first + count = " + std::to_string(range.first) + " + " +
                                       std::to_string(range.count) + ", expected at most the " +
                                       std::to_string(claimed) + " symbols of the stream");
  }
}

void decode_unguarded(std::span<const uint8_t> stream, const CdfTable& table,
                      const IndexSpan& indexes, const SymbolRange& range,
                      const MutableSymbolSpan& symbols) {
  ByteReader reader(stream);
  const OneShotHeader header = read_header_of(reader, table);
  check_range(range, header.count);
  SegmentWalker walker = walk_one_shot(reader, table);
  if (walker.empty() != (header.count == 0)) {
    throw Error(ErrorKind::kCorrupt,
                "segments = " + std::string(walker.empty() ? "0" : "1 or more") +
                    ", expected as many as " + std::to_string(header.count) + " symbols need");
  }
  RangeReader part(table, indexes, range, symbols);
  const uint64_t range_end = range.first + range.count;
  uint32_t hash = 0;
  for (uint64_t begin = 0; range.count > 0 && begin < range_end;) {
    if (walker.at_end()) {
      throw Error(ErrorKind::kCorrupt, "symbols = " + std::to_string(begin) + ", expected " +
                                           std::to_string(header.count));
    }
    const SegmentView view = walker.next();
    const uint64_t size = std::min(walker.segment_symbols(), header.count - begin);
    const uint64_t end = begin + size;
    if (walker.at_end() != (end == header.count)) {
      throw Error(ErrorKind::kCorrupt, "segments = " + std::string(walker.at_end() ? "no" : "1") +
                                           " more, expected " + (walker.at_end() ? "1" : "none") +
                                           " after symbol " + std::to_string(end - 1));
    }
    if (end > range.first) hash = part.read(view, walker.wide(), begin, end, hash);
    begin = end;
  }
  const bool complete = range.count == header.count;
  if (complete) check_symbol_hash(hash, header.hash);
}

}  // namespace

uint64_t symbols_claimed(std::span<const uint8_t> stream, const CdfTable& table) {
  ByteReader reader(stream);
  return read_header_of(reader, table).count;
}

void decode_range(std::span<const uint8_t> stream, const CdfTable& table, const IndexSpan& indexes,
                  const SymbolRange& range, const MutableSymbolSpan& symbols) {
  try {
    decode_unguarded(stream, table, indexes, range, symbols);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kSymbolRange) throw;
    // A type too narrow, or damage? As in decode_one_shot.
    std::vector<int32_t> wide_enough(range.count);
    decode_unguarded(stream, table, indexes, range, {wide_enough.data(), ElementType::kInt32});
    throw;
  }
}

}  // namespace fastcoder
