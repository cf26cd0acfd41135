// SPDX-License-Identifier: Apache-2.0
#include "coder/fast_tables.h"

#include <algorithm>
#include <limits>

#include "format/params.h"

namespace fastcoder {
namespace {

// 64 KiB a row, and more than the fewest buckets only up to 1 MiB in all: a slot value is uniform,
// so all buckets of the rows in use are hot, and what misses the second-level cache costs more than
// the cold lookups that it saves (128 Gaussian rows, AVX2, Zen 5, Msymbols/s with 2^8 to 2^12
// buckets: W1 703, 690, 658, 354, 340; W2 613, 683, 517, 402, 250). The limits are absolute, so
// hostile table bytes cannot make them large.
constexpr uint32_t kMinBucketBits = 8;
constexpr uint32_t kMaxBucketBits = 13;
constexpr uint64_t kWantedBucketEntries = uint64_t{1} << 17;
constexpr uint64_t kMaxBucketEntries = uint64_t{1} << 20;
constexpr uint64_t kMaxDenseEntries = uint64_t{1} << 20;

uint32_t working_precision(const TableView& table) {
  return table.precision <= Narrow::kPrecision ? Narrow::kPrecision : Wide::kPrecision;
}

uint64_t row_entries(uint32_t bucket_bits) {
  return (uint64_t{1} << bucket_bits) + (uint64_t{1} << kRowPadBits);
}

// The share of slot values that a bucket entry cannot decide: third and later slots of a bucket.
// Counted at the table's own precision; a bucket then is 2^(precision - bits) values, or one value.
double crowded_mass(const TableView& table, const RowView& row, uint32_t bits) {
  const uint32_t* cdf = table.cdf + row.cdf_begin;
  if (table.precision <= bits) return 0.0;
  const uint32_t shift = table.precision - bits;
  uint64_t crowded = 0;
  uint32_t slot = 0;
  for (uint32_t bucket = 0; bucket < 1u << bits; ++bucket) {
    const uint32_t begin = bucket << shift;
    const uint32_t end = begin + (1u << shift);
    while (cdf[slot + 1] <= begin) ++slot;
    if (slot + 2 < row.slots && cdf[slot + 2] < end) crowded += end - cdf[slot + 2];
  }
  return static_cast<double>(crowded) / static_cast<double>(uint64_t{1} << table.precision);
}

// The fewest buckets for which a cold lookup is rare: on average below 2^-9 of a row's mass.
uint32_t choose_bucket_bits(const TableView& table, uint32_t precision) {
  uint32_t bits = std::min(kMinBucketBits, precision);
  for (; bits < std::min(kMaxBucketBits, precision); ++bits) {
    if (table.row_count * row_entries(bits + 1) > kWantedBucketEntries) break;
    double mass = 0.0;
    for (uint64_t r = 0; r < table.row_count; ++r) mass += crowded_mass(table, table.rows[r], bits);
    if (mass < 0x1p-9 * static_cast<double>(table.row_count)) break;
  }
  return bits;
}

// One list for all tables of a width.
template <class Width>
const uint64_t* reciprocals() {
  static const std::vector<uint64_t> all = [] {
    std::vector<uint64_t> result(std::min(65536u, (1u << Width::kPrecision) + 1));
    for (uint64_t f = 1; f < result.size(); ++f) result[f] = UINT64_MAX / f;
    return result;
  }();
  return all.data();
}

}  // namespace

FastTables::FastTables(const TableView& table) {
  constexpr int64_t kLow = std::numeric_limits<int16_t>::min();
  constexpr int64_t kHigh = std::numeric_limits<int16_t>::max();
  const uint32_t precision = working_precision(table);
  if (table.row_count * row_entries(kMinBucketBits) > kMaxBucketEntries) return;
  int64_t low = kHigh;
  int64_t high = kLow;
  for (uint64_t r = 0; r < table.row_count; ++r) {
    const RowView& row = table.rows[r];
    if (row.symbols == 0) continue;
    low = std::min(low, int64_t{row.offset});
    high = std::max(high, int64_t{row.offset} + row.symbols - 1);
    if (low < kLow || high > kHigh) return;
  }
  if (low > high) low = high = 0;  // every row is only an escape
  view_.dense_low = static_cast<int32_t>(low - 1);
  view_.dense_high = static_cast<int32_t>(high + 1);
  // An odd number of cache lines: no two rows' hot entries share a set for long.
  const uint64_t width = static_cast<uint64_t>(high - low + 3);
  const uint64_t stride = ((width + 15) / 16 | 1) * 16;
  if (stride * table.row_count > kMaxDenseEntries) return;
  view_.dense_stride = static_cast<uint32_t>(stride);
  view_.reciprocals = precision == Narrow::kPrecision ? reciprocals<Narrow>() : reciprocals<Wide>();
  view_.bucket_bits = choose_bucket_bits(table, precision);
  build_buckets(table, precision);
  build_dense(table, precision);
}

void FastTables::build_buckets(const TableView& table, uint32_t precision) {
  const uint32_t bits = view_.bucket_bits;
  const uint32_t scale = precision - table.precision;
  buckets_.resize(table.row_count * row_entries(bits));
  for (uint64_t r = 0; r < table.row_count; ++r) {
    const RowView& row = table.rows[r];
    const uint32_t* cdf = table.cdf + row.cdf_begin;
    uint64_t* entries = buckets_.data() + r * row_entries(bits);
    const auto frequency = [&](uint32_t k) -> uint64_t {  // 2^16 becomes 0, as table_view.h says
      return k < row.symbols ? (cdf[k + 1] - cdf[k]) << scale & 0xFFFF : 0;
    };
    uint32_t slot = 0;
    for (uint32_t bucket = 0; bucket < 1u << bits; ++bucket) {
      const uint32_t begin = bucket << (precision - bits);
      while (cdf[slot + 1] << scale <= begin) ++slot;
      const uint64_t symbol = static_cast<uint16_t>(row.offset + static_cast<int32_t>(slot));
      entries[bucket] = symbol << 48 | frequency(slot + 1) << 32 | frequency(slot) << 16 |
                        uint64_t{cdf[slot]} << scale;
    }
  }
  view_.buckets = buckets_.data();
}

void FastTables::build_dense(const TableView& table, uint32_t precision) {
  const uint32_t scale = precision - table.precision;
  dense_.resize(table.row_count * view_.dense_stride);
  for (uint64_t r = 0; r < table.row_count; ++r) {
    const RowView& row = table.rows[r];
    const uint32_t* cdf = table.cdf + row.cdf_begin;
    uint32_t* entries = dense_.data() + r * view_.dense_stride +
                        (row.symbols == 0 ? 1 : row.offset - view_.dense_low);
    for (uint32_t k = 0; k < row.symbols; ++k) {
      entries[k] = cdf[k] << scale | (cdf[k + 1] - cdf[k]) << scale << 16;
    }
  }
  view_.dense = dense_.data();
}

}  // namespace fastcoder
