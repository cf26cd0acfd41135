// SPDX-License-Identifier: Apache-2.0
#include "coder/intervals.h"

#include <string>
#include <type_traits>

#include "base/error.h"
#include "coder/blocks.h"
#include "coder/decoder.h"
#include "coder/interruption.h"
#include "format/symbol_hash.h"

namespace fastcoder {
namespace {

[[noreturn]] void throw_start(const std::string& where, int64_t start, uint32_t precision) {
  throw Error(ErrorKind::kValue, where + " = " + std::to_string(start) +
                                     ", expected 0 <= start < " +
                                     std::to_string(uint64_t{1} << precision));
}

[[noreturn]] void throw_frequency(const std::string& where, int64_t frequency, int64_t start,
                                  uint32_t precision) {
  const int64_t most = (int64_t{1} << precision) - start;
  throw Error(ErrorKind::kValue, where + " = " + std::to_string(frequency) +
                                     ", expected 1 <= frequency <= " + std::to_string(most) +
                                     " (2**precision - start)");
}

}  // namespace

void check_interval_precision(int64_t precision) {
  if (precision >= 1 && precision <= int64_t{kMaxIntervalPrecision}) return;
  throw Error(ErrorKind::kValue,
              "precision = " + std::to_string(precision) + ", expected 1 <= precision <= 24");
}

void check_interval(int64_t start, int64_t frequency, uint32_t precision) {
  const int64_t total = int64_t{1} << precision;
  if (start < 0 || start >= total) throw_start("start", start, precision);
  if (frequency < 1 || frequency > total - start) {
    throw_frequency("frequency", frequency, start, precision);
  }
}

std::vector<PackedInterval> pack_intervals(const SymbolSpan& starts, const SymbolSpan& frequencies,
                                           uint64_t count, uint32_t precision) {
  check_interval_precision(precision);
  const uint64_t total = uint64_t{1} << precision;
  std::vector<PackedInterval> packed(count);
  // Everything is copied before it is checked: another thread may write to the arrays meanwhile.
  visit_elements(starts.data, starts.type, [&](const auto* values) {
    uint64_t bad = 0;
    for_pieces(count, [&](uint64_t first, uint64_t size) {
      for (uint64_t i = first; i < first + size; ++i) {
        const uint64_t start = static_cast<uint64_t>(static_cast<int64_t>(values[i]));
        bad |= start >> precision;
        packed[i] = start;
      }
    });
    if (bad == 0) return;
    for (uint64_t i = 0; i < count; ++i) {
      if (packed[i] < total) continue;
      throw_start("starts[" + std::to_string(i) + "]", static_cast<int64_t>(packed[i]), precision);
    }
  });
  visit_elements(frequencies.data, frequencies.type, [&](const auto* values) {
    for_pieces(count, [&](uint64_t first, uint64_t size) {
      for (uint64_t i = first; i < first + size; ++i) {
        const int64_t frequency = static_cast<int64_t>(values[i]);
        const uint64_t less_one = static_cast<uint64_t>(frequency) - 1;
        const uint64_t start = packed[i];
        if (FASTCODER_UNLIKELY(less_one >= total - start)) {
          throw_frequency("frequencies[" + std::to_string(i) + "]", frequency,
                          static_cast<int64_t>(start), precision);
        }
        packed[i] = start | less_one << 24 | uint64_t{precision} << 48;
      }
    });
  });
  return packed;
}

void push_packed(const PackedInterval* intervals, uint64_t count, uint32_t first_lane,
                 EncodeLanes& lanes) {
  const uint32_t lane_mask = lanes.lanes - 1;
  uint8_t* cursor = lanes.cursor;
  for (uint64_t i = count; i-- > 0;) {
    const PackedInterval interval = intervals[i];
    const uint32_t start = start_of(interval);
    const uint32_t lane = (first_lane + static_cast<uint32_t>(i)) & lane_mask;
    lanes.state[lane] = push_interval(lanes.state[lane], start, frequency_of(interval),
                                      precision_of(interval), cursor);
    lanes.hash[lane] = unhash_symbol(lanes.hash[lane], static_cast<int32_t>(start));
  }
  lanes.cursor = cursor;
}

void check_advance(uint32_t precision, uint32_t value, int64_t start, int64_t frequency) {
  if (precision == 0) {
    throw Error(ErrorKind::kValue, "advance() = called, expected a call of peek before it");
  }
  check_interval(start, frequency, precision);
  if (int64_t{value} < start || int64_t{value} - start >= frequency) {
    throw Error(ErrorKind::kValue, "start = " + std::to_string(start) +
                                       ", expected an interval that holds " +
                                       std::to_string(value));
  }
}

void check_bits_width(int64_t width) {
  if (width >= 1 && width <= int64_t{kMaxBits}) return;
  throw Error(ErrorKind::kValue,
              "width = " + std::to_string(width) + ", expected 1 <= width <= 64");
}

std::vector<PackedInterval> pack_bits(std::span<const uint64_t> values, uint32_t width) {
  check_bits_width(width);
  std::vector<PackedInterval> packed;
  packed.reserve(values.size() * ((width + kBitsChunk - 1) / kBitsChunk));
  for_pieces(values.size(), [&](uint64_t first, uint64_t size) {
    for (uint64_t i = first; i < first + size; ++i) {
      const uint64_t value = values[i];
      if (width < kMaxBits && value >> width != 0) {
        throw Error(ErrorKind::kValue, "values[" + std::to_string(i) +
                                           "] = " + std::to_string(value) +
                                           ", expected 0 <= value < 2**" + std::to_string(width));
      }
      bits_to_intervals(value, width, [&](PackedInterval interval) { packed.push_back(interval); });
    }
  });
  return packed;
}

void pull_bits(Decoder& decoder, uint32_t width, std::span<uint64_t> values) {
  check_bits_width(width);
  decoder.guarded([&] {
    for_pieces(values.size(), [&](uint64_t first, uint64_t size) {
      for (uint64_t& value : values.subspan(first, size)) {
        value = bits_from_intervals(decoder, width);
      }
    });
  });
}

}  // namespace fastcoder
