// SPDX-License-Identifier: Apache-2.0
// Tables: elementary functions, quantizer, rows, distributions, bytes, scale indexes, cost. Over
// 400 lines because every part is checked against the same oracles and tables, defined once below.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "check.h"
#include "coder/cdf_table.h"
#include "coder/cost.h"
#include "coder/distributions.h"
#include "coder/numeric.h"
#include "coder/pmf_quantizer.h"
#include "coder/scale_indexer.h"
#include "coder/siphash.h"
#include "coder/spans.h"

namespace fastcoder {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int32_t kInt32Min = std::numeric_limits<int32_t>::min();
constexpr int32_t kInt32Max = std::numeric_limits<int32_t>::max();

// std::uniform_real_distribution differs between standard libraries; the engine does not.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  double real(double low, double high) {
    return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53);
  }
  uint32_t integer(uint32_t count) { return static_cast<uint32_t>(engine_() % count); }

 private:
  std::mt19937_64 engine_;
};

using Table = std::shared_ptr<const CdfTable>;

Table default_table() {
  return gaussian_table(
      scale_table(kDefaultScaleMinimum, kDefaultScaleMaximum, kDefaultScaleLevels),
      kDefaultPrecision, kDefaultTailMass);
}

Table one_pmf_row(const std::vector<double>& pmf, int32_t offset, int precision, bool escape) {
  const uint32_t length = static_cast<uint32_t>(pmf.size());
  return CdfTable::from_pmf(pmf, {{length}}, {{offset}}, precision, escape);
}

std::vector<uint32_t> frequencies_of(const CdfTable& table, size_t row) {
  const auto cdf = table.cdf(row);
  std::vector<uint32_t> frequencies;
  for (size_t k = 0; k + 1 < cdf.size(); ++k) frequencies.push_back(cdf[k + 1] - cdf[k]);
  return frequencies;
}

// An empty `indexes` stands for row 0.
double cost_of(const std::vector<int32_t>& symbols, const std::vector<int32_t>& indexes,
               const CdfTable& table) {
  Part part;
  part.table = &table;
  part.symbols = {symbols.data(), ElementType::kInt32};
  part.indexes = {indexes.data(), indexes.empty() ? ElementType::kNone : ElementType::kInt32};
  part.count = symbols.size();
  return cost(part);
}

// ---- numeric ---------------------------------------------------------------------------------

template <typename Own, typename Reference>
double worst_relative_error(Own own, Reference reference, double low, double high) {
  Random random(1);
  double worst = 0.0;
  for (int i = 0; i < 100000; ++i) {
    const double x = random.real(low, high);
    const long double exact = reference(static_cast<long double>(x));
    worst = std::max(worst, static_cast<double>(std::abs((own(x) - exact) / exact)));
  }
  return worst;
}

TEST(numeric_functions_meet_the_bounds_of_their_header) {
  const auto exact_exp = [](long double x) { return std::exp(x); };
  const auto exact_log = [](long double x) { return std::log(x); };
  const auto exact_log2 = [](long double x) { return std::log2(x); };
  const auto exact_erfc = [](long double x) { return std::erfc(x); };
  CHECK(worst_relative_error(numeric::exp, exact_exp, -1.0, 1.0) < 4e-16);
  CHECK(worst_relative_error(numeric::exp, exact_exp, -708.0, 709.7) < 4e-16);
  CHECK(worst_relative_error(numeric::log, exact_log, 0.5, 2.0) < 6e-16);
  CHECK(worst_relative_error(numeric::log, exact_log, 1e-300, 1e-299) < 6e-16);
  CHECK(worst_relative_error(numeric::log, exact_log, 2.0, 1e6) < 6e-16);
  CHECK(worst_relative_error(numeric::log2, exact_log2, 0.5, 2.0) < 6e-16);
  CHECK(worst_relative_error(numeric::log2, exact_log2, 1.0, 65536.0) < 6e-16);
  CHECK(worst_relative_error(numeric::erfc, exact_erfc, -6.0, 0.0) < 4e-15);
  CHECK(worst_relative_error(numeric::erfc, exact_erfc, 0.0, 2.0) < 4e-15);
  CHECK(worst_relative_error(numeric::erfc, exact_erfc, 2.0, 6.0) < 4e-15);
  CHECK(worst_relative_error(numeric::erfc, exact_erfc, 6.0, 26.5) < 4e-15);
}

TEST(numeric_functions_are_exact_where_they_must_be) {
  CHECK_EQ(numeric::exp(0.0), 1.0);
  CHECK_EQ(numeric::exp(-1000.0), 0.0);
  CHECK_EQ(numeric::exp(1000.0), kInf);
  CHECK_EQ(numeric::exp(-kInf), 0.0);
  CHECK_EQ(numeric::erfc(0.0), 1.0);
  CHECK_EQ(numeric::erfc(kInf), 0.0);
  CHECK_EQ(numeric::erfc(-kInf), 2.0);
  for (int e = -1022; e < 1024; ++e) CHECK_EQ(numeric::log2(std::ldexp(1.0, e)), double{1} * e);
  double before = kInf;
  for (uint32_t n = 1; n <= 65536; ++n) {
    const double step = numeric::log2_step(n);
    const long double exact = std::log1p(1.0L / n) / std::log(2.0L);
    CHECK(step < before && std::abs((step - exact) / exact) < 6e-16L);
    before = step;
  }
}

TEST(numeric_text_reads_back) {
  CHECK_EQ(numeric::text_of(0.1), std::string("0.1"));
  CHECK_EQ(numeric::text_of(-kNan), std::string("nan"));
  CHECK_EQ(numeric::text_of(1.0 / 3.0), std::string("0.333333333333333"
                                                    "31"));
}

// ---- quantizer -------------------------------------------------------------------------------

std::vector<uint32_t> quantize(const std::vector<double>& weights, int precision) {
  std::vector<uint32_t> frequencies(weights.size());
  quantize_pmf(weights, precision, frequencies);
  return frequencies;
}

double objective(const std::vector<double>& weights, const std::vector<uint32_t>& frequencies) {
  double sum = 0.0;
  for (size_t i = 0; i < weights.size(); ++i) sum += weights[i] * std::log2(frequencies[i]);
  return sum;
}

// The best objective over all ways to share `left` counts among the slots from `slot` on.
double best_objective(const std::vector<double>& weights, size_t slot, uint32_t left) {
  const size_t after = weights.size() - slot - 1;
  if (after == 0) return weights[slot] * std::log2(left);
  double best = -kInf;
  for (uint32_t f = 1; f + after <= left; ++f) {
    best =
        std::max(best, weights[slot] * std::log2(f) + best_objective(weights, slot + 1, left - f));
  }
  return best;
}

TEST(quantizer_reaches_the_optimum_of_all_allocations) {
  Random random(2);
  for (int trial = 0; trial < 1500; ++trial) {
    const int precision = 1 + static_cast<int>(random.integer(5));
    const uint32_t total = uint32_t{1} << precision;
    std::vector<double> weights(1 + random.integer(std::min(total, 5u)));
    const double spread = random.real(0.0, 12.0);
    for (double& w : weights) w = std::exp(spread * random.real(-1.0, 1.0));
    if (random.integer(4) == 0) weights[random.integer(2) % weights.size()] = 0.0;
    if (*std::max_element(weights.begin(), weights.end()) == 0.0) weights[0] = 1.0;
    const double best = best_objective(weights, 0, total);
    CHECK(objective(weights, quantize(weights, precision)) >= best - 1e-12 * std::abs(best));
  }
}

// Optimal means that no single count is worth more elsewhere (the objective is concave).
void check_no_exchange_improves(const std::vector<double>& weights, int precision) {
  const std::vector<uint32_t> f = quantize(weights, precision);
  uint64_t total = 0;
  double best_gain = 0.0;
  double least_loss = kInf;
  for (size_t i = 0; i < f.size(); ++i) {
    CHECK(f[i] >= 1);
    total += f[i];
    best_gain = std::max(best_gain, weights[i] * std::log2(1.0 + 1.0 / f[i]));
    if (f[i] > 1) {
      least_loss = std::min(least_loss, weights[i] * std::log2(1.0 + 1.0 / (f[i] - 1)));
    }
  }
  CHECK_EQ(total, uint64_t{1} << precision);
  CHECK(best_gain <= least_loss * (1.0 + 1e-12));
}

TEST(quantizer_leaves_no_better_exchange_in_large_rows) {
  Random random(3);
  for (const uint32_t slots : {2u, 100u, 5000u, 16383u, 65535u, 65536u}) {
    for (const double spread : {0.0, 0.01, 3.0, 30.0, 600.0}) {
      std::vector<double> weights(slots);
      for (double& w : weights) w = std::exp(spread * random.real(-1.0, 1.0));
      check_no_exchange_improves(weights, slots <= 16384 ? 14 : 16);
      check_no_exchange_improves(weights, 16);
    }
  }
  // Geometric weights pin slot after slot: the slow case of the starting point.
  std::vector<double> geometric(4000);
  for (size_t i = 0; i < geometric.size(); ++i) geometric[i] = std::pow(0.8, double(i % 3000));
  check_no_exchange_improves(geometric, 12);
}

TEST(quantizer_breaks_ties_by_position) {
  using Counts = std::vector<uint32_t>;
  CHECK(quantize({1, 1, 1}, 2) == (Counts{2, 1, 1}));
  CHECK(quantize({1, 1, 1, 1, 1}, 3) == (Counts{2, 2, 2, 1, 1}));
  CHECK(quantize({1, 2, 1, 2}, 3) == (Counts{1, 3, 1, 3}));
  CHECK(quantize({0, 0, 7, 0}, 4) == (Counts{1, 1, 13, 1}));
  std::vector<double> equal(65535, 0.25);
  const Counts f = quantize(equal, 16);
  CHECK_EQ(f[0], 2u);
  CHECK_EQ(*std::max_element(f.begin() + 1, f.end()), 1u);
}

TEST(quantizer_sees_only_ratios_of_any_doubles) {
  Random random(4);
  std::vector<double> weights(300);
  for (double& w : weights) w = random.real(0.5, 1.0) * (random.integer(3) == 0 ? 1e-5 : 1.0);
  // 30 bits, so that the weights survive as subnormals.
  for (double& w : weights) w = std::ldexp(std::round(std::ldexp(w, 30)), -30);
  const auto expected = quantize(weights, 12);
  for (const int shift : {-1040, -900, 3, 1000, 1023}) {
    std::vector<double> scaled = weights;
    for (double& w : scaled) w = std::ldexp(w, shift);
    CHECK(quantize(scaled, 12) == expected);
  }
  CHECK(quantize({5e-324, 5e-324}, 4) == (std::vector<uint32_t>{8, 8}));
  CHECK(quantize({1e308, 1e308, 5e-324}, 2) == (std::vector<uint32_t>{2, 1, 1}));
  for (int precision = 1; precision <= 16; ++precision) {
    CHECK_EQ(quantize({0.3}, precision)[0], uint32_t{1} << precision);
  }
}

// ---- rows ------------------------------------------------------------------------------------

void check_invariants(const CdfTable& table) {
  const TableView& view = table.view();
  CHECK_EQ(view.row_count, table.rows());
  for (size_t r = 0; r < table.rows(); ++r) {
    const RowView& row = view.rows[r];
    const auto cdf = table.cdf(r);
    CHECK_EQ(cdf.size(), size_t{row.slots} + 1);
    CHECK_EQ(row.symbols + view.escape, row.slots);
    CHECK_EQ(row.offset, table.offsets()[r]);
    CHECK(cdf.data() == view.cdf + row.cdf_begin);
    CHECK_EQ(cdf.front(), 0u);
    CHECK_EQ(cdf.back(), 1u << view.precision);
    CHECK(std::adjacent_find(cdf.begin(), cdf.end(), std::greater_equal<>()) == cdf.end());
    const uint32_t buckets = 1u << (view.precision - row.bucket_shift);
    CHECK(buckets <= 4096 &&
          (buckets >= 2 * row.slots || buckets == 4096 || row.bucket_shift == 0 || row.slots == 1));
    bool right = true;
    for (uint32_t b = 0; b < buckets; ++b) {
      const uint32_t value = b << row.bucket_shift;
      const uint32_t slot = view.buckets[row.bucket_begin + b];
      right &= cdf[slot] <= value && value < cdf[slot + 1];
    }
    CHECK(right);
  }
}

TEST(rows_of_every_shape_keep_the_invariants) {
  Random random(5);
  for (int precision = 1; precision <= 16; ++precision) {
    for (const bool escape : {false, true}) {
      std::vector<double> pmf;
      std::vector<uint32_t> lengths;
      std::vector<int32_t> offsets;
      for (int r = 0; r < 20; ++r) {
        const uint32_t most = (1u << precision) - (escape ? 1 : 0);
        lengths.push_back(r == 0 ? most : 1 + random.integer(r < 10 ? std::min(most, 9u) : most));
        offsets.push_back(static_cast<int32_t>(random.integer(100)) - 50);
        for (uint32_t k = 0; k < lengths.back(); ++k) {
          pmf.push_back(std::exp(random.real(-9.0, 1.0)) / lengths.back());
        }
      }
      const Table table = CdfTable::from_pmf(pmf, lengths, offsets, precision, escape);
      check_invariants(*table);
      CHECK(CdfTable::from_bytes(table->to_bytes())->fingerprint() == table->fingerprint());
    }
  }
}

TEST(pmf_rows_get_the_mass_that_the_header_promises) {
  using Counts = std::vector<uint32_t>;
  CHECK(frequencies_of(*one_pmf_row({0.25, 0.25}, 0, 2, true), 0) == (Counts{1, 1, 2}));
  CHECK(frequencies_of(*one_pmf_row({0.25, 0.25}, 0, 2, false), 0) == (Counts{2, 2}));
  CHECK(frequencies_of(*one_pmf_row({3.0, 1.0}, 0, 3, true), 0) == (Counts{5, 2, 1}));
  CHECK(frequencies_of(*one_pmf_row({0.6, 0.2, 0.2}, 0, 4, true), 0)[3] == 1);
  CHECK(frequencies_of(*one_pmf_row({5e-324}, 0, 4, true), 0) == (Counts{1, 15}));
  CHECK(frequencies_of(*one_pmf_row({}, 7, 4, true), 0) == (Counts{16}));
  CHECK(frequencies_of(*one_pmf_row({-0.0, 1.0}, 0, 1, false), 0) == (Counts{1, 1}));
  const std::vector<double> flat(65535, 1.0 / 65535);
  CHECK_EQ(frequencies_of(*one_pmf_row(flat, 0, 16, true), 0)[65535], 1u);
}

TEST(pmf_errors_name_row_position_and_value) {
  const std::vector<double> good = {0.5, 0.5};
  const auto second_row = [&](std::vector<double> values) {
    std::vector<double> pmf = good;
    pmf.insert(pmf.end(), values.begin(), values.end());
    const uint32_t length = static_cast<uint32_t>(values.size());
    return CdfTable::from_pmf(pmf, {{2u, length}}, {{0, 0}}, 4, true);
  };
  constexpr ErrorKind kTable = ErrorKind::kTable;
  CHECK_ERROR(kTable, "pmf[1][2] = nan, expected finite and >= 0", second_row({1, 0, kNan}));
  CHECK_ERROR(kTable, "pmf[1][0] = inf, expected finite and >= 0", second_row({kInf, 0}));
  CHECK_ERROR(kTable, "pmf[1][1] = -0.25, expected finite and >= 0", second_row({1, -0.25}));
  CHECK_ERROR(kTable, "pmf[1][1] = -4.94066e-324", second_row({1, -5e-324}));
  CHECK_ERROR(kTable, "sum(pmf[1]) = 0, expected sum > 0", second_row({0, -0.0}));
  CHECK_ERROR(kTable, "slots(pmf[1]) = 17 with the escape, expected 1 <= slots <= 16",
              second_row(std::vector<double>(16, 0.1)));
  CHECK_ERROR(kTable, "slots(pmf[0]) = 0", one_pmf_row({}, 0, 4, false));
  CHECK_ERROR(kTable, "precision = 17, expected 1 <= precision <= 16", one_pmf_row(good, 0, 17, 1));
  CHECK_ERROR(kTable, "precision = 0", one_pmf_row(good, 0, 0, false));
  CHECK_ERROR(kTable, "offsets[0] = 2147483647, expected <= 2147483646",
              one_pmf_row(good, kInt32Max, 4, true));
  CHECK_EQ(one_pmf_row(good, kInt32Max - 1, 4, true)->offsets()[0], kInt32Max - 1);
  CHECK_EQ(one_pmf_row(good, kInt32Min, 4, true)->offsets()[0], kInt32Min);
  CHECK_ERROR(kTable, "rows = 0", CdfTable::from_pmf({}, {}, {}, 4, true));
  CHECK_ERROR(kTable, "len(offsets) = 2", CdfTable::from_pmf(good, {{2u}}, {{0, 0}}, 4, true));
  CHECK_ERROR(kTable, "len(pmf[0]) = 2, expected 3",
              CdfTable::from_pmf(good, {{3u}}, {{0}}, 4, true));
  CHECK_ERROR(kTable, "len(pmf) = 2, expected 1", CdfTable::from_pmf(good, {{1u}}, {{0}}, 4, true));
}

TEST(cdf_errors_name_row_position_and_value) {
  using Cdf = std::vector<uint32_t>;
  const auto make = [](Cdf cdf, std::vector<uint32_t> slots, bool escape) {
    const std::vector<int32_t> offsets(slots.size());
    return CdfTable::from_cdf(cdf, slots, offsets, 3, escape);
  };
  constexpr ErrorKind kTable = ErrorKind::kTable;
  CHECK_ERROR(kTable, "cdf[1][0] = 1, expected 0", make({0, 8, 1, 8}, {1, 1}, false));
  CHECK_ERROR(kTable, "cdf[0][2] = 3, expected > 3", make({0, 3, 3, 8}, {3}, false));
  CHECK_ERROR(kTable, "cdf[0][2] = 1, expected > 3", make({0, 3, 1, 8}, {3}, false));
  CHECK_ERROR(kTable, "cdf[0][1] = 7, expected 8", make({0, 7}, {1}, false));
  CHECK_ERROR(kTable, "cdf[0][2] = 9, expected 8", make({0, 8, 9}, {2}, false));
  CHECK_ERROR(kTable, "slots(cdf[0]) = 9", make({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {9}, false));
  CHECK_ERROR(kTable, "slots(cdf[0]) = 0", make({0}, {0}, false));
  CHECK_ERROR(kTable, "len(cdf[1]) = 1, expected 3", make({0, 8, 0}, {1, 2}, false));
  CHECK_ERROR(kTable, "len(cdf) = 3, expected 2", make({0, 8, 8}, {1}, false));
  const Table only_escape = make({0, 8}, {1}, true);
  CHECK_EQ(only_escape->view().rows[0].symbols, 0u);
  CHECK_ERROR(ErrorKind::kIndexRange, "row = 1, expected 0 <= row < 1", only_escape->cdf(1));
}

// ---- distributions ---------------------------------------------------------------------------

TEST(scale_table_is_log_spaced_between_exact_ends) {
  const auto scales = scale_table(0.11, 256.0, 64);
  CHECK_EQ(scales.size(), size_t{64});
  CHECK(scales.front() == 0.11 && scales.back() == 256.0);
  for (size_t i = 0; i < 64; ++i) {
    const double x = static_cast<double>(i);
    const double exact = std::exp(std::log(0.11) + x * (std::log(256.0) - std::log(0.11)) / 63);
    CHECK(std::abs(scales[i] / exact - 1) < 1e-14);
  }
  constexpr ErrorKind kValue = ErrorKind::kValue;
  CHECK_ERROR(kValue, "levels = 1, expected 2 <= levels <= 65536", scale_table(1, 2, 1));
  CHECK_ERROR(kValue, "levels = 65537", scale_table(1, 2, 65537));
  CHECK_ERROR(kValue, "minimum = 0, expected", scale_table(0, 2, 9));
  CHECK_ERROR(kValue, "minimum = nan, expected", scale_table(kNan, 2, 9));
  CHECK_ERROR(kValue, "maximum = 1, expected 1 < maximum < inf", scale_table(1, 1, 9));
  CHECK_ERROR(kValue, "maximum = inf, expected", scale_table(1, kInf, 9));
  CHECK_ERROR(kValue, "levels = 100", scale_table(1, 1 + 1e-15, 100));
}

TEST(distribution_rows_are_symmetric_and_reach_the_tail) {
  const auto scales = scale_table(0.05, 100.0, 40);
  for (const double tail : {0.5, 0x1p-12, 1e-9}) {
    // -Phi^-1(tail / 2) by bisection on the standard erfc.
    double low = 0.0, high = 40.0;
    for (int i = 0; i < 200; ++i) {
      const double middle = 0.5 * (low + high);
      (std::erfc(middle / std::sqrt(2.0)) <= tail ? high : low) = middle;
    }
    const double quantiles[] = {high, -std::log(tail), std::log(2.0 / tail - 1.0)};
    const Table tables[] = {gaussian_table(scales, 16, tail), laplace_table(scales, 16, tail),
                            logistic_table(scales, 16, tail)};
    for (size_t t = 0; t < 3; ++t) {
      check_invariants(*tables[t]);
      for (size_t r = 0; r < scales.size(); ++r) {
        const int32_t reach = static_cast<int32_t>(std::ceil(scales[r] * quantiles[t]));
        CHECK_EQ(tables[t]->offsets()[r], -reach);
        const auto f = frequencies_of(*tables[t], r);
        CHECK_EQ(f.size(), static_cast<size_t>(2 * reach + 2));
        CHECK(std::equal(f.begin(), f.end() - 1, f.rbegin() + 1));
      }
    }
  }
}

TEST(distribution_errors_name_the_scale) {
  constexpr ErrorKind kTable = ErrorKind::kTable;
  const std::vector<double> scales = {1.0, 256.0};
  CHECK_ERROR(kTable, "scales[1] = 256 needs 1882 slots, expected <= 1024 slots, 2^precision",
              gaussian_table(scales, 10, 0x1p-12));
  CHECK_ERROR(kTable, "scales[0] = 1e+300 needs", laplace_table({{1e300}}, 16, 0.5));
  CHECK_ERROR(kTable, "scales[1] = nan", logistic_table({{1.0, kNan}}, 16, 0.5));
  CHECK_ERROR(kTable, "scales[0] = -1", gaussian_table({{-1.0}}, 16, 0.5));
  CHECK_ERROR(kTable, "scales[0] = 0", gaussian_table({{0.0}}, 16, 0.5));
  CHECK_ERROR(kTable, "tail_mass = 1, expected 0 < tail_mass < 1", gaussian_table(scales, 16, 1.0));
  CHECK_ERROR(kTable, "tail_mass = nan", gaussian_table(scales, 16, kNan));
  CHECK_ERROR(kTable, "precision = 20", gaussian_table(scales, 20, 0.5));
  CHECK_ERROR(kTable, "rows = 0", gaussian_table({}, 16, 0.5));
  // Far below and far above what models use: still rows, no overflow.
  check_invariants(*gaussian_table({{1e-300, 1e-9, 1.0}}, 14, 1e-300));
  check_invariants(*logistic_table({{1e-300, 50.0}}, 16, 1e-100));
}

// Expected bits under the row, escapes included, minus the entropy of the exact distribution.
double redundancy(const CdfTable& table, size_t row, double sigma) {
  const int32_t last = static_cast<int32_t>(12.0 * sigma) + 10;
  const auto mass = [&](int32_t k) {
    const double x = std::abs(double(k));
    const double unit = 1.0 / (sigma * std::sqrt(2.0));
    if (k == 0) return 1.0 - std::erfc(0.5 * unit);
    return 0.5 * (std::erfc((x - 0.5) * unit) - std::erfc((x + 0.5) * unit));
  };
  const std::vector<int32_t> index = {static_cast<int32_t>(row)};
  double bits = 0.0;
  for (int32_t k = -last; k <= last; ++k) {
    const double p = mass(k);
    if (p > 0.0) bits += p * (cost_of({k}, index, table) + std::log2(p));
  }
  return bits;
}

TEST(gaussian_rows_lose_no_more_than_was_measured_for_the_design) {
  const auto scales = scale_table(0.11, 256.0, 64);
  struct Limit {
    int precision;
    double mean_below_16, at_first, at_last;
  };
  for (const Limit& limit :
       {Limit{14, 9.5e-5, 2.35e-4, 0.0255}, Limit{16, 3.5e-5, 4.6e-5, 0.00295}}) {
    const Table table = gaussian_table(scales, limit.precision, 0x1p-12);
    double sum = 0.0;
    size_t count = 0;
    for (; scales[count] < 16.0; ++count) sum += redundancy(*table, count, scales[count]);
    CHECK(sum / static_cast<double>(count) < limit.mean_below_16);
    CHECK(redundancy(*table, 0, scales[0]) < limit.at_first);
    CHECK(redundancy(*table, 63, scales[63]) < limit.at_last);
    CHECK_EQ(table->view().rows[63].symbols, 1881u);
  }
}

// ---- bytes -----------------------------------------------------------------------------------

void seal(std::vector<uint8_t>& bytes) {
  const uint64_t hash = siphash_2_4(std::span(bytes).first(bytes.size() - 8));
  for (size_t i = 0; i < 8; ++i)
    bytes[bytes.size() - 8 + i] = static_cast<uint8_t>(hash >> (8 * i));
}

TEST(siphash_gives_the_published_vectors) {
  std::vector<uint8_t> message(15);
  for (uint8_t i = 0; i < 15; ++i) message[i] = i;
  const SipHashKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  CHECK_EQ(siphash_2_4(message, key), 0xa129ca6149be45e5u);
  CHECK_EQ(siphash_2_4(std::span(message).first(0), key), 0x726fdb47dd0e0e31u);
  CHECK_EQ(siphash_2_4(std::span(message).first(8), key), 0x93f5f5799a932462u);
}

TEST(bytes_are_those_of_the_documented_layout) {
  const Table table = CdfTable::from_cdf({{0u, 1u, 201u, 256u}}, {{3u}}, {{-2}}, 8, true);
  std::vector<uint8_t> expected = {'F', 'C', 'T', 1, 8, 1, 1, 3, 3, 0, 0xc7, 0x01, 54};
  CHECK_EQ(table->fingerprint(), siphash_2_4(expected));
  expected.resize(expected.size() + 8);
  seal(expected);
  CHECK(table->to_bytes() == expected);
}

TEST(bytes_round_trip) {
  std::vector<Table> tables = {default_table(), one_pmf_row({}, kInt32Min, 16, true),
                               one_pmf_row({1.0}, kInt32Max, 1, false)};
  tables.push_back(one_pmf_row(std::vector<double>(65535, 1.0), -40000, 16, true));
  for (const Table& table : tables) {
    const Table back = CdfTable::from_bytes(table->to_bytes());
    check_invariants(*back);
    CHECK(back->to_bytes() == table->to_bytes());
    CHECK_EQ(back->fingerprint(), table->fingerprint());
    CHECK_EQ(back->precision(), table->precision());
    CHECK_EQ(back->escape(), table->escape());
    for (size_t r = 0; r < table->rows(); ++r) {
      CHECK_EQ(back->offsets()[r], table->offsets()[r]);
      CHECK(std::ranges::equal(back->cdf(r), table->cdf(r)));
    }
  }
}

bool is_rejected(const std::vector<uint8_t>& bytes) {
  try {
    static_cast<void>(CdfTable::from_bytes(bytes));
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kTable;
  }
  return false;
}

TEST(bytes_with_any_change_are_rejected) {
  const auto bytes = gaussian_table({{0.11, 0.5, 3.0}}, 10, 0x1p-8)->to_bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      auto changed = bytes;
      changed[i] = static_cast<uint8_t>(value);
      CHECK_EQ(is_rejected(changed), value != bytes[i]);
    }
    CHECK(is_rejected({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(i)}));
  }
  for (int value = 0; value < 256; ++value) {
    auto longer = bytes;
    longer.push_back(static_cast<uint8_t>(value));
    CHECK(is_rejected(longer));
  }
}

TEST(bytes_with_a_forged_fingerprint_are_canonical_or_rejected) {
  Random random(6);
  const auto bytes = gaussian_table({{0.11, 0.5, 3.0}}, 10, 0x1p-8)->to_bytes();
  int accepted = 0;
  for (int trial = 0; trial < 60000; ++trial) {
    auto forged = bytes;
    for (uint32_t n = 1 + random.integer(3); n > 0; --n) {
      const auto at = forged.begin() + random.integer(static_cast<uint32_t>(forged.size() - 8));
      switch (random.integer(4)) {
        case 0:
          *at = static_cast<uint8_t>(random.integer(256));
          break;
        case 1:
          *at ^= static_cast<uint8_t>(1u << random.integer(8));
          break;
        case 2:
          forged.insert(at, static_cast<uint8_t>(random.integer(256)));
          break;
        default:
          forged.erase(at);
          break;
      }
    }
    seal(forged);
    if (is_rejected(forged)) continue;
    const Table table = CdfTable::from_bytes(forged);
    check_invariants(*table);
    CHECK(table->to_bytes() == forged);
    ++accepted;
  }
  CHECK(accepted > 100);  // offsets may take any value, so some forgeries are honest tables
}

TEST(bytes_errors_name_the_position) {
  using Bytes = std::vector<uint8_t>;
  const auto read = [](Bytes bytes, bool sealed = true) {
    if (sealed) {
      bytes.resize(bytes.size() + 8);
      seal(bytes);
    }
    return CdfTable::from_bytes(bytes);
  };
  constexpr ErrorKind kTable = ErrorKind::kTable;
  CHECK_EQ(read({'F', 'C', 'T', 1, 1, 0, 1, 0, 1, 1})->rows(), size_t{1});
  CHECK_ERROR(kTable, "data[0] = the end, expected the magic", read({}, false));
  CHECK_ERROR(kTable, "data[1] = 88, expected the magic", read({'F', 'X', 'T'}));
  CHECK_ERROR(kTable, "data[3] = 2, expected version 1",
              read({'F', 'C', 'T', 2, 1, 0, 1, 0, 1, 1}));
  CHECK_ERROR(kTable, "data[4] = 17, expected", read({'F', 'C', 'T', 1, 17, 0, 1, 0, 1, 1}));
  CHECK_ERROR(kTable, "data[5] = 2, expected", read({'F', 'C', 'T', 1, 1, 2, 1, 0, 1, 1}));
  CHECK_ERROR(kTable, "data[6] = 0 rows", read({'F', 'C', 'T', 1, 1, 0, 0, 0, 1, 1}));
  CHECK_ERROR(kTable, "data[6] = 4294967295 rows",
              read({'F', 'C', 'T', 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}));
  CHECK_ERROR(kTable, "data[6] = a varint beyond 32 bits",
              read({'F', 'C', 'T', 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x1f}));
  CHECK_ERROR(kTable, "data[6] = a padded varint",
              read({'F', 'C', 'T', 1, 1, 0, 0x81, 0, 0, 1, 1}));
  CHECK_ERROR(kTable, "data[8] = 65537 slots",
              read({'F', 'C', 'T', 1, 16, 0, 1, 0, 0x81, 0x80, 0x04, 1}));
  CHECK_ERROR(kTable, "data[9] = 2, expected a frequency - 1 < 2",
              read({'F', 'C', 'T', 1, 1, 0, 1, 0, 1, 2}));
  CHECK_ERROR(kTable, "data[10] = the end of a row of total 1, expected the total 2",
              read({'F', 'C', 'T', 1, 1, 0, 1, 0, 1, 0}));
  CHECK_ERROR(kTable, "data[10] = 9 last bytes", read({'F', 'C', 'T', 1, 1, 0, 1, 0, 1, 1, 0}));
  CHECK_ERROR(kTable, "data[10] = another fingerprint",
              read({'F', 'C', 'T', 1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, false));
  CHECK_ERROR(kTable, "offsets[0] = 2147483647",
              read({'F', 'C', 'T', 1, 1, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 2, 0, 0}));
}

// A table is part of the file format of every model: these may change only together with the
// version byte of the tables. tests/unit/test_builds.py compares them between compilers.
TEST(fingerprint_of_the_default_table_is_golden) {
  CHECK_EQ(default_table()->fingerprint(), 0xad42a326a0f3f86cu);
}

// ---- scale indexes ---------------------------------------------------------------------------

template <typename Float, typename Index>
void check_indexes(const std::vector<double>& thresholds, const std::vector<Float>& sigma) {
  std::vector<Index> indexes(sigma.size());
  scale_indexes(sigma.data(), sigma.size(), thresholds, indexes.data());
  size_t wrong = 0;
  for (size_t i = 0; i < sigma.size(); ++i) {
    const auto below = std::lower_bound(thresholds.begin(), thresholds.end(), double{sigma[i]});
    wrong += indexes[i] != static_cast<size_t>(below - thresholds.begin());
  }
  CHECK_EQ(wrong, size_t{0});
}

template <typename Float>
std::vector<Float> probes(const std::vector<double>& thresholds) {
  constexpr Float kLargest = std::numeric_limits<Float>::max();
  std::vector<Float> sigma = {Float{0}, -Float{0}, std::numeric_limits<Float>::denorm_min(),
                              std::numeric_limits<Float>::min(), kLargest};
  for (const double t : thresholds) {
    const Float near = static_cast<Float>(std::min(t, double{kLargest}));
    for (const Float x : {std::nextafter(near, Float{0}), near, std::nextafter(near, kLargest)}) {
      sigma.push_back(x);
    }
  }
  Random random(7);
  for (int i = 0; i < 5000; ++i) sigma.push_back(Float(std::exp(random.real(-9.0, 9.0))));
  return sigma;
}

TEST(scale_indexes_equal_the_count_of_thresholds_below) {
  std::vector<std::vector<double>> all = {{0.5}, {1e-320, 1e-310, 1e-40, 1.0, 1e39, 1e300}};
  for (const int levels : {2, 64, 65, 128, 256, 257, 5000, 65536})
    all.push_back(scale_table(0.11, 256, levels));
  std::vector<double> dense;  // many scales within one cell of the search
  for (int i = 0; i < 300; ++i) dense.push_back(1.0 + i * 1e-9);
  all.push_back(dense);
  for (const auto& scales : all) {
    for (const ScaleRule rule : {ScaleRule::kNearest, ScaleRule::kCeil}) {
      const auto thresholds = scale_thresholds(scales, rule);
      CHECK_EQ(thresholds.size(), scales.size() - 1);
      check_indexes<float, uint16_t>(thresholds, probes<float>(thresholds));
      check_indexes<double, uint16_t>(thresholds, probes<double>(thresholds));
      if (scales.size() > 256) continue;
      check_indexes<float, uint8_t>(thresholds, probes<float>(thresholds));
      check_indexes<double, uint8_t>(thresholds, probes<double>(thresholds));
    }
  }
}

TEST(scale_thresholds_follow_their_rule) {
  using Values = std::vector<double>;
  CHECK(scale_thresholds({{1.0, 4.0, 16.0}}, ScaleRule::kNearest) == (Values{2.0, 8.0}));
  CHECK(scale_thresholds({{1.0, 4.0, 16.0}}, ScaleRule::kCeil) == (Values{1.0, 4.0}));
  CHECK(scale_thresholds({{3.0}}, ScaleRule::kNearest).empty());
  const Values far = scale_thresholds({{1e-300, 4e-300, 1e300, 4e300}}, ScaleRule::kNearest);
  CHECK(std::abs(far[0] / 2e-300 - 1) < 1e-15 && far[1] == 2.0 &&
        std::abs(far[2] / 2e300 - 1) < 1e-15);
  constexpr ErrorKind kValue = ErrorKind::kValue;
  const auto nearest = [](const Values& scales) {
    return scale_thresholds(scales, ScaleRule::kNearest);
  };
  CHECK_ERROR(kValue, "len(scales) = 0", nearest({}));
  CHECK_ERROR(kValue, "len(scales) = 65537", nearest(Values(65537, 1.0)));
  CHECK_ERROR(kValue, "scales[1] = 1, expected > 1", nearest({1.0, 1.0}));
  CHECK_ERROR(kValue, "scales[2] = 1, expected > 2", nearest({1.0, 2.0, 1.0}));
  CHECK_ERROR(kValue, "scales[0] = 0, expected > 0", nearest({0.0, 1.0}));
  CHECK_ERROR(kValue, "scales[1] = nan, expected > 0", nearest({1.0, kNan}));
  CHECK_ERROR(kValue, "scales[1] = inf, expected > 0, finite", nearest({1.0, kInf}));
}

template <typename Float>
void check_scale_errors() {
  const std::vector<double> thresholds = {1.0, 2.0};
  std::vector<uint8_t> out(3000);
  for (const Float bad : {Float(kNan), Float(-kNan), Float(kInf), Float(-kInf), Float(-1e-30)}) {
    for (const size_t position : {0u, 1023u, 1024u, 2999u}) {
      std::vector<Float> sigma(3000, Float{1.5});
      sigma[position] = sigma[2999] = bad;
      CHECK_ERROR(ErrorKind::kValue, "sigma[" + std::to_string(position) + "] = ",
                  scale_indexes(sigma.data(), sigma.size(), thresholds, out.data()));
    }
  }
  CHECK_ERROR(ErrorKind::kValue, "sigma[0] = nan, expected 0 <= sigma < inf",
              scale_indexes(std::vector<Float>{Float(kNan)}.data(), 1, thresholds, out.data()));
  const std::vector<double> unsorted = {2.0, 1.0};
  const std::vector<double> many(256, 1.0);
  const Float one = 1;
  CHECK_ERROR(ErrorKind::kValue, "thresholds[1] = 1, expected >= 2",
              scale_indexes(&one, 1, unsorted, out.data()));
  CHECK_ERROR(ErrorKind::kValue, "len(scales) = 257, expected <= 256",
              scale_indexes(&one, 1, many, out.data()));
  scale_indexes(static_cast<const Float*>(nullptr), 0, thresholds, out.data());
}

TEST(scale_indexes_name_the_first_sigma_that_is_no_scale) {
  check_scale_errors<float>();
  check_scale_errors<double>();
}

// ---- cost ------------------------------------------------------------------------------------

TEST(cost_adds_slots_and_escapes) {
  // Slots: -1 (1/4), 0 (1/2), 1 (1/8), escape (1/8).
  const Table table = CdfTable::from_cdf({{0u, 2u, 6u, 7u, 8u}}, {{4u}}, {{-1}}, 3, true);
  const auto bits = [&](int32_t symbol) { return cost_of({symbol}, {}, *table); };
  CHECK_EQ(bits(-1), 2.0);
  CHECK_EQ(bits(0), 1.0);
  CHECK_EQ(bits(1), 3.0);
  CHECK_EQ(bits(2), 3.0 + 1 + 1);                   // distance 1
  CHECK_EQ(bits(3), 3.0 + 3 + 1);                   // distance 2
  CHECK_EQ(bits(-2), 3.0 + 1 + 1);                  // distance 1
  CHECK_EQ(bits(-5), 3.0 + 5 + 1);                  // distance 4
  CHECK_EQ(bits(kInt32Max), 3.0 + 2 * 30 + 1 + 1);  // distance 2^31 - 2
  CHECK_EQ(bits(kInt32Min), 3.0 + 2 * 30 + 1 + 1);  // distance 2^31 - 1
  const Table low = CdfTable::from_cdf({{0u, 1u, 2u}}, {{2u}}, {{kInt32Min}}, 1, true);
  CHECK_EQ(cost_of({kInt32Max}, {}, *low), 1.0 + 2 * 31 + 1 + 1);  // distance 2^32 - 1
  const Table none = CdfTable::from_cdf({{0u, 2u}}, {{1u}}, {{0}}, 1, true);
  CHECK_EQ(cost_of({0}, {}, *none), 0.0 + 1 + 1);
  CHECK_EQ(cost_of({-1}, {}, *none), 0.0 + 1 + 1);
  CHECK_EQ(cost_of({}, {}, *table), 0.0);
}

TEST(cost_of_many_symbols_is_the_sum_of_their_costs) {
  const Table table = default_table();
  Random random(8);
  std::vector<int32_t> symbols(80000);
  std::vector<int32_t> indexes(symbols.size());
  double sum = 0.0;
  for (size_t i = 0; i < symbols.size(); ++i) {
    indexes[i] = static_cast<int32_t>(random.integer(static_cast<uint32_t>(table->rows())));
    symbols[i] = static_cast<int32_t>(random.integer(100)) - 50;
    const size_t row = static_cast<size_t>(indexes[i]);
    const int32_t slot = symbols[i] - table->offsets()[row];
    const auto f = frequencies_of(*table, row);
    const bool inside = slot >= 0 && slot + 1 < static_cast<int32_t>(f.size());
    sum += 14 - std::log2(inside ? f[static_cast<size_t>(slot)] : f.back());
    const int32_t distance = slot < 0 ? -slot : slot - static_cast<int32_t>(f.size()) + 2;
    if (!inside) sum += 2 * std::floor(std::log2(distance)) + 2;
  }
  CHECK(std::abs(cost_of(symbols, indexes, *table) / sum - 1) < 1e-12);
}

TEST(cost_errors_name_the_position) {
  const std::vector<int32_t> symbols = {0, 1, 5};
  const Table closed = CdfTable::from_cdf({{0u, 1u, 2u}}, {{2u}}, {{0}}, 1, false);
  CHECK_ERROR(ErrorKind::kSymbolRange, "symbols[2] = 5, expected 0 <= symbol <= 1",
              cost_of(symbols, {0, 0, 0}, *closed));
  CHECK_ERROR(ErrorKind::kIndexRange, "indexes[1] = 1, expected 0 <= index < 1",
              cost_of(symbols, {0, 1, 0}, *closed));
  CHECK_ERROR(ErrorKind::kIndexRange, "indexes[0] = -1", cost_of(symbols, {-1, 0, 0}, *closed));
}

}  // namespace
}  // namespace fastcoder
