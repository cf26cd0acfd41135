// SPDX-License-Identifier: Apache-2.0
// Means, scales and weights to fixed point: exactly rounded operations only.
#include <bit>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "coder/numeric.h"
#include "coder/parametric.h"

namespace fastcoder {
namespace {

constexpr double kMostMeanReal = kMostMean;
constexpr double kMostScaleReal = int64_t{1} << kMostScaleExponent;

std::string place(const char* name, uint64_t position) {
  return std::string(name) + "[" + std::to_string(position) + "] = ";
}

template <class T>
struct Filled {
  std::shared_ptr<T[]> values;
  explicit Filled(uint64_t count) : values(new T[count]) {}  // not zeroed
  T& operator[](uint64_t i) const { return values.get()[i]; }
};

// Half to even. Adding 1.5 * 2^52 leaves a double no bits below 1; |x| stays far below 2^51.
int32_t round_mean(double mean) {
  constexpr double kShift = 6755399441055744.0;
  const double shifted = mean * (1 << kMeanBits) + kShift;
  return static_cast<int32_t>(std::bit_cast<uint64_t>(shifted) & 0xFFFFFFFF);
}

// The bits of a double are its logarithm, piecewise linear: an addition rounds the fraction to
// eight bits, half up, and carries into the exponent.
uint16_t round_scale(double scale) {
  constexpr uint32_t kDropped = 52 - kScaleFractionBits;
  constexpr int64_t kLeast = int64_t{1023 + kLeastScaleExponent} << kScaleFractionBits;
  const uint64_t bits = std::bit_cast<uint64_t>(scale);
  const int64_t code =
      static_cast<int64_t>((bits + (uint64_t{1} << (kDropped - 1))) >> kDropped) - kLeast;
  return static_cast<uint16_t>(code < 0 ? 0 : code);
}

template <class Real>
FixedMeans fix_all_means(std::span<const Real> means) {
  const Filled<int32_t> out(means.size());
  bool bad = false;
  for (size_t i = 0; i < means.size(); ++i) {
    const double mean = static_cast<double>(means[i]);
    const bool good = mean >= -kMostMeanReal && mean <= kMostMeanReal;  // false for NaN
    bad |= !good;
    out[i] = round_mean(good ? mean : 0.0);
  }
  for (size_t i = 0; bad && i < means.size(); ++i) {
    const double mean = static_cast<double>(means[i]);
    if (mean >= -kMostMeanReal && mean <= kMostMeanReal) continue;
    throw Error(ErrorKind::kValue,
                place("mean", i) + numeric::text_of(mean) + ", expected -2**20 <= mean <= 2**20");
  }
  return {out.values, means.size()};
}

template <class Real>
FixedScales fix_all_scales(std::span<const Real> scales) {
  const Filled<uint16_t> out(scales.size());
  bool bad = false;
  for (size_t i = 0; i < scales.size(); ++i) {
    const double scale = static_cast<double>(scales[i]);
    const bool good = scale >= 0.0 && scale <= kMostScaleReal;
    bad |= !good;
    out[i] = round_scale(good && scale > 0.0 ? scale : 0.0);  // -0.0 has a sign bit
  }
  for (size_t i = 0; bad && i < scales.size(); ++i) {
    const double scale = static_cast<double>(scales[i]);
    if (scale >= 0.0 && scale <= kMostScaleReal) continue;
    throw Error(ErrorKind::kValue,
                place("scale", i) + numeric::text_of(scale) + ", expected 0 <= scale <= 2**20");
  }
  return {out.values, scales.size()};
}

}  // namespace

FixedMeans fix_means(std::span<const float> means) { return fix_all_means(means); }
FixedMeans fix_means(std::span<const double> means) { return fix_all_means(means); }
FixedScales fix_scales(std::span<const float> scales) { return fix_all_scales(scales); }
FixedScales fix_scales(std::span<const double> scales) { return fix_all_scales(scales); }

std::vector<FixedWeights> fix_weights(std::span<const std::span<const double>> weights,
                                      uint64_t count) {
  const auto weight = [&](size_t k, uint64_t i) {
    return weights[k][weights[k].size() == 1 ? 0 : i];
  };
  const auto name = [](size_t k, uint64_t i) {
    return "weights[" + std::to_string(k) + "][" + std::to_string(i) + "] = ";
  };
  std::vector<Filled<uint32_t>> out(weights.size(), Filled<uint32_t>(0));
  for (auto& filled : out) filled = Filled<uint32_t>(count);
  for (uint64_t i = 0; i < count; ++i) {
    double total = 0.0;
    for (size_t k = 0; k < weights.size(); ++k) {
      const double w = weight(k, i);
      if (!(w >= 0.0 && w <= 0x1p+512)) {
        throw Error(ErrorKind::kValue,
                    name(k, i) + numeric::text_of(w) + ", expected 0 <= weight <= 2**512");
      }
      total += w;
    }
    if (!(total >= 0x1p-512)) {
      throw Error(ErrorKind::kValue, "sum(weights[:][" + std::to_string(i) + "]) = " +
                                         numeric::text_of(total) + ", expected at least 2**-512");
    }
    double sum = 0.0;
    uint32_t below = 0;
    for (size_t k = 0; k < weights.size(); ++k) {
      sum += weight(k, i);
      // The last sum is the total, to the bit, so that the last quotient is 1.
      const uint32_t edge = static_cast<uint32_t>(sum / total * (1 << kWeightBits) + 0.5);
      out[k][i] = edge - below;
      below = edge;
    }
  }
  std::vector<FixedWeights> result;
  for (const auto& filled : out) result.push_back({filled.values, count});
  return result;
}

FixedMeans copy_means(std::span<const int32_t> means) {
  const Filled<int32_t> out(means.size());
  for (size_t i = 0; i < means.size(); ++i) {
    const int32_t mean = out[i] = means[i];
    if (mean < -kMostFixedMean || mean > kMostFixedMean) {
      throw Error(ErrorKind::kValue,
                  place("mean", i) + std::to_string(mean) + ", expected -2**30 <= mean <= 2**30");
    }
  }
  return {out.values, means.size()};
}

FixedScales copy_scales(std::span<const uint16_t> scales) {
  const Filled<uint16_t> out(scales.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    const uint16_t scale = out[i] = scales[i];
    if (scale > kMostFixedScale) {
      throw Error(ErrorKind::kValue,
                  place("scale", i) + std::to_string(scale) + ", expected 0 <= scale <= 7680");
    }
  }
  return {out.values, scales.size()};
}

}  // namespace fastcoder
