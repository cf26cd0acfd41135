// SPDX-License-Identifier: Apache-2.0
// The interval layer: symbols whose start, frequency and precision the caller knows. Everything
// that is not a CdfTable is built on it: raw bits, integer codes, large alphabets, bits-back.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "coder/spans.h"
#include "format/interval_step.h"
#include "simd/kernel_table.h"

namespace fastcoder {

class Decoder;

// An interval in 8 bytes: start in bits 0-23, frequency - 1 in bits 24-47, precision above.
using PackedInterval = uint64_t;

constexpr PackedInterval pack_interval(uint32_t start, uint32_t frequency, uint32_t precision) {
  return start | uint64_t{frequency - 1} << 24 | uint64_t{precision} << 48;
}
constexpr uint32_t start_of(PackedInterval interval) {
  return static_cast<uint32_t>(interval) & 0xFFFFFF;
}
constexpr uint32_t frequency_of(PackedInterval interval) {
  return (static_cast<uint32_t>(interval >> 24) & 0xFFFFFF) + 1;
}
constexpr uint32_t precision_of(PackedInterval interval) {
  return static_cast<uint32_t>(interval >> 48);
}

// Throws Error(kValue) unless 1 <= precision <= 24.
void check_interval_precision(int64_t precision);

// Throws Error(kValue) unless the interval lies in [0, 2^precision).
void check_interval(int64_t start, int64_t frequency, uint32_t precision);

// Checked copies of `count` intervals of one precision; an error names the first bad position.
std::vector<PackedInterval> pack_intervals(const SymbolSpan& starts, const SymbolSpan& frequencies,
                                           uint64_t count, uint32_t precision);

// Pushes intervals, last to first, onto the lanes of a wide segment; the first belongs to
// `first_lane`.
//   Requires  room for two words per interval below the cursor, and kEncodeSlack bytes.
void push_packed(const PackedInterval* intervals, uint64_t count, uint32_t first_lane,
                 EncodeLanes& lanes);

// Throws Error(kValue) unless there was a peek at `value` (precision 0: none) and the interval
// holds it.
void check_advance(uint32_t precision, uint32_t value, int64_t start, int64_t frequency);

// Decoder::advance or Stack::advance for callers that may be wrong.
template <class Source>
void checked_advance(Source& source, int64_t start, int64_t frequency) {
  const uint32_t precision = source.peeked_precision();
  check_advance(precision, precision == 0 ? 0 : source.peek(precision), start, frequency);
  source.advance(static_cast<uint32_t>(start), static_cast<uint32_t>(frequency));
}

// --- raw bits ---
// A value of `width` bits is ceil(width / 16) intervals of frequency 1: its lowest 16 bits first,
// what is left of them last.
inline constexpr uint32_t kMaxBits = 64;
inline constexpr uint32_t kBitsChunk = 16;

// Throws Error(kValue) unless 1 <= width <= 64.
void check_bits_width(int64_t width);

// Calls push(interval) for every interval of a value, in the order in which a decoder pops them.
template <class Push>
void bits_to_intervals(uint64_t value, uint32_t width, Push&& push) {
  for (; width > kBitsChunk; width -= kBitsChunk, value >>= kBitsChunk) {
    push(pack_interval(static_cast<uint32_t>(value & 0xFFFF), 1, kBitsChunk));
  }
  if (width > 0) push(pack_interval(static_cast<uint32_t>(value), 1, width));
}

// The inverse, from anything with peek(precision) and advance(start, frequency).
template <class Source>
uint64_t bits_from_intervals(Source& source, uint32_t width) {
  uint64_t value = 0;
  for (uint32_t done = 0; done < width; done += kBitsChunk) {
    const uint32_t precision = width - done < kBitsChunk ? width - done : kBitsChunk;
    const uint32_t chunk = source.peek(precision);
    source.advance(chunk, 1);
    value |= uint64_t{chunk} << done;
  }
  return value;
}

// Error(kValue) that names the first value with more than `width` bits.
std::vector<PackedInterval> pack_bits(std::span<const uint64_t> values, uint32_t width);

// Pulls one value per element of `values`; an error leaves the decoder where it stood.
void pull_bits(Decoder& decoder, uint32_t width, std::span<uint64_t> values);

}  // namespace fastcoder
