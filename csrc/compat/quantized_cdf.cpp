// SPDX-License-Identifier: Apache-2.0
#include "compat/quantized_cdf.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "base/error.h"
#include "coder/numeric.h"

namespace fastcoder {
namespace {

[[noreturn]] void throw_table(const std::string& what) { throw Error(ErrorKind::kTable, what); }

std::vector<uint64_t> counts_of(std::span<const double> pmf, int precision) {
  std::vector<uint64_t> counts;
  counts.reserve(pmf.size());
  for (size_t i = 0; i < pmf.size(); ++i) {
    const std::string name = "pmf[" + std::to_string(i) + "] = ";
    const float value = static_cast<float>(pmf[i]);
    if (!numeric::is_finite(value) || value < 0.0f) {
      throw_table(name + numeric::text_of(pmf[i]) + ", expected a finite number >= 0");
    }
    // A power of two: nothing is rounded before the half away from zero is.
    const double count = std::round(std::ldexp(static_cast<double>(value), precision));
    if (count >= 0x1p32) {
      throw_table(name + numeric::text_of(pmf[i]) + ", expected less than 2**(32 - precision)");
    }
    counts.push_back(static_cast<uint64_t>(count));
  }
  return counts;
}

// Slots with more than one, the fewest first. The first of them stays first until it has only one
// left, so this is the order of all gifts.
std::vector<size_t> donors_of(const std::vector<uint64_t>& frequencies) {
  std::vector<size_t> donors;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    if (frequencies[i] > 1) donors.push_back(i);
  }
  std::stable_sort(donors.begin(), donors.end(),
                   [&](size_t a, size_t b) { return frequencies[a] < frequencies[b]; });
  return donors;
}

}  // namespace

std::vector<uint32_t> quantized_cdf(std::span<const double> pmf, int64_t precision) {
  if (precision < 1 || precision > 31) {
    throw_table("precision = " + std::to_string(precision) + ", expected 1 <= precision <= 31");
  }
  std::vector<uint64_t> frequencies = counts_of(pmf, static_cast<int>(precision));
  const uint64_t sum = std::accumulate(frequencies.begin(), frequencies.end(), uint64_t{0});
  if (sum == 0) throw_table("sum(pmf) = 0, expected at least one value > 0 after rounding");
  const uint64_t total = uint64_t{1} << precision;
  if (pmf.size() > total) {
    throw_table("len(pmf) = " + std::to_string(pmf.size()) + ", expected at most 2**precision");
  }
  uint64_t given = 0;
  for (uint64_t& frequency : frequencies) {
    frequency = total * frequency / sum;  // below 2^31 * 2^32
    given += frequency;
  }
  frequencies.back() += total - given;
  const std::vector<size_t> donors = donors_of(frequencies);
  size_t donor = 0;
  for (uint64_t& frequency : frequencies) {
    if (frequency != 0) continue;
    // There is one: no more slots than counts.
    while (frequencies[donors[donor]] == 1) ++donor;
    --frequencies[donors[donor]];
    frequency = 1;
  }
  std::vector<uint32_t> cdf{0};
  for (const uint64_t frequency : frequencies) {
    cdf.push_back(cdf.back() + static_cast<uint32_t>(frequency));
  }
  return cdf;
}

}  // namespace fastcoder
