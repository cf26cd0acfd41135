// SPDX-License-Identifier: Apache-2.0
#include "coder/encoder.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <iterator>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "base/little_endian.h"
#include "base/varint.h"
#include "coder/blocks.h"
#include "coder/intervals.h"
#include "coder/stream_layout.h"
#include "coder/thread_pool.h"
#include "format/params.h"
#include "format/symbol_hash.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

// All parts of a message, addressed by the position of a symbol in it.
struct Message {
  std::span<const Part> parts;
  uint64_t count = 0;
  bool wide = false;
  uint64_t most_words = 1;  // that one symbol writes

  explicit Message(std::span<const Part> message_parts) : parts(message_parts) {
    for (const Part& part : parts) {
      count += part.count;
      if (count > kMaxCount) {
        throw Error(ErrorKind::kValue, "len(symbols) = " + std::to_string(count) +
                                           ", expected at most " + std::to_string(kMaxCount));
      }
      const bool used = part.count > 0;
      if (part.intervals != nullptr && used) {
        wide = true;
        most_words = kMaxIntervalWords;
        continue;
      }
      wide = wide || (used && part.table->precision() > static_cast<int>(Narrow::kPrecision));
    }
  }
  uint32_t state_bytes() const { return wide ? Wide::kStateBytes : Narrow::kStateBytes; }
};

// An encoded segment: K states, words, escape bits.
struct Segment {
  std::vector<uint8_t> body;
  uint32_t lanes = 1;
  bool escapes = false;
  uint32_t lane_hashes[kMaxLanes] = {};

  uint64_t payload(uint32_t state_bytes) const { return body.size() - lanes * state_bytes; }
  uint32_t flags() const {
    return static_cast<uint32_t>(std::countr_zero(lanes)) | (escapes ? kEscapesFlag : 0);
  }
};

// Pushes symbols [first, first + count) of the message, last to first.
void push_symbols(const Message& message, uint64_t first, uint64_t count, EncodeLanes& lanes,
                  std::vector<Escape>& escapes) {
  const KernelTable& kernels = active_kernels();
  BlockScratch scratch;
  Escape block_escapes[kBlock];
  lanes.escapes = block_escapes;
  uint64_t part_begin = message.count;
  for (size_t p = message.parts.size(); p-- > 0;) {
    const Part& part = message.parts[p];
    part_begin -= part.count;
    const uint64_t begin = std::max(first, part_begin);
    uint64_t end = std::min(first + count, part_begin + part.count);
    if (part.intervals != nullptr) {
      if (end <= begin) continue;
      push_packed(part.intervals + (begin - part_begin), end - begin,
                  static_cast<uint32_t>((begin - first) % lanes.lanes), lanes);
      continue;
    }
    const TableView& table = part.table->coding_view();
    while (end > begin) {
      const uint64_t size = std::min(kBlock, end - begin);
      end -= size;
      const uint64_t position = end - part_begin;
      const auto [symbols, indexes] = load_block(part, position, size, scratch);
      const EncodeBlock block = {&table, symbols.data, indexes.data, size,
                                 static_cast<uint32_t>((end - first) % lanes.lanes)};
      lanes.escape_count = 0;
      kernels.encode[message.wide][symbols.type][indexes.type](block, lanes);
      if (lanes.fault != 0) throw_faults(part);
      escapes.insert(escapes.end(), block_escapes, block_escapes + lanes.escape_count);
    }
  }
}

Segment encode_with_lanes(const Message& message, uint64_t first, uint64_t count, uint32_t lanes) {
  EncodeLanes state = {};
  state.lanes = lanes;
  std::fill_n(state.state, lanes, message.wide ? Wide::kLower : uint64_t{Narrow::kLower});
  const uint64_t room = 2 * message.most_words * count + kEncodeSlack;
  const std::unique_ptr<uint8_t[]> words(new uint8_t[room]);  // not zeroed
  state.cursor = words.get() + room;
  std::vector<Escape> escapes;
  push_symbols(message, first, count, state, escapes);

  const uint64_t word_bytes = static_cast<uint64_t>(words.get() + room - state.cursor);
  const uint64_t bits =
      std::accumulate(escapes.begin(), escapes.end(), uint64_t{0},
                      [](uint64_t sum, const Escape& escape) { return sum + escape_bits(escape); });
  const uint32_t state_bytes = message.state_bytes();
  Segment segment;
  segment.lanes = lanes;
  segment.escapes = !escapes.empty();
  segment.body.resize(lanes * state_bytes + word_bytes + (bits + 7) / 8);
  uint8_t* out = segment.body.data();
  for (uint32_t lane = 0; lane < lanes; ++lane, out += state_bytes) {
    store_u32(out, static_cast<uint32_t>(state.state[lane]));
    if (message.wide) store_u16(out + 4, static_cast<uint32_t>(state.state[lane] >> 32));
    segment.lane_hashes[lane] = finish_hash(state.hash[lane], (count - lane + lanes - 1) / lanes);
  }
  std::copy_n(state.cursor, word_bytes, out);
  EscapeWriter writer(segment.body.data() + segment.body.size());
  std::for_each(escapes.rbegin(), escapes.rend(), [&](Escape escape) { writer.write(escape); });
  return segment;
}

// The rule of docs/format.md 8 for the lanes of one segment.
Segment encode_segment(const Message& message, uint64_t first, uint64_t count,
                       uint32_t forced_lanes) {
  const uint64_t wanted = forced_lanes == 0 ? kMaxLanes : forced_lanes;
  const uint32_t most = static_cast<uint32_t>(std::bit_floor(std::min(wanted, count)));
  Segment segment = encode_with_lanes(message, first, count, most);
  if (forced_lanes != 0) return segment;
  const uint32_t state_bytes = message.state_bytes();
  const uint64_t allowed = 8 + segment.payload(state_bytes) / 640;
  const auto fits = [&](uint32_t lanes) {
    return 1 + lanes * state_bytes + (segment.escapes ? 1 : 0) <= allowed;
  };
  uint32_t lanes = most;
  while (lanes > 1 && !fits(lanes)) lanes /= 2;
  if (lanes == most) return segment;
  return encode_with_lanes(message, first, count, lanes);
}

// Whether the states of segments of 2^log2_segment symbols cost less than 0.05 % of `payload`
// bytes. There are fewer than 2^31 segments (kMaxCount, 16 symbols each) and a factor below 2^19:
// no overflow.
bool states_are_cheap(const Message& message, uint32_t log2_segment, uint32_t lanes,
                      uint64_t payload) {
  const uint64_t size = uint64_t{1} << log2_segment;
  const uint64_t segments = (message.count + size - 1) / size;
  return segments * (lanes * message.state_bytes() + 4) * 2000 <= payload;
}

constexpr uint32_t kFirstLog2Segment = 16;
constexpr uint32_t kOneSegment = 64;  // log2 of a segment that holds every message

constexpr uint64_t kProbe = 512;
constexpr uint64_t kProbes = 128;

// The bits that the symbols of a probe take: what left the states, and what they gained.
uint64_t probe_bits(const Message& message, uint64_t first, uint32_t lanes) {
  const uint64_t lower = message.wide ? Wide::kLower : uint64_t{Narrow::kLower};
  uint8_t words[2 * kProbe + kEncodeSlack];
  EncodeLanes state = {};
  state.lanes = lanes;
  std::fill_n(state.state, lanes, lower);
  state.cursor = std::end(words);
  std::vector<Escape> escapes;
  push_symbols(message, first, kProbe, state, escapes);
  uint64_t bits = 0;
  for (const Escape& escape : escapes) bits += escape_bits(escape);
  bits = 8 * (static_cast<uint64_t>(std::end(words) - state.cursor) + (bits + 7) / 8);
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    bits += static_cast<uint64_t>(std::bit_width(state.state[lane] / lower)) - 1;
  }
  return bits;
}

// The smallest legal log2 of the segment size, or kOneSegment, from probes all over the message:
// channels of a latent differ by more than parts of one channel do.
uint32_t choose_log2_segment(const Message& message, uint32_t lanes, unsigned threads) {
  if (message.count <= uint64_t{1} << kFirstLog2Segment) return kOneSegment;
  constexpr uint64_t kTask = 16;
  std::atomic<uint64_t> bits{0};
  parallel_for(kProbes / kTask, threads, [&](uint64_t task) {
    uint64_t sum = 0;
    for (uint64_t i = task * kTask; i < (task + 1) * kTask; ++i) {
      sum += probe_bits(message, i * (message.count - kProbe) / (kProbes - 1), lanes);
    }
    bits += sum;
  });
  // Below 2^22 bytes for 2^16 symbols, and 2^35 symbols: no overflow.
  const uint64_t estimate = bits * message.count >> 19;
  for (uint32_t s = kFirstLog2Segment; s <= kMaxLog2Segment; ++s) {
    if (uint64_t{1} << s >= message.count) break;
    if (states_are_cheap(message, s, lanes, estimate)) return s;
  }
  return kOneSegment;
}

std::vector<Segment> encode_segments(const Message& message, uint32_t log2_segment,
                                     const EncodeOptions& options) {
  const uint64_t size = log2_segment == kOneSegment ? message.count : uint64_t{1} << log2_segment;
  std::vector<Segment> segments((message.count + size - 1) / size);
  parallel_for(segments.size(), options.threads, [&](uint64_t i) {
    const uint64_t first = i * size;
    segments[i] =
        encode_segment(message, first, std::min(size, message.count - first), options.lanes);
  });
  return segments;
}

// Segments are visited by several threads and from their ends, so after an error the parts are
// checked once more from the front: the caller is to hear of the first one of all.
std::vector<Segment> encode_all(const Message& message, const EncodeOptions& options,
                                uint32_t& log2_segment) {
  try {
    const uint32_t lanes = options.lanes == 0 ? kMaxLanes : options.lanes;
    if (options.segment != 0) {
      log2_segment = message.count <= options.segment
                         ? kOneSegment
                         : static_cast<uint32_t>(std::countr_zero(options.segment));
      return encode_segments(message, log2_segment, options);
    }
    log2_segment = choose_log2_segment(message, lanes, options.threads);
    for (;; ++log2_segment) {
      if (log2_segment > kMaxLog2Segment || uint64_t{1} << log2_segment >= message.count) {
        log2_segment = kOneSegment;
      }
      std::vector<Segment> segments = encode_segments(message, log2_segment, options);
      if (log2_segment == kOneSegment) return segments;
      uint64_t payload = 0;
      for (const Segment& segment : segments) payload += segment.payload(message.state_bytes());
      if (states_are_cheap(message, log2_segment, lanes, payload)) return segments;
    }
  } catch (const Error&) {
    for (const Part& part : message.parts) {
      if (part.intervals == nullptr) check_part(part);
    }
    throw;
  }
}

// Appends the stream and returns its symbol hash.
uint32_t append_stream(std::vector<uint8_t>& bytes, const Message& message,
                       const EncodeOptions& options) {
  uint32_t hash = 0;
  const uint32_t hash_flag = options.check ? kHashFlag : 0;
  if (message.count == 0) {
    bytes.push_back(static_cast<uint8_t>(hash_flag));
  } else {
    uint32_t log2_segment = kOneSegment;
    const std::vector<Segment> segments = encode_all(message, options, log2_segment);
    uint64_t size = bytes.size() + 8;
    for (const Segment& segment : segments) size += segment.body.size() + 6;
    bytes.reserve(size);
    for (size_t i = 0; i < segments.size(); ++i) {
      const Segment& segment = segments[i];
      const bool more = i + 1 < segments.size();
      uint32_t flags = segment.flags() | (more ? kMoreFlag : 0);
      if (i == 0) flags |= (message.wide ? kWideFlag : 0) | hash_flag;
      bytes.push_back(static_cast<uint8_t>(flags));
      if (i == 0 && more) bytes.push_back(static_cast<uint8_t>(log2_segment));
      if (more) append_varint(bytes, segment.body.size());
      bytes.insert(bytes.end(), segment.body.begin(), segment.body.end());
      for (uint32_t lane = 0; lane < segment.lanes; ++lane) {
        hash = fold_lane_hash(hash, segment.lane_hashes[lane]);
      }
    }
  }
  if (options.check) {
    bytes.resize(bytes.size() + 4);
    store_u32(bytes.data() + bytes.size() - 4, hash);
  }
  return hash;
}

template <class To>
void copy_as(const void* data, ElementType from, uint64_t count, std::vector<uint8_t>& out) {
  out.resize(count * sizeof(To));
  visit_elements(data, from, [&](const auto* values) {
    for (uint64_t i = 0; i < count; ++i) {
      const To value = static_cast<To>(values[i]);
      std::memcpy(out.data() + i * sizeof(To), &value, sizeof(To));
    }
  });
}

// Copies checked symbols in the narrowest type that a kernel reads.
SymbolSpan copy_symbols(const SymbolSpan& span, uint64_t count, std::vector<uint8_t>& out) {
  int64_t low = 0;
  int64_t high = 0;
  visit_elements(span.data, span.type, [&](const auto* values) {
    for (uint64_t i = 0; i < count; ++i) {
      low = std::min(low, static_cast<int64_t>(values[i]));
      high = std::max(high, static_cast<int64_t>(values[i]));
    }
  });
  const auto holds = [&]<class To>(To) {
    return low >= std::numeric_limits<To>::min() && high <= std::numeric_limits<To>::max();
  };
  ElementType type = ElementType::kInt32;
  if (holds(int8_t{})) {
    type = ElementType::kInt8;
    copy_as<int8_t>(span.data, span.type, count, out);
  } else if (holds(int16_t{})) {
    type = ElementType::kInt16;
    copy_as<int16_t>(span.data, span.type, count, out);
  } else {
    copy_as<int32_t>(span.data, span.type, count, out);
  }
  return {out.data(), type};
}

IndexSpan copy_indexes(const IndexSpan& span, uint64_t count, uint64_t rows,
                       std::vector<uint8_t>& out) {
  if (span.type == ElementType::kNone) return {};
  ElementType type = ElementType::kInt32;
  if (rows <= 256) {
    type = ElementType::kUint8;
    copy_as<uint8_t>(span.data, span.type, count, out);
  } else if (rows <= 65536) {
    type = ElementType::kUint16;
    copy_as<uint16_t>(span.data, span.type, count, out);
  } else {
    copy_as<int32_t>(span.data, span.type, count, out);
  }
  return {out.data(), type};
}

}  // namespace

void check_options(const EncodeOptions& options) {
  if (options.lanes != 0 && (options.lanes > kMaxLanes || !std::has_single_bit(options.lanes))) {
    throw Error(ErrorKind::kValue,
                "lanes = " + std::to_string(options.lanes) + ", expected 1, 2, 4, 8, 16 or 32");
  }
  constexpr uint64_t kSmallest = uint64_t{1} << kMinLog2Segment;
  constexpr uint64_t kLargest = uint64_t{1} << kMaxLog2Segment;
  if (options.segment != 0 && (options.segment < kSmallest || options.segment > kLargest ||
                               !std::has_single_bit(options.segment))) {
    throw Error(ErrorKind::kValue, "segment = " + std::to_string(options.segment) +
                                       ", expected a power of two, 16 <= segment <= 2**30");
  }
}

std::vector<uint8_t> encode_one_shot(const Part& part, const EncodeOptions& options) {
  check_options(options);
  const Message message(std::span(&part, 1));
  // The hash stands before the stream and is known after it.
  const OneShotHeader header = {static_cast<uint32_t>(part.table->fingerprint()), 0, message.count};
  std::vector<uint8_t> bytes;
  append_one_shot_header(bytes, header);
  const uint32_t hash = append_stream(bytes, message, options);
  store_u32(bytes.data() + kOneShotHashPosition, hash);
  return bytes;
}

void Encoder::push(std::shared_ptr<const CdfTable> table, const SymbolSpan& symbols,
                   const IndexSpan& indexes, uint64_t count) {
  check_part({table.get(), symbols, indexes, count});
  Pushed pushed;
  const SymbolSpan own_symbols = copy_symbols(symbols, count, pushed.symbols);
  const IndexSpan own_indexes = copy_indexes(indexes, count, table->rows(), pushed.indexes);
  pushed.part = {table.get(), own_symbols, own_indexes, count};
  pushed.table = std::move(table);
  pushed_.push_back(std::move(pushed));
}

void Encoder::push_intervals(std::vector<uint64_t> intervals) {
  if (intervals.empty()) return;
  Pushed pushed;
  pushed.intervals = std::move(intervals);
  pushed.part.count = pushed.intervals.size();
  pushed.part.intervals = pushed.intervals.data();
  pushed_.push_back(std::move(pushed));
}

std::vector<uint8_t> Encoder::finish(const EncodeOptions& options) const {
  check_options(options);
  std::vector<Part> parts;
  parts.reserve(pushed_.size());
  for (const Pushed& pushed : pushed_) parts.push_back(pushed.part);
  std::vector<uint8_t> bytes;
  append_stream(bytes, Message(parts), options);
  return bytes;
}

}  // namespace fastcoder
