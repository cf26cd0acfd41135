// SPDX-License-Identifier: Apache-2.0
#include "coder/segment_decoder.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/little_endian.h"
#include "coder/blocks.h"
#include "coder/interruption.h"
#include "coder/numeric.h"
#include "coder/parametric.h"
#include "format/params.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

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
    check_interruption(size);
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
    if (!direct) store_decoded(scratch, symbols, position, size);
    count_ += size;
    done += size;
    check_interruption(size * kParametricWork * model.view().curve_count);
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

double SegmentDecoder::bits_ahead() const {
  const double lower = wide_ ? 0x1p32 : 0x1p16;
  double held = 0.0;
  for (uint32_t lane = 0; lane < lanes_.lanes; ++lane) {
    held += numeric::log2(static_cast<double>(lanes_.state[lane]) / lower);
  }
  const int64_t bytes = lanes_.words_end - lanes_.words;
  return 8.0 * static_cast<double>(bytes) - static_cast<double>(lanes_.escapes.position) + held;
}

}  // namespace fastcoder
