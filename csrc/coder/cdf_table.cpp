// SPDX-License-Identifier: Apache-2.0
#include "coder/cdf_table.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "coder/numeric.h"
#include "coder/siphash.h"
#include "coder/table_errors.h"

namespace fastcoder {
namespace {

constexpr uint32_t kMaxBuckets = 4096;  // 8 KiB a row: beyond it the walk from a bucket is short

void check_precision(int precision) {
  if (precision < 1 || precision > kMaxPrecision) {
    fail_table("precision = " + std::to_string(precision) + ", expected 1 <= precision <= 16");
  }
}

void check_row_count(const char* name, size_t rows, size_t offsets) {
  if (rows < 1 || rows > kMaxRows) {
    fail_table("rows = " + std::to_string(rows) + ", expected 1 <= rows <= 2147483647");
  }
  if (offsets != rows) {
    fail_table("len(offsets) = " + std::to_string(offsets) + ", expected " + std::to_string(rows) +
               ", one for each row of " + name);
  }
}

void check_slots(const char* name, size_t row, uint64_t slots, int precision, bool escape) {
  const uint64_t limit = uint64_t{1} << precision;
  if (slots < 1 || slots > limit) {
    fail_table("slots(" + place_in(name, row) + ") = " + std::to_string(slots) +
               (escape ? " with the escape" : "") +
               ", expected 1 <= slots <= " + std::to_string(limit));
  }
}

void check_offset(size_t row, int32_t offset, uint64_t symbols) {
  constexpr int64_t kLast = std::numeric_limits<int32_t>::max();
  if (symbols > 0 && offset > kLast - static_cast<int64_t>(symbols) + 1) {
    fail_table(place_in("offsets", row) + " = " + std::to_string(offset) +
               ", expected <= " + std::to_string(kLast - static_cast<int64_t>(symbols) + 1) +
               ", so that the last symbol is an int32");
  }
}

void check_cdf_row(size_t row, std::span<const uint32_t> cdf, int precision) {
  const uint32_t total = uint32_t{1} << precision;
  if (cdf.front() != 0) {
    fail_table(place_in("cdf", row, 0) + " = " + std::to_string(cdf.front()) + ", expected 0");
  }
  for (size_t i = 1; i < cdf.size(); ++i) {
    if (cdf[i] <= cdf[i - 1]) {
      fail_table(place_in("cdf", row, i) + " = " + std::to_string(cdf[i]) + ", expected > " +
                 std::to_string(cdf[i - 1]));
    }
  }
  if (cdf.back() != total) {
    fail_table(place_in("cdf", row, cdf.size() - 1) + " = " + std::to_string(cdf.back()) +
               ", expected " + std::to_string(total));
  }
}

// On the bits: a host that treats subnormals as 0 must reject the same rows.
void check_pmf_row(size_t row, std::span<const double> pmf) {
  uint64_t any = 0;
  for (size_t i = 0; i < pmf.size(); ++i) {
    const uint64_t bits = std::bit_cast<uint64_t>(pmf[i]);
    const bool negative = bits > uint64_t{1} << 63;  // -0.0 is 0
    if (negative || !numeric::is_finite(pmf[i])) {
      fail_table(place_in("pmf", row, i) + " = " + numeric::text_of(pmf[i]) +
                 ", expected finite and >= 0");
    }
    any |= bits << 1;
  }
  if (any == 0 && !pmf.empty())
    fail_table("sum(" + place_in("pmf", row) + ") = 0, expected sum > 0");
}

// max(0, 1 - sum), with a compensated sum: the rounding errors of 65,535 additions would otherwise
// show up as escape mass.
double escape_mass(std::span<const double> pmf) {
  double sum = 0.0;
  double lost = 0.0;
  for (const double p : pmf) {
    if (p >= 1.0) return 0.0;  // also keeps huge unnormalized rows from overflowing
    const double next = sum + p;
    lost += sum >= p ? (sum - next) + p : (p - next) + sum;
    sum = next;
  }
  const double mass = (1.0 - sum) - lost;
  return mass > 0.0 ? mass : 0.0;
}

}  // namespace

CdfTable::CdfTable(std::vector<uint32_t> cdf, std::span<const uint32_t> slots,
                   std::vector<int32_t> offsets, int precision, bool escape)
    : cdf_(std::move(cdf)), offsets_(std::move(offsets)) {
  check_precision(precision);
  check_row_count("cdf", slots.size(), offsets_.size());
  view_.precision = static_cast<uint32_t>(precision);
  view_.escape = escape ? 1 : 0;
  row_views_.reserve(slots.size());
  size_t begin = 0;
  size_t bucket_count = 0;
  for (size_t r = 0; r < slots.size(); ++r) {
    check_slots("cdf", r, slots[r], precision, escape);
    const size_t entries = size_t{slots[r]} + 1;
    if (cdf_.size() - begin < entries) {
      fail_table("len(" + place_in("cdf", r) + ") = " + std::to_string(cdf_.size() - begin) +
                 ", expected " + std::to_string(entries));
    }
    check_cdf_row(r, std::span(cdf_).subspan(begin, entries), precision);
    RowView row{};
    row.cdf_begin = begin;
    row.bucket_begin = bucket_count;
    row.offset = offsets_[r];
    row.slots = slots[r];
    row.symbols = slots[r] - view_.escape;
    check_offset(r, row.offset, row.symbols);
    // Two buckets for each slot keep the mean walk below one step for any row; one slot needs none.
    const uint32_t wanted = slots[r] == 1 ? 1 : std::bit_ceil(2 * slots[r]);
    const uint32_t buckets = std::min({wanted, uint32_t{1} << precision, kMaxBuckets});
    row.bucket_shift = view_.precision - static_cast<uint32_t>(std::countr_zero(buckets));
    row_views_.push_back(row);
    begin += entries;
    bucket_count += buckets;
  }
  if (begin != cdf_.size()) {
    fail_table("len(cdf) = " + std::to_string(cdf_.size()) + ", expected " + std::to_string(begin) +
               ", slots + 1 for each row");
  }
  buckets_.reserve(bucket_count);
  for (const RowView& row : row_views_) append_buckets(row);
  view_.cdf = cdf_.data();
  view_.buckets = buckets_.data();
  view_.rows = row_views_.data();
  view_.row_count = row_views_.size();
  fingerprint_ = siphash_2_4(bytes_before_fingerprint());
}

const TableView& CdfTable::coding_view() const {
  std::call_once(coding_once_, [this] {
    fast_ = std::make_unique<FastTables>(view_);
    coding_view_ = view_;
    coding_view_.fast = fast_->view();
  });
  return coding_view_;
}

void CdfTable::append_buckets(const RowView& row) {
  const uint32_t* cdf = cdf_.data() + row.cdf_begin;
  const uint32_t count = uint32_t{1} << (view_.precision - row.bucket_shift);
  uint32_t slot = 0;
  for (uint32_t bucket = 0; bucket < count; ++bucket) {
    while (cdf[slot + 1] <= bucket << row.bucket_shift) ++slot;
    buckets_.push_back(static_cast<uint16_t>(slot));
  }
}

std::span<const uint32_t> CdfTable::cdf(size_t row) const {
  if (row >= rows()) {
    throw Error(ErrorKind::kIndexRange,
                "row = " + std::to_string(row) + ", expected 0 <= row < " + std::to_string(rows()));
  }
  return std::span(cdf_).subspan(row_views_[row].cdf_begin, size_t{row_views_[row].slots} + 1);
}

std::shared_ptr<const CdfTable> CdfTable::from_cdf(std::span<const uint32_t> cdf,
                                                   std::span<const uint32_t> slots,
                                                   std::span<const int32_t> offsets, int precision,
                                                   bool escape) {
  return std::shared_ptr<const CdfTable>(new CdfTable(
      {cdf.begin(), cdf.end()}, slots, {offsets.begin(), offsets.end()}, precision, escape));
}

std::shared_ptr<const CdfTable> CdfTable::from_pmf(std::span<const double> pmf,
                                                   std::span<const uint32_t> lengths,
                                                   std::span<const int32_t> offsets, int precision,
                                                   bool escape) {
  check_precision(precision);
  check_row_count("pmf", lengths.size(), offsets.size());
  std::vector<uint32_t> cdf;
  std::vector<uint32_t> slots;
  cdf.reserve(pmf.size() + 2 * lengths.size());
  slots.reserve(lengths.size());
  std::vector<double> weights;
  std::vector<uint32_t> frequencies;
  size_t begin = 0;
  for (size_t r = 0; r < lengths.size(); ++r) {
    check_slots("pmf", r, uint64_t{lengths[r]} + (escape ? 1 : 0), precision, escape);
    if (pmf.size() - begin < lengths[r]) {
      fail_table("len(" + place_in("pmf", r) + ") = " + std::to_string(pmf.size() - begin) +
                 ", expected " + std::to_string(lengths[r]));
    }
    const std::span<const double> row = pmf.subspan(begin, lengths[r]);
    check_pmf_row(r, row);
    weights.assign(row.begin(), row.end());
    if (escape) weights.push_back(escape_mass(row));
    frequencies.resize(weights.size());
    quantize_pmf(weights, precision, frequencies);
    uint32_t start = 0;
    cdf.push_back(start);
    for (const uint32_t frequency : frequencies) cdf.push_back(start += frequency);
    slots.push_back(static_cast<uint32_t>(weights.size()));
    begin += row.size();
  }
  if (begin != pmf.size()) {
    fail_table("len(pmf) = " + std::to_string(pmf.size()) + ", expected " + std::to_string(begin) +
               ", the sum of lengths");
  }
  return std::shared_ptr<const CdfTable>(
      new CdfTable(std::move(cdf), slots, {offsets.begin(), offsets.end()}, precision, escape));
}

}  // namespace fastcoder
