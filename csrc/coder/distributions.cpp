// SPDX-License-Identifier: Apache-2.0
#include "coder/distributions.h"

#include <cstdint>
#include <limits>
#include <string>

#include "base/error.h"
#include "coder/numeric.h"

namespace fastcoder {
namespace {

// The smallest normal double: numeric::log takes no subnormals.
constexpr double kLeastScale = std::numeric_limits<double>::min();

// P(X > x) for scale 1 and x >= 0: never a difference of numbers close to 1, so that far tails
// keep their relative accuracy.
using Survival = double (*)(double);

double gaussian_survival(double x) {
  constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;
  return 0.5 * numeric::erfc(x * kSqrtHalf);
}

double laplace_survival(double x) { return 0.5 * numeric::exp(-x); }

double logistic_survival(double x) {
  const double decay = numeric::exp(-x);
  return decay / (1.0 + decay);
}

// Where 2 P(X > x) falls to `tail_mass`, by bisection: 80 halvings of [0, 1024] leave nothing of a
// double, and at 1024 all three distributions have underflowed to 0.
double tail_quantile(Survival survival, double tail_mass) {
  double low = 0.0;
  double high = 1024.0;
  for (int i = 0; i < 80; ++i) {
    const double middle = 0.5 * (low + high);
    (2.0 * survival(middle) <= tail_mass ? high : low) = middle;
  }
  return high;
}

// The smallest integer c with 2 P(X > c) <= tail_mass; as a double, because a row that does not
// fit is reported with it. `quantile` is good to an ulp, the last step is decided by `survival`.
double row_reach(Survival survival, double scale, double tail_mass, double quantile) {
  const double guess = scale * quantile;
  if (guess > 1e9) return guess;
  double reach = 1.0 + static_cast<double>(static_cast<int64_t>(guess));
  while (2.0 * survival(reach / scale) > tail_mass) reach += 1.0;
  while (reach > 1.0 && 2.0 * survival((reach - 1.0) / scale) <= tail_mass) reach -= 1.0;
  return reach;
}

void check_arguments(std::span<const double> scales, int precision, double tail_mass) {
  if (precision < 1 || precision > kMaxPrecision) {
    throw Error(ErrorKind::kTable,
                "precision = " + std::to_string(precision) + ", expected 1 <= precision <= 16");
  }
  if (!(tail_mass > 0.0 && tail_mass < 1.0)) {
    throw Error(ErrorKind::kTable,
                "tail_mass = " + numeric::text_of(tail_mass) + ", expected 0 < tail_mass < 1");
  }
  for (size_t i = 0; i < scales.size(); ++i) {
    if (!(scales[i] >= kLeastScale) || !numeric::is_finite(scales[i])) {
      throw Error(ErrorKind::kTable, "scales[" + std::to_string(i) +
                                         "] = " + numeric::text_of(scales[i]) + ", expected " +
                                         numeric::text_of(kLeastScale) + " <= scale < inf");
    }
  }
}

// Masses of the symbols -reach..reach and of the escape. Every boundary is evaluated once and the
// negative side is the mirror image of the positive one.
void row_masses(Survival survival, double scale, uint32_t reach, std::vector<double>& masses) {
  masses.resize(2 * size_t{reach} + 2);
  double outside = survival(0.5 / scale);
  masses[reach] = 1.0 - 2.0 * outside;
  for (uint32_t k = 1; k <= reach; ++k) {
    const double beyond = survival((k + 0.5) / scale);
    masses[reach + k] = masses[reach - k] = outside - beyond;
    outside = beyond;
  }
  masses.back() = 2.0 * outside;
}

void make_symmetric(uint32_t reach, std::span<uint32_t> frequencies) {
  for (uint32_t k = 1; k <= reach; ++k) {
    uint32_t& left = frequencies[reach - k];
    uint32_t& right = frequencies[reach + k];
    if (left > right) {
      frequencies[reach] += left - right;
      left = right;
    } else if (right > left) {
      frequencies[reach] += right - left;
      right = left;
    }
  }
}

std::shared_ptr<const CdfTable> symmetric_table(Survival survival, std::span<const double> scales,
                                                int precision, double tail_mass) {
  check_arguments(scales, precision, tail_mass);
  const double quantile = tail_quantile(survival, tail_mass);
  const double limit = static_cast<double>(uint32_t{1} << precision);
  std::vector<uint32_t> cdf;
  std::vector<uint32_t> slots;
  std::vector<int32_t> offsets;
  std::vector<double> masses;
  std::vector<uint32_t> frequencies;
  for (size_t i = 0; i < scales.size(); ++i) {
    const double exact_reach = row_reach(survival, scales[i], tail_mass, quantile);
    if (2.0 * exact_reach + 2.0 > limit) {
      throw Error(ErrorKind::kTable,
                  "scales[" + std::to_string(i) + "] = " + numeric::text_of(scales[i]) + " needs " +
                      numeric::text_of(2.0 * exact_reach + 2.0) +
                      " slots, expected <= " + numeric::text_of(limit) + " slots, 2^precision");
    }
    const uint32_t reach = static_cast<uint32_t>(exact_reach);
    row_masses(survival, scales[i], reach, masses);
    frequencies.resize(masses.size());
    quantize_pmf(masses, precision, frequencies);
    make_symmetric(reach, frequencies);
    uint32_t start = 0;
    cdf.push_back(start);
    for (const uint32_t frequency : frequencies) cdf.push_back(start += frequency);
    slots.push_back(static_cast<uint32_t>(masses.size()));
    offsets.push_back(-static_cast<int32_t>(reach));
  }
  return CdfTable::from_cdf(cdf, slots, offsets, precision, true);
}

}  // namespace

std::vector<double> scale_table(double minimum, double maximum, int levels) {
  if (levels < 2 || levels > kMaxScaleLevels) {
    throw Error(ErrorKind::kValue,
                "levels = " + std::to_string(levels) + ", expected 2 <= levels <= 65536");
  }
  if (!(minimum >= kLeastScale) || !numeric::is_finite(minimum)) {
    throw Error(ErrorKind::kValue, "minimum = " + numeric::text_of(minimum) + ", expected " +
                                       numeric::text_of(kLeastScale) + " <= minimum < inf");
  }
  if (!(maximum > minimum) || !numeric::is_finite(maximum)) {
    throw Error(ErrorKind::kValue, "maximum = " + numeric::text_of(maximum) + ", expected " +
                                       numeric::text_of(minimum) + " < maximum < inf");
  }
  const double first = numeric::log(minimum);
  const double step = (numeric::log(maximum) - first) / (levels - 1);
  std::vector<double> scales(static_cast<size_t>(levels));
  for (int i = 0; i < levels; ++i) {
    scales[static_cast<size_t>(i)] = numeric::exp(first + i * step);
  }
  scales.front() = minimum;
  scales.back() = maximum;
  for (size_t i = 1; i < scales.size(); ++i) {
    if (!(scales[i] > scales[i - 1])) {
      throw Error(ErrorKind::kValue, "levels = " + std::to_string(levels) +
                                         ", expected fewer: neighboring scales coincide");
    }
  }
  return scales;
}

std::shared_ptr<const CdfTable> gaussian_table(std::span<const double> scales, int precision,
                                               double tail_mass) {
  return symmetric_table(gaussian_survival, scales, precision, tail_mass);
}

std::shared_ptr<const CdfTable> laplace_table(std::span<const double> scales, int precision,
                                              double tail_mass) {
  return symmetric_table(laplace_survival, scales, precision, tail_mass);
}

std::shared_ptr<const CdfTable> logistic_table(std::span<const double> scales, int precision,
                                               double tail_mass) {
  return symmetric_table(logistic_survival, scales, precision, tail_mass);
}

}  // namespace fastcoder
