// SPDX-License-Identifier: Apache-2.0
#include "coder/large_table.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <queue>
#include <string>
#include <utility>

#include "base/error.h"
#include "coder/blocks.h"
#include "coder/decoder.h"
#include "coder/encoder.h"
#include "coder/integer_codes.h"
#include "coder/interruption.h"
#include "coder/numeric.h"
#include "coder/table_errors.h"
#include "format/params.h"

namespace fastcoder {
namespace {

// 2^12 buckets of 4 bytes stay in the L1 cache; a search from one of them is short.
constexpr uint32_t kMostBucketBits = 12;

void check_precision(int precision) {
  if (precision < 1 || precision > static_cast<int>(kMaxIntervalPrecision)) {
    fail_table("precision = " + std::to_string(precision) + ", expected 1 <= precision <= 24");
  }
}

void check_sizes(size_t values, std::span<const uint32_t> slots, std::span<const int32_t> offsets,
                 int precision) {
  check_precision(precision);
  if (slots.empty() || slots.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    fail_table("rows = " + std::to_string(slots.size()) + ", expected 1 <= rows <= 2147483647");
  }
  if (offsets.size() != slots.size()) {
    fail_table("len(offsets) = " + std::to_string(offsets.size()) + ", expected " +
               std::to_string(slots.size()) + ", one for each row");
  }
  const uint64_t most = std::min(uint64_t{kMaxLargeSlots}, uint64_t{1} << precision);
  uint64_t sum = 0;
  for (size_t row = 0; row < slots.size(); ++row) {
    if (slots[row] < 1 || slots[row] > most) {
      fail_table("len(row[" + std::to_string(row) + "]) = " + std::to_string(slots[row]) +
                 ", expected 1 <= len <= " + std::to_string(most));
    }
    if (offsets[row] > std::numeric_limits<int32_t>::max() - static_cast<int64_t>(slots[row]) + 1) {
      fail_table("offsets[" + std::to_string(row) + "] = " + std::to_string(offsets[row]) +
                 ", expected a last symbol that is an int32");
    }
    sum += slots[row];
  }
  if (sum != values) {
    fail_table("sum(slots) = " + std::to_string(sum) + ", expected " + std::to_string(values));
  }
}

struct Change {
  double worth;
  uint32_t position;
};

}  // namespace

void quantize_large(std::span<const double> weights, int precision,
                    std::span<uint32_t> frequencies) {
  const int64_t total = int64_t{1} << precision;
  double sum = 0.0;
  for (const double weight : weights) sum += weight;
  int64_t left = total;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double share = weights[i] / sum * static_cast<double>(total);
    frequencies[i] = std::max(uint32_t{1}, static_cast<uint32_t>(share));
    left -= frequencies[i];
  }
  if (left > 0) {
    const auto later = [](const Change& a, const Change& b) {
      return a.worth < b.worth || (a.worth == b.worth && a.position > b.position);
    };
    std::priority_queue<Change, std::vector<Change>, decltype(later)> gains(later);
    const auto offer = [&](uint32_t i) {
      gains.push({weights[i] * numeric::log2_step(frequencies[i]), i});
    };
    for (uint32_t i = 0; i < weights.size(); ++i) offer(i);
    for (; left > 0; --left) {
      const uint32_t best = gains.top().position;
      gains.pop();
      ++frequencies[best];
      offer(best);
    }
  } else if (left < 0) {
    const auto later = [](const Change& a, const Change& b) {
      return a.worth > b.worth || (a.worth == b.worth && a.position < b.position);
    };
    std::priority_queue<Change, std::vector<Change>, decltype(later)> losses(later);
    const auto offer = [&](uint32_t i) {
      if (frequencies[i] > 1) losses.push({weights[i] * numeric::log2_step(frequencies[i] - 1), i});
    };
    for (uint32_t i = 0; i < weights.size(); ++i) offer(i);
    for (; left < 0; ++left) {
      const uint32_t best = losses.top().position;
      losses.pop();
      --frequencies[best];
      offer(best);
    }
  }
}

void LargeTable::append_row(std::span<const uint32_t> frequencies, int32_t offset) {
  const uint32_t slots = static_cast<uint32_t>(frequencies.size());
  // About two buckets to a slot.
  const uint32_t wanted = static_cast<uint32_t>(std::bit_width(slots));
  const uint32_t bits = std::min({precision_, wanted, kMostBucketBits});
  rows_.push_back({cdf_.size(), buckets_.size(), slots, offset, precision_ - bits});
  uint32_t start = 0;
  uint64_t next_bucket = 0;
  for (uint32_t slot = 0; slot < slots; ++slot) {
    cdf_.push_back(start);
    start += frequencies[slot];
    for (; next_bucket >> bits == 0 && next_bucket << (precision_ - bits) < start; ++next_bucket) {
      buckets_.push_back(slot);
    }
  }
  cdf_.push_back(start);
  buckets_.push_back(slots - 1);
}

std::shared_ptr<const LargeTable> LargeTable::from_frequencies(
    std::span<const uint32_t> frequencies, std::span<const uint32_t> slots,
    std::span<const int32_t> offsets, int precision) {
  check_sizes(frequencies.size(), slots, offsets, precision);
  const std::shared_ptr<LargeTable> table(new LargeTable(precision));
  const uint64_t total = uint64_t{1} << precision;
  size_t begin = 0;
  for (size_t row = 0; row < slots.size(); ++row) {
    const auto values = frequencies.subspan(begin, slots[row]);
    uint64_t sum = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 1 || values[i] > total) {
        fail_table(place_in("frequencies", row, i) + " = " + std::to_string(values[i]) +
                   ", expected 1 <= frequency <= " + std::to_string(total));
      }
      sum += values[i];
    }
    if (sum != total) {
      fail_table("sum(frequencies[" + std::to_string(row) + "]) = " + std::to_string(sum) +
                 ", expected " + std::to_string(total));
    }
    table->append_row(values, offsets[row]);
    begin += slots[row];
  }
  return table;
}

std::shared_ptr<const LargeTable> LargeTable::from_pmf(std::span<const double> pmf,
                                                       std::span<const uint32_t> slots,
                                                       std::span<const int32_t> offsets,
                                                       int precision) {
  check_sizes(pmf.size(), slots, offsets, precision);
  const std::shared_ptr<LargeTable> table(new LargeTable(precision));
  std::vector<uint32_t> frequencies;
  size_t begin = 0;
  for (size_t row = 0; row < slots.size(); ++row) {
    const auto weights = pmf.subspan(begin, slots[row]);
    double sum = 0.0;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (!numeric::is_finite(weights[i]) || weights[i] < 0.0) {
        fail_table(place_in("pmf", row, i) + " = " + numeric::text_of(weights[i]) +
                   ", expected 0 <= value < infinity");
      }
      sum += weights[i];
    }
    if (!numeric::is_finite(sum) || !(sum > 0.0)) {
      fail_table("sum(pmf[" + std::to_string(row) + "]) = " + numeric::text_of(sum) +
                 ", expected 0 < sum < infinity");
    }
    frequencies.resize(weights.size());
    quantize_large(weights, precision, frequencies);
    table->append_row(frequencies, offsets[row]);
    begin += slots[row];
  }
  return table;
}

std::vector<PackedInterval> pack_symbols(const LargeTable& table, const SymbolSpan& symbols,
                                         const IndexSpan& indexes, uint64_t count) {
  std::vector<PackedInterval> packed;
  packed.reserve(count);
  BlockScratch scratch;
  for (uint64_t first = 0; first < count; first += kBlock) {
    const uint64_t size = std::min(kBlock, count - first);
    const KernelIndexes rows = load_indexes(indexes, first, size, scratch);
    visit_elements(symbols.data, symbols.type, [&](const auto* values) {
      for (uint64_t i = 0; i < size; ++i) {
        const size_t row = static_cast<size_t>(index_at(rows, i));
        if (row >= table.rows()) throw_index(indexes, first + i, table.rows());
        const int64_t symbol = static_cast<int64_t>(values[first + i]);
        const uint64_t slot =
            static_cast<uint64_t>(symbol) - static_cast<uint64_t>(int64_t{table.offset(row)});
        if (slot >= table.slots(row)) {
          const int64_t low = table.offset(row);
          throw Error(ErrorKind::kSymbolRange,
                      "symbols[" + std::to_string(first + i) + "] = " + std::to_string(symbol) +
                          ", expected " + std::to_string(low) +
                          " <= symbol <= " + std::to_string(low + table.slots(row) - 1) + " (row " +
                          std::to_string(row) + ")");
        }
        packed.push_back(table.interval(row, static_cast<uint32_t>(slot)));
      }
    });
    check_interruption(size);
  }
  return packed;
}

void pull_symbols(Decoder& decoder, const LargeTable& table, const IndexSpan& indexes,
                  uint64_t count, const MutableSymbolSpan& symbols) {
  decoder.guarded([&] {
    BlockScratch scratch;
    int32_t decoded[kBlock];
    for (uint64_t first = 0; first < count; first += kBlock) {
      const uint64_t size = std::min(kBlock, count - first);
      const KernelIndexes rows = load_indexes(indexes, first, size, scratch);
      for (uint64_t i = 0; i < size; ++i) {
        const size_t row = static_cast<size_t>(index_at(rows, i));
        if (row >= table.rows()) throw_index(indexes, first + i, table.rows());
        const uint32_t slot = table.pull_slot(decoder, row);
        decoded[i] = static_cast<int32_t>(table.offset(row) + int64_t{slot});
      }
      store_decoded(decoded, symbols, first, size);
      check_interruption(size);
    }
  });
}

namespace {

// The parameter of the code of the next frequency: the Exp-Golomb code that suits a number of the
// average size of the last ones, in sixteenths. Integers only: it is part of the format.
class FrequencyCode {
 public:
  FrequencyCode(uint32_t precision, uint32_t slots)
      : average_(std::max(uint64_t{16}, (uint64_t{16} << precision) / slots)) {}

  uint32_t k() const { return static_cast<uint32_t>(std::bit_width(average_ >> 5)); }
  void saw(uint32_t frequency) { average_ = average_ - (average_ >> 4) + frequency; }

 private:
  uint64_t average_;
};

constexpr uint32_t kPrecisionBits = 5;
constexpr uint8_t kMagic[4] = {'F', 'C', 'L', kFormatVersion};

}  // namespace

std::vector<PackedInterval> pack_table(const LargeTable& table) {
  std::vector<PackedInterval> packed;
  const auto push = [&](PackedInterval interval) { packed.push_back(interval); };
  const uint32_t precision = static_cast<uint32_t>(table.precision());
  bits_to_intervals(precision, kPrecisionBits, push);
  exp_golomb_to_intervals(table.rows() - 1, 0, push);
  for (size_t row = 0; row < table.rows(); ++row) {
    const int64_t offset = table.offset(row);
    const uint64_t zigzag =
        offset < 0 ? static_cast<uint64_t>(-2 * offset - 1) : static_cast<uint64_t>(2 * offset);
    exp_golomb_to_intervals(zigzag, 0, push);
    exp_golomb_to_intervals(table.slots(row) - 1, 0, push);
    FrequencyCode code(precision, table.slots(row));
    const auto cdf = table.cdf(row);
    for (uint32_t slot = 0; slot + 1 < table.slots(row); ++slot) {
      const uint32_t frequency = cdf[slot + 1] - cdf[slot];
      exp_golomb_to_intervals(frequency - 1, code.k(), push);
      code.saw(frequency);
    }
  }
  return packed;
}

namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorKind::kCorrupt, message); }

// What a table in a stream consists of. Nothing is reserved: every number costs at least a bit of
// the stream, so memory is bounded by the bytes that are there.
struct PulledRows {
  std::vector<uint32_t> frequencies;
  std::vector<uint32_t> slots;
  std::vector<int32_t> offsets;
};

void pull_offset_and_slots(Decoder& decoder, uint64_t most_slots, PulledRows& rows) {
  const size_t row = rows.slots.size();
  const uint64_t zigzag = exp_golomb_from_intervals(decoder, 0);
  const uint64_t slots_less_one = exp_golomb_from_intervals(decoder, 0);
  if (slots_less_one >= most_slots) {
    refuse(place_in("slots", row) + " = 1 + " + std::to_string(slots_less_one) +
           ", expected at most " + std::to_string(most_slots));
  }
  if (zigzag >> 32 != 0) {
    refuse("zigzag of " + place_in("offsets", row) + " = " + std::to_string(zigzag) +
           ", expected at most 2**32 - 1");
  }
  const int64_t half = static_cast<int64_t>(zigzag >> 1);
  const int64_t offset = (zigzag & 1) != 0 ? -half - 1 : half;
  if (offset + static_cast<int64_t>(slots_less_one) > std::numeric_limits<int32_t>::max()) {
    refuse(place_in("offsets", row) + " = " + std::to_string(offset) +
           ", expected a last symbol that is an int32");
  }
  rows.slots.push_back(static_cast<uint32_t>(slots_less_one) + 1);
  rows.offsets.push_back(static_cast<int32_t>(offset));
}

void pull_frequencies(Decoder& decoder, uint32_t precision, PulledRows& rows) {
  const uint32_t slots = rows.slots.back();
  FrequencyCode code(precision, slots);
  uint64_t left = uint64_t{1} << precision;
  for (uint32_t slot = 0; slot + 1 < slots; ++slot) {
    const uint64_t less_one = exp_golomb_from_intervals(decoder, code.k());
    const uint64_t most = left - (slots - 1 - slot);  // one for each of those that follow
    if (less_one >= most) {
      refuse(place_in("frequencies", rows.slots.size() - 1, slot) + " = 1 + " +
             std::to_string(less_one) + ", expected at most " + std::to_string(most));
    }
    const uint32_t frequency = static_cast<uint32_t>(less_one) + 1;
    rows.frequencies.push_back(frequency);
    code.saw(frequency);
    left -= frequency;
  }
  rows.frequencies.push_back(static_cast<uint32_t>(left));
}

}  // namespace

std::shared_ptr<const LargeTable> pull_table(Decoder& decoder) {
  std::shared_ptr<const LargeTable> table;
  decoder.guarded([&] {
    const uint32_t precision = static_cast<uint32_t>(bits_from_intervals(decoder, kPrecisionBits));
    if (precision < 1 || precision > kMaxIntervalPrecision) {
      refuse("precision = " + std::to_string(precision) + ", expected 1 <= precision <= 24");
    }
    const uint64_t most_slots = std::min(uint64_t{kMaxLargeSlots}, uint64_t{1} << precision);
    const uint64_t rows_less_one = exp_golomb_from_intervals(decoder, 0);
    if (rows_less_one >= static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
      refuse("rows = 1 + " + std::to_string(rows_less_one) + ", expected rows <= 2147483647");
    }
    PulledRows rows;
    for (uint64_t row = 0; row <= rows_less_one; ++row) {
      pull_offset_and_slots(decoder, most_slots, rows);
      pull_frequencies(decoder, precision, rows);
    }
    table = LargeTable::from_frequencies(rows.frequencies, rows.slots, rows.offsets,
                                         static_cast<int>(precision));
  });
  return table;
}

std::vector<uint8_t> large_table_to_bytes(const LargeTable& table) {
  Encoder encoder;
  encoder.push_intervals(pack_table(table));
  EncodeOptions options;
  options.check = true;
  const std::vector<uint8_t> stream = encoder.finish(options).bytes();
  std::vector<uint8_t> bytes(sizeof kMagic + stream.size());
  std::copy(std::begin(kMagic), std::end(kMagic), bytes.begin());
  std::copy(stream.begin(), stream.end(), bytes.begin() + sizeof kMagic);
  return bytes;
}

std::shared_ptr<const LargeTable> large_table_from_bytes(std::span<const uint8_t> bytes) {
  if (bytes.size() < sizeof kMagic ||
      !std::equal(std::begin(kMagic), std::end(kMagic), bytes.begin())) {
    fail_table("magic = something else, expected the four bytes that a large table begins with");
  }
  try {
    Decoder decoder(bytes.subspan(sizeof kMagic));
    const auto table = pull_table(decoder);
    decoder.finish();
    // The hash leaves the encoder's choices (lanes, segments) open; the bytes do not.
    const std::vector<uint8_t> canonical = large_table_to_bytes(*table);
    if (!std::equal(canonical.begin(), canonical.end(), bytes.begin(), bytes.end())) {
      fail_table("data = another stream of this table, expected the one that to_bytes writes");
    }
    return table;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kTable) throw;
    fail_table(error.what());
  }
}

}  // namespace fastcoder
