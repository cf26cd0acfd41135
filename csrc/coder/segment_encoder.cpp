// SPDX-License-Identifier: Apache-2.0
#include "coder/segment_encoder.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/little_endian.h"
#include "coder/blocks.h"
#include "coder/cdf_table.h"
#include "coder/interruption.h"
#include "coder/intervals.h"
#include "coder/parametric.h"
#include "format/symbol_hash.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

// Pushes symbols [first, first + count) of the message, last to first.
void push_symbols(const Message& message, uint64_t first, uint64_t count, EncodeLanes& lanes,
                  std::vector<Escape>& escapes) {
  const KernelTable& kernels = active_kernels();
  BlockScratch scratch;
  Escape block_escapes[kBlock];
  int32_t parametric_symbols[kBlock];
  lanes.escapes = block_escapes;
  uint64_t part_begin = message.count;
  for (size_t p = message.parts.size(); p-- > 0;) {
    const Part& part = message.parts[p];
    part_begin -= part.count;
    const uint64_t begin = std::max(first, part_begin);
    uint64_t end = std::min(first + count, part_begin + part.count);
    if (part.intervals != nullptr) {
      while (end > begin) {
        const uint64_t size = std::min(kBlock, end - begin);
        end -= size;
        push_packed(part.intervals + (end - part_begin), size,
                    static_cast<uint32_t>((end - first) % lanes.lanes), lanes);
        check_interruption(size);
      }
      continue;
    }
    if (part.parametric != nullptr) {
      const ParametricView& view = part.parametric->view();
      while (end > begin) {
        const uint64_t size = std::min(kBlock, end - begin);
        end -= size;
        const uint64_t position = end - part_begin;
        load_parametric(part, position, size, parametric_symbols);
        const uint32_t lane = static_cast<uint32_t>((end - first) % lanes.lanes);
        kernels.parametric.encode({&view, parametric_symbols, position, size, lane}, lanes);
        check_interruption(size * kParametricWork * view.curve_count);
      }
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
      check_interruption(size);
    }
  }
}

// Room for words whose number is known only when they are written. Each thread keeps its own: fresh
// memory would cost a page fault for every 4 KiB of every segment. More than a segment of the
// default sizes needs is given back. Taken out while it is in use: a call that a signal interrupts
// may have another one run in the same thread.
class WordRoom {
 public:
  explicit WordRoom(uint64_t size) : room_(std::exchange(t_kept, {})) {
    if (size <= room_.size) return;
    room_ = {};                                                     // before the new one is taken
    room_ = {std::unique_ptr<uint8_t[]>(new uint8_t[size]), size};  // not zeroed
  }
  ~WordRoom() {
    if (room_.size <= kKept) t_kept = std::move(room_);
  }
  WordRoom(const WordRoom&) = delete;
  WordRoom& operator=(const WordRoom&) = delete;

  uint8_t* end() const { return room_.bytes.get() + room_.size; }

 private:
  struct Room {
    std::unique_ptr<uint8_t[]> bytes{};
    uint64_t size = 0;
  };

  static constexpr uint64_t kKept = uint64_t{1} << 20;
  static thread_local Room t_kept;
  Room room_;
};
thread_local WordRoom::Room WordRoom::t_kept;

Segment encode_with_lanes(const Message& message, uint64_t first, uint64_t count, uint32_t lanes) {
  const WordRoom words(2 * message.most_words * count + kEncodeSlack);
  EncodeLanes state = start_lanes(message.wide, lanes, words.end());
  std::vector<Escape> escapes;
  push_symbols(message, first, count, state, escapes);
  return close_segment(state, words.end(), escapes, count, message.wide);
}

uint64_t lower_bound(bool wide) { return wide ? Wide::kLower : uint64_t{Narrow::kLower}; }

}  // namespace

EncodeLanes start_lanes(bool wide, uint32_t lanes, uint8_t* words_end) {
  EncodeLanes state = {};
  state.lanes = lanes;
  std::fill_n(state.state, lanes, lower_bound(wide));
  state.cursor = words_end;
  return state;
}

uint64_t escape_bytes(std::span<const Escape> escapes) {
  uint64_t bits = 0;
  for_pieces(escapes.size(), [&](uint64_t first, uint64_t count) {
    for (const Escape& escape : escapes.subspan(first, count)) bits += escape_bits(escape);
  });
  return (bits + 7) / 8;
}

Segment close_segment(const EncodeLanes& state, const uint8_t* words_end,
                      std::span<const Escape> escapes, uint64_t count, bool wide) {
  const uint32_t lanes = state.lanes;
  const uint32_t state_bytes = wide ? Wide::kStateBytes : Narrow::kStateBytes;
  const uint64_t word_bytes = static_cast<uint64_t>(words_end - state.cursor);
  const uint64_t tail_bytes = escape_bytes(escapes);
  Segment segment;
  segment.lanes = lanes;
  segment.escapes = !escapes.empty();
  segment.size = lanes * state_bytes + word_bytes + tail_bytes;
  segment.body = std::unique_ptr<uint8_t[]>(new uint8_t[segment.size]);
  uint8_t* out = segment.body.get();
  for (uint32_t lane = 0; lane < lanes; ++lane, out += state_bytes) {
    store_u32(out, static_cast<uint32_t>(state.state[lane]));
    if (wide) store_u16(out + 4, static_cast<uint32_t>(state.state[lane] >> 32));
    segment.lane_hashes[lane] = finish_hash(state.hash[lane], (count - lane + lanes - 1) / lanes);
  }
  copy_bytes(out, state.cursor, word_bytes);
  for_pieces(tail_bytes, [&](uint64_t begin, uint64_t size) {
    std::memset(out + word_bytes + begin, 0, size);
  });
  EscapeWriter writer(out + word_bytes + tail_bytes);
  for_pieces(escapes.size(), [&](uint64_t done, uint64_t size) {
    const auto piece = escapes.rbegin() + static_cast<int64_t>(done);
    std::for_each_n(piece, size, [&](Escape escape) { writer.write(escape); });
  });
  return segment;
}

uint32_t lanes_that_fit(uint64_t payload, bool escapes, uint32_t state_bytes, uint32_t most) {
  const uint64_t allowed = 8 + payload / 640;
  const auto fits = [&](uint32_t lanes) {
    return 1 + lanes * state_bytes + (escapes ? 1 : 0) <= allowed;
  };
  uint32_t lanes = most;
  while (lanes > 1 && !fits(lanes)) lanes /= 2;
  return lanes;
}

uint32_t most_lanes(uint64_t count, uint32_t forced_lanes) {
  const uint64_t wanted = forced_lanes == 0 ? kMaxLanes : forced_lanes;
  return static_cast<uint32_t>(std::bit_floor(std::min(wanted, count)));
}

Message::Message(std::span<const Part> message_parts) : parts(message_parts) {
  for (const Part& part : parts) {
    count += part.count;
    if (count > kMaxCount) {
      throw Error(ErrorKind::kValue, "len(symbols) = " + std::to_string(count) +
                                         ", expected at most " + std::to_string(kMaxCount));
    }
    const bool used = part.count > 0;
    if (used && (part.intervals != nullptr || part.parametric != nullptr)) {
      wide = true;
      most_words = kMaxIntervalWords;
      continue;
    }
    wide = wide || (used && part.table->precision() > static_cast<int>(Narrow::kPrecision));
  }
}

Segment encode_segment(const Message& message, uint64_t first, uint64_t count,
                       uint32_t forced_lanes) {
  const uint32_t most = most_lanes(count, forced_lanes);
  if (forced_lanes != 0) return encode_with_lanes(message, first, count, most);
  const uint32_t tried = count <= kOneLaneCount ? 1 : most;
  Segment segment = encode_with_lanes(message, first, count, tried);
  const uint32_t state_bytes = message.state_bytes();
  const uint32_t lanes =
      lanes_that_fit(segment.payload(state_bytes), segment.escapes, state_bytes, most);
  return lanes == tried ? std::move(segment) : encode_with_lanes(message, first, count, lanes);
}

uint64_t probe_bits(const Message& message, uint64_t first, uint64_t count, uint32_t lanes) {
  uint8_t words[2 * kMaxIntervalWords * kMostProbed + kEncodeSlack];
  EncodeLanes state = start_lanes(message.wide, lanes, std::end(words));
  std::vector<Escape> escapes;
  push_symbols(message, first, count, state, escapes);
  const uint64_t word_bytes = static_cast<uint64_t>(std::end(words) - state.cursor);
  uint64_t bits = 8 * (word_bytes + escape_bytes(escapes));
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    bits +=
        static_cast<uint64_t>(std::bit_width(state.state[lane] / lower_bound(message.wide))) - 1;
  }
  return bits;
}

}  // namespace fastcoder
