// SPDX-License-Identifier: Apache-2.0
// One segment of a message (docs/format.md 3).
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <span>

#include "coder/spans.h"
#include "format/escape.h"
#include "format/params.h"
#include "simd/kernel_table.h"

namespace fastcoder {

// All parts of a message, addressed by the position of a symbol in it.
struct Message {
  std::span<const Part> parts;
  uint64_t count = 0;
  bool wide = false;
  uint64_t most_words = 1;  // that one symbol writes

  explicit Message(std::span<const Part> message_parts);
  uint32_t state_bytes() const { return wide ? Wide::kStateBytes : Narrow::kStateBytes; }
};

// An encoded segment: K states, words, escape bits.
struct Segment {
  std::unique_ptr<uint8_t[]> body;
  uint64_t size = 0;
  uint32_t lanes = 1;
  bool escapes = false;
  uint32_t lane_hashes[kMaxLanes] = {};

  uint64_t payload(uint32_t state_bytes) const { return size - lanes * state_bytes; }
  uint32_t flags() const {
    return static_cast<uint32_t>(std::countr_zero(lanes)) | (escapes ? kEscapesFlag : 0);
  }
};

// The lanes of an encoder that writes words below `words_end`.
EncodeLanes start_lanes(bool wide, uint32_t lanes, uint8_t* words_end);

// Of the codes of all escapes together.
uint64_t escape_bytes(std::span<const Escape> escapes);

// The segment of `count` symbols that were pushed onto these lanes; escapes in the order of the
// visit.
Segment close_segment(const EncodeLanes& state, const uint8_t* words_end,
                      std::span<const Escape> escapes, uint64_t count, bool wide);

// A message of at most so many symbols is tried with one lane first: it then seldom needs two
// passes (docs/format.md 8).
inline constexpr uint64_t kOneLaneCount = 2048;

// The largest power of two that has as many symbols, and is not more than what is forced or legal.
uint32_t most_lanes(uint64_t count, uint32_t forced_lanes);

// The lanes, `most` or fewer, whose states fit the bound of docs/format.md 8.
uint32_t lanes_that_fit(uint64_t payload, bool escapes, uint32_t state_bytes, uint32_t most);

// Encodes symbols [first, first + count) of a message; forced_lanes = 0 chooses their number by the
// rule of docs/format.md 8. Throws for an index or a symbol that cannot be coded.
Segment encode_segment(const Message& message, uint64_t first, uint64_t count,
                       uint32_t forced_lanes);

// The bits that the symbols [first, first + count) take: what leaves the states, and what they
// gain. Requires count <= kMostProbed.
inline constexpr uint64_t kMostProbed = 512;
uint64_t probe_bits(const Message& message, uint64_t first, uint64_t count, uint32_t lanes);

}  // namespace fastcoder
