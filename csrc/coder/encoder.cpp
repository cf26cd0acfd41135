// SPDX-License-Identifier: Apache-2.0
#include "coder/encoder.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "base/little_endian.h"
#include "base/varint.h"
#include "coder/blocks.h"
#include "coder/interruption.h"
#include "coder/parametric.h"
#include "coder/stream_layout.h"
#include "coder/thread_pool.h"
#include "format/params.h"
#include "format/symbol_hash.h"

namespace fastcoder {
namespace {

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

constexpr uint64_t kProbe = kMostProbed;
constexpr uint64_t kProbes = 128;

// The smallest legal log2 of the segment size, or kOneSegment, from probes all over the message:
// channels of a latent differ by more than parts of one channel do.
uint32_t choose_log2_segment(const Message& message, uint32_t lanes, unsigned threads) {
  if (message.count <= uint64_t{1} << kFirstLog2Segment) return kOneSegment;
  constexpr uint64_t kTask = 16;
  std::atomic<uint64_t> bits{0};
  parallel_for(kProbes / kTask, threads, [&](uint64_t task) {
    uint64_t sum = 0;
    for (uint64_t i = task * kTask; i < (task + 1) * kTask; ++i) {
      const uint64_t first = i * (message.count - kProbe) / (kProbes - 1);
      sum += probe_bits(message, first, kProbe, lanes);
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
      if (part.intervals == nullptr && part.parametric == nullptr) check_part(part);
    }
    throw;
  }
}

template <class To>
void copy_as(const void* data, ElementType from, uint64_t count, std::vector<uint8_t>& out) {
  out.resize(count * sizeof(To));
  visit_elements(data, from, [&](const auto* values) {
    for_pieces(count, [&](uint64_t first, uint64_t size) {
      for (uint64_t i = first; i < first + size; ++i) {
        const To value = static_cast<To>(values[i]);
        std::memcpy(out.data() + i * sizeof(To), &value, sizeof(To));
      }
    });
  });
}

// Copies checked symbols in the narrowest type that a kernel reads.
SymbolSpan copy_symbols(const SymbolSpan& span, uint64_t count, std::vector<uint8_t>& out) {
  int64_t low = 0;
  int64_t high = 0;
  visit_elements(span.data, span.type, [&](const auto* values) {
    for_pieces(count, [&](uint64_t first, uint64_t size) {
      for (uint64_t i = first; i < first + size; ++i) {
        low = std::min(low, static_cast<int64_t>(values[i]));
        high = std::max(high, static_cast<int64_t>(values[i]));
      }
    });
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

EncodedStream::EncodedStream(const Message& message, const EncodeOptions& options,
                             const uint64_t* fingerprint) {
  check_options(options);
  if (fingerprint != nullptr) {
    append_one_shot_header(heads_, {static_cast<uint32_t>(*fingerprint), 0, message.count});
  }
  const uint32_t hash_flag = options.check ? kHashFlag : 0;
  uint32_t log2_segment = kOneSegment;
  if (message.count == 0) {
    heads_.push_back(static_cast<uint8_t>(hash_flag));
  } else {
    segments_ = encode_all(message, options, log2_segment);
  }
  uint32_t hash = 0;
  for (const Segment& segment : segments_) {
    const bool at_first = head_ends_.empty();
    const bool more = head_ends_.size() + 1 < segments_.size();
    uint32_t flags = segment.flags() | (more ? kMoreFlag : 0);
    if (at_first) flags |= (message.wide ? kWideFlag : 0) | hash_flag;
    heads_.push_back(static_cast<uint8_t>(flags));
    if (at_first && more) heads_.push_back(static_cast<uint8_t>(log2_segment));
    if (more) append_varint(heads_, segment.size);
    head_ends_.push_back(heads_.size());
    body_bytes_ += segment.size;
    for (uint32_t lane = 0; lane < segment.lanes; ++lane) {
      hash = fold_lane_hash(hash, segment.lane_hashes[lane]);
    }
  }
  // The hash of a one-shot stream stands before the segments, and is known after them.
  if (fingerprint != nullptr) store_u32(heads_.data() + kOneShotHashPosition, hash);
  if (options.check) {
    heads_.resize(heads_.size() + 4);
    store_u32(heads_.data() + heads_.size() - 4, hash);
  }
}

void EncodedStream::write(uint8_t* out, unsigned threads) const {
  // What thread first touches a page of `out` pays for it, so all take part.
  std::vector<uint8_t*> places;
  places.reserve(segments_.size());
  uint64_t head = 0;
  for (size_t i = 0; i < segments_.size(); ++i) {
    std::memcpy(out, heads_.data() + head, head_ends_[i] - head);
    out += head_ends_[i] - head;
    head = head_ends_[i];
    places.push_back(out);
    out += segments_[i].size;
  }
  std::memcpy(out, heads_.data() + head, heads_.size() - head);
  parallel_for(places.size(), threads, [&](uint64_t i) {
    copy_bytes(places[i], segments_[i].body.get(), segments_[i].size);
  });
}

std::vector<uint8_t> EncodedStream::bytes() const {
  std::vector<uint8_t> result(size());
  write(result.data(), 1);
  return result;
}

EncodedStream encode_one_shot(const Part& part, const EncodeOptions& options) {
  const uint64_t fingerprint = part.table->fingerprint();
  return EncodedStream(Message(std::span(&part, 1)), options, &fingerprint);
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

void Encoder::push_parametric(std::shared_ptr<const ParametricModel> model,
                              const SymbolSpan& symbols, uint64_t count) {
  model->check_count(count);
  if (count == 0) return;
  Pushed pushed;
  const SymbolSpan own_symbols = model->copy_symbols(symbols, count, pushed.symbols);
  pushed.part = {nullptr, own_symbols, {}, count, nullptr, model.get()};
  pushed.parametric = std::move(model);
  pushed_.push_back(std::move(pushed));
}

EncodedStream Encoder::finish(const EncodeOptions& options) const {
  std::vector<Part> parts;
  parts.reserve(pushed_.size());
  for (const Pushed& pushed : pushed_) parts.push_back(pushed.part);
  return EncodedStream(Message(parts), options, nullptr);
}

}  // namespace fastcoder
