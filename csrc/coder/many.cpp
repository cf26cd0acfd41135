// SPDX-License-Identifier: Apache-2.0
// Nothing here words an error: a message with anything unusual about it goes to encode_one_shot or
// decode_one_shot, from the beginning. Over 400 lines because both directions share the groups, the
// turns and the conversions.
#include "coder/many.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/little_endian.h"
#include "coder/blocks.h"
#include "coder/decoder.h"
#include "coder/interruption.h"
#include "coder/segment_encoder.h"
#include "coder/stream_layout.h"
#include "coder/thread_pool.h"
#include "format/escape.h"
#include "format/params.h"
#include "format/symbol_hash.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

// Longer ones have lanes enough of their own, or are rare. Encoders, which need a pass more to
// know the lanes of those with more than kOneLaneCount symbols, gain nothing there.
constexpr uint64_t kMostSymbols = uint64_t{1} << 16;
constexpr uint64_t kFewestSymbols = 16;

// ---- groups of messages ----------------------------------------------------------------------

// Keeps the error of the first message of a group.
class FirstError {
 public:
  template <class Run>
  void guard(uint64_t message, Run&& run) {
    try {
      run();
    } catch (const Error& error) {
      if (error_ && message_ < message) return;
      message_ = message;
      error_ = error;
    }
  }
  void rethrow() const {
    if (!error_) return;
    throw Error(error_->kind(),
                std::string(error_->what()) + " (message " + std::to_string(message_) + ")");
  }

 private:
  uint64_t message_ = 0;
  std::optional<Error> error_;
};

// Calls code(begin, end, error) for groups of messages, on several threads.
template <class Code>
void for_groups(uint64_t count, unsigned threads, Code&& code) {
  const uint64_t share = count / (uint64_t{4} * std::max(threads, 1u));
  const uint64_t size = std::clamp<uint64_t>(share, 16, 256);
  parallel_for((count + size - 1) / size, threads, [&](uint64_t i) {
    FirstError error;
    code(i * size, std::min(count, (i + 1) * size), error);
    error.rethrow();
  });
}

// Segments at work, and those that wait for a place. `Open` has `left`, the symbols not yet coded.
template <class Open>
class Turns {
 public:
  Turns(std::vector<Open>& all, uint32_t lanes) : waiting_(all.size()), all_(all), lanes_(lanes) {}

  // Fills the places; false if there are too few segments for the kernel to be worth its turn.
  bool fill() {
    std::erase_if(active, [&](const Open* open) { return open->left < lanes_; });
    while (active.size() < kManyChains / lanes_ && waiting_ > 0) {
      Open& next = all_[--waiting_];
      if (next.left >= lanes_) active.push_back(&next);
    }
    return active.size() >= 2 && active.size() * lanes_ >= 3;
  }

  // Symbols that every one of them has left, whole groups.
  uint64_t block() const {
    uint64_t count = kManyBlock;
    for (const Open* open : active) count = std::min(count, open->left);
    return count - count % lanes_;
  }

  // For places without a segment: any other's, once more.
  size_t at_place(size_t place) const { return place < active.size() ? place : 0; }

  std::vector<Open*> active;

 private:
  size_t waiting_;
  std::vector<Open>& all_;
  uint32_t lanes_;
};

// Where the rows of symbols [first, first + count) begin; false if an index has no row.
bool load_begins(const IndexSpan& span, uint64_t first, uint64_t count, uint64_t rows,
                 uint32_t stride, uint32_t* begins) {
  if (span.type == ElementType::kNone) {
    std::fill_n(begins, count, 0u);
    return true;
  }
  // A table has at most 2^31 rows: an index outside int32 has none, and neither has -1. Index and
  // last - index are both non-negative, or one of them has its sign bit set.
  const uint32_t last = static_cast<uint32_t>(rows - 1);
  return visit_elements(span.data, span.type, [&](const auto* data) {
    using Index = std::remove_cvref_t<decltype(*data)>;
    uint32_t signs = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const Index value = data[first + i];
      uint32_t index = static_cast<uint32_t>(value);
      if constexpr (sizeof(Index) == 8) index = static_cast<int32_t>(value) == value ? index : ~0u;
      signs |= index | (last - index);
      begins[i] = index * stride;
    }
    return signs >> 31 == 0;
  });
}

// ---- decoding --------------------------------------------------------------------------------

struct OpenStream {
  uint64_t message;
  SegmentDecoder decoder;
  uint32_t hash;  // of the header
  uint64_t left;
  bool failed = false;
};

// The segment of a one-shot stream that has one, of few lanes.
std::optional<OpenStream> open_stream(const StreamPart& part, const CdfTable& table,
                                      uint64_t message) {
  if (part.count < kFewestSymbols || part.count > kMostSymbols) return std::nullopt;
  try {
    ByteReader reader(part.stream);
    const OneShotHeader header = read_header_of(reader, table);
    SegmentWalker walker = walk_one_shot(reader, table);
    if (header.count != part.count || walker.empty()) return std::nullopt;
    const SegmentView view = walker.next();
    if (!walker.at_end()) return std::nullopt;
    SegmentDecoder decoder(view, walker.wide());
    if (decoder.lanes().lanes > kMostManyLanes) return std::nullopt;
    return OpenStream{message, decoder, header.hash, part.count};
  } catch (const Error&) {
    return std::nullopt;
  }
}

class ManyDecoder {
 public:
  ManyDecoder(std::span<const StreamPart> parts, const CdfTable& table)
      : parts_(parts), table_(table), view_(table.coding_view()) {}

  void decode(uint64_t begin, uint64_t end, FirstError& error) {
    for (uint64_t i = begin; i < end; ++i) {
      auto open = view_.fast == nullptr ? std::nullopt : open_stream(parts_[i], table_, i);
      if (open) {
        const uint32_t lanes = open->decoder.lanes().lanes;
        open_[static_cast<size_t>(std::countr_zero(lanes))].push_back(std::move(*open));
      } else {
        error.guard(i, [&] { decode_alone(i); });
      }
    }
    for (uint32_t log2 = 0; log2 < open_.size(); ++log2) {
      take_turns(open_[log2], 1u << log2);
      for (OpenStream& open : open_[log2]) {
        if (!finish(open)) error.guard(open.message, [&] { decode_alone(open.message); });
      }
    }
  }

 private:
  void decode_alone(uint64_t i) const {
    const StreamPart& part = parts_[i];
    decode_one_shot(part.stream, table_, part.indexes, part.count, part.symbols, 1);
  }

  void take_turns(std::vector<OpenStream>& streams, uint32_t lanes) {
    const KernelTable& kernels = active_kernels();
    const bool wide = table_.precision() > static_cast<int>(Narrow::kPrecision);
    Turns<OpenStream> turns(streams, lanes);
    while (turns.fill()) {
      const uint64_t count = turns.block();
      if (!load(turns, count)) continue;
      std::array<DecodeLanes, kManyChains> copies;
      std::array<DecodeLanes*, kManyChains> all;
      for (size_t place = 0; place < kManyChains / lanes; ++place) {
        all[place] = &turns.active[turns.at_place(place)]->decoder.lanes();
        if (place < turns.active.size()) continue;
        copies[place] = *all[place];
        all[place] = &copies[place];
        std::copy_n(begins_, count, begins_ + place * kManyBlock);
      }
      const DecodeManyBlock block = {&view_, begins_, symbols_, all.data(), count, lanes};
      check_interruption(count * turns.active.size());
      if (kernels.decode_many[wide](block)) {
        store(turns, count);
      } else {
        for (OpenStream* open : turns.active) fail(*open);
      }
    }
  }

  // A failed stream leaves its place: it has no whole group left.
  static void fail(OpenStream& open) {
    open.left = 0;
    open.failed = true;
  }

  bool load(const Turns<OpenStream>& turns, uint64_t count) {
    bool good = true;
    for (size_t place = 0; place < turns.active.size(); ++place) {
      OpenStream& open = *turns.active[place];
      const StreamPart& part = parts_[open.message];
      if (!load_begins(part.indexes, part.count - open.left, count, view_.row_count,
                       row_entries(*view_.fast), begins_ + place * kManyBlock)) {
        fail(open);
        good = false;
      }
    }
    return good;
  }

  void store(const Turns<OpenStream>& turns, uint64_t count) {
    for (size_t place = 0; place < turns.active.size(); ++place) {
      OpenStream& open = *turns.active[place];
      const StreamPart& part = parts_[open.message];
      const uint64_t first = part.count - open.left;
      if (store_fitting(symbols_ + place * kManyBlock, part.symbols, first, count) == count) {
        open.decoder.note_decoded(count);
        open.left -= count;
      } else {
        fail(open);
      }
    }
  }

  // Decodes what is left and checks everything; false if the stream is not intact.
  bool finish(OpenStream& open) const {
    if (open.failed) return false;
    const StreamPart& part = parts_[open.message];
    try {
      open.decoder.pull(table_, part.indexes, part.count - open.left, open.left, part.symbols);
      return open.decoder.finish(0) == open.hash;
    } catch (const Error&) {
      return false;
    }
  }

  std::span<const StreamPart> parts_;
  const CdfTable& table_;
  const TableView& view_;
  std::array<std::vector<OpenStream>, 3> open_;  // by log2 of the lanes
  uint32_t begins_[kManyChains * kManyBlock];
  int32_t symbols_[kManyChains * kManyBlock];
};

// ---- encoding --------------------------------------------------------------------------------

struct OpenPart {
  uint64_t message;
  uint64_t left;
  bool failed = false;
  EncodeLanes lanes{};
  std::unique_ptr<uint8_t[]> words{};
  uint8_t* words_end = nullptr;
  std::vector<Escape> escapes{};

  uint64_t word_bytes() const { return static_cast<uint64_t>(words_end - lanes.cursor); }
};

// Symbols as int32; false if one is not.
bool load_symbols(const SymbolSpan& span, uint64_t first, uint64_t count, int32_t* symbols) {
  return visit_elements(span.data, span.type, [&](const auto* data) {
    bool good = true;
    for (uint64_t i = 0; i < count; ++i) {
      const auto symbol = data[first + i];
      symbols[i] = static_cast<int32_t>(symbol);
      good &= static_cast<int64_t>(symbol) == symbols[i];
    }
    return good;
  });
}

class ManyEncoder {
 public:
  ManyEncoder(std::span<const Part> parts, const EncodeOptions& options,
              std::vector<std::vector<uint8_t>>& streams)
      : parts_(parts),
        options_(options),
        streams_(streams),
        table_(*parts.front().table),
        view_(table_.coding_view()),
        wide_(table_.precision() > static_cast<int>(Narrow::kPrecision)),
        state_bytes_(wide_ ? Wide::kStateBytes : Narrow::kStateBytes) {
    options_.threads = 1;
  }

  void encode(uint64_t begin, uint64_t end, FirstError& error) {
    for (uint64_t i = begin; i < end; ++i) error.guard(i, [&] { open(i); });
    for (uint32_t log2 = 0; log2 < open_.size(); ++log2) {
      take_turns(open_[log2], 1u << log2);
      for (OpenPart& open : open_[log2]) error.guard(open.message, [&] { close(open); });
    }
  }

 private:
  void open(uint64_t i) {
    const Part& part = parts_[i];
    const bool one_segment = options_.segment == 0 || part.count <= options_.segment;
    if (view_.fast == nullptr || !one_segment || part.count < kFewestSymbols ||
        part.count > kOneLaneCount) {
      streams_[i] = encode_one_shot(part, options_).bytes();
    } else if (options_.lanes == 0) {
      start(i, 1);  // which shows whether there should be more
    } else {
      code_with(i, most_lanes(part.count, options_.lanes));
    }
  }

  void code_with(uint64_t i, uint32_t lanes) {
    if (lanes <= kMostManyLanes) return start(i, lanes);
    EncodeOptions options = options_;
    options.lanes = lanes;  // their choice is the same with 0, and takes another pass
    streams_[i] = encode_one_shot(parts_[i], options).bytes();
  }

  void start(uint64_t i, uint32_t lanes) {
    OpenPart open{i, parts_[i].count};
    const uint64_t room = 2 * open.left + kEncodeSlack;
    open.words.reset(new uint8_t[room]);  // not zeroed
    open.words_end = open.words.get() + room;
    open.lanes = start_lanes(wide_, lanes, open.words_end);
    // The last symbols, so that whole groups are left.
    const uint64_t rest = open.left % lanes;
    open.failed = !push(open, rest);
    open.left = open.failed ? 0 : open.left - rest;
    open_[static_cast<size_t>(std::countr_zero(lanes))].push_back(std::move(open));
  }

  // Pushes the last `count` symbols that are left; fewer than kManyBlock at a time.
  bool push(OpenPart& open, uint64_t count) {
    const Part& part = parts_[open.message];
    const uint64_t first = open.left - count;
    if (!load_begins(part.indexes, first, count, view_.row_count, 1, begins_)) return false;
    if (!load_symbols(part.symbols, first, count, symbols_)) return false;
    int32_t rows[kManyBlock];
    for (uint64_t i = 0; i < count; ++i) {
      rows[i] = static_cast<int32_t>(begins_[i]);
      const RowView& row = view_.rows[begins_[i]];
      const uint64_t slot = static_cast<uint64_t>(int64_t{symbols_[i]} - row.offset);
      if (view_.escape == 0 && slot >= row.symbols) return false;
    }
    open.lanes.escapes = escapes_;
    open.lanes.escape_count = 0;
    const EncodeBlock block = {&view_, symbols_, rows, count,
                               static_cast<uint32_t>(first % open.lanes.lanes)};
    active_kernels().encode[wide_][kSymbolInt32][kIndexInt32](block, open.lanes);
    open.escapes.insert(open.escapes.end(), escapes_, escapes_ + open.lanes.escape_count);
    return true;
  }

  void take_turns(std::vector<OpenPart>& all, uint32_t lanes) {
    const KernelTable& kernels = active_kernels();
    Turns<OpenPart> turns(all, lanes);
    while (turns.fill()) {
      const uint64_t count = turns.block();
      if (!load(turns, count)) continue;
      // A copy writes the same words and escapes to the same places.
      std::array<EncodeLanes, kManyChains> copies;
      std::array<EncodeLanes*, kManyChains> every;
      for (size_t place = 0; place < kManyChains / lanes; ++place) {
        every[place] = &turns.active[turns.at_place(place)]->lanes;
        every[place]->escapes = escapes_ + turns.at_place(place) * kManyBlock;
        every[place]->escape_count = 0;
        if (place < turns.active.size()) continue;
        copies[place] = *every[place];
        every[place] = &copies[place];
        std::copy_n(begins_, count, begins_ + place * kManyBlock);
        std::copy_n(symbols_, count, symbols_ + place * kManyBlock);
      }
      const EncodeManyBlock block = {&view_, begins_, symbols_, every.data(), count, lanes};
      check_interruption(count * turns.active.size());
      const bool good = kernels.encode_many[wide_](block);
      for (OpenPart* open : turns.active) {
        const Escape* escapes = open->lanes.escapes;
        open->escapes.insert(open->escapes.end(), escapes, escapes + open->lanes.escape_count);
        open->failed = !good;
        open->left = good ? open->left - count : 0;
      }
    }
  }

  bool load(const Turns<OpenPart>& turns, uint64_t count) {
    bool all_good = true;
    for (size_t place = 0; place < turns.active.size(); ++place) {
      OpenPart& open = *turns.active[place];
      const Part& part = parts_[open.message];
      const uint64_t first = open.left - count;
      const size_t at = place * kManyBlock;
      const bool good = load_begins(part.indexes, first, count, view_.row_count,
                                    view_.fast->dense_stride, begins_ + at) &&
                        load_symbols(part.symbols, first, count, symbols_ + at);
      if (good) continue;
      open.failed = true;
      open.left = 0;
      all_good = false;
    }
    return all_good;
  }

  bool finish(OpenPart& open) {
    while (open.left > 0) {
      const uint64_t count = std::min<uint64_t>(open.left, kManyBlock);
      if (!push(open, count)) return false;
      open.left -= count;
    }
    return true;
  }

  void close(OpenPart& open) {
    const Part& part = parts_[open.message];
    if (open.failed || !finish(open)) {
      streams_[open.message] = encode_one_shot(part, options_).bytes();
      return;
    }
    if (options_.lanes == 0 && part.count <= kOneLaneCount && open.lanes.lanes == 1) {
      const uint32_t lanes =
          lanes_that_fit(open.word_bytes() + escape_bytes(open.escapes), !open.escapes.empty(),
                         state_bytes_, most_lanes(part.count, 0));
      // Those with more than one have their turn later.
      if (lanes > 1) return code_with(open.message, lanes);
    }
    streams_[open.message] = stream_of(open);
  }

  std::vector<uint8_t> stream_of(const OpenPart& open) const {
    const uint64_t count = parts_[open.message].count;
    const Segment segment = close_segment(open.lanes, open.words_end, open.escapes, count, wide_);
    uint32_t hash = 0;
    for (uint32_t lane = 0; lane < segment.lanes; ++lane) {
      hash = fold_lane_hash(hash, segment.lane_hashes[lane]);
    }
    std::vector<uint8_t> bytes;
    bytes.reserve(17 + segment.size);
    append_one_shot_header(bytes, {static_cast<uint32_t>(table_.fingerprint()), hash, count});
    bytes.push_back(static_cast<uint8_t>(segment.flags() | (wide_ ? kWideFlag : 0)));
    bytes.insert(bytes.end(), segment.body.get(), segment.body.get() + segment.size);
    return bytes;
  }

  std::span<const Part> parts_;
  EncodeOptions options_;
  std::vector<std::vector<uint8_t>>& streams_;
  const CdfTable& table_;
  const TableView& view_;
  bool wide_;
  uint32_t state_bytes_;
  std::array<std::vector<OpenPart>, 3> open_;  // by log2 of the lanes
  uint32_t begins_[kManyChains * kManyBlock];
  int32_t symbols_[kManyChains * kManyBlock];
  Escape escapes_[kManyChains * kManyBlock];
};

}  // namespace

std::vector<std::vector<uint8_t>> encode_many(std::span<const Part> parts,
                                              const EncodeOptions& options) {
  check_options(options);
  std::vector<std::vector<uint8_t>> streams(parts.size());
  for_groups(parts.size(), options.threads, [&](uint64_t begin, uint64_t end, FirstError& error) {
    const auto encoder = std::make_unique<ManyEncoder>(parts, options, streams);
    encoder->encode(begin, end, error);
  });
  return streams;
}

void decode_many(std::span<const StreamPart> parts, const CdfTable& table, unsigned threads) {
  for_groups(parts.size(), threads, [&](uint64_t begin, uint64_t end, FirstError& error) {
    const auto decoder = std::make_unique<ManyDecoder>(parts, table);
    decoder->decode(begin, end, error);
  });
}

}  // namespace fastcoder
