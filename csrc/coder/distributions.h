// SPDX-License-Identifier: Apache-2.0
// Tables of zero-mean symmetric distributions, one row for each scale, and the scales themselves.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "coder/cdf_table.h"

namespace fastcoder {

// The default scales. The number of levels is measured in docs/decisions/0001-scale-levels.md.
inline constexpr double kDefaultScaleMinimum = 0.11;  // below it a zero costs less than 1.2e-4 bit
inline constexpr double kDefaultScaleMaximum = 256.0;
inline constexpr int kDefaultScaleLevels = 128;
inline constexpr double kDefaultTailMass = 0x1p-12;

inline constexpr int kMaxScaleLevels = 65536;  // indexes of scales are at most uint16

// `levels` scales from `minimum` to `maximum` inclusive, each the same factor above the last.
// Throws Error(kValue) unless minimum < maximum, both normal numbers > 0, 2 <= levels <= 65536, and
// the scales come out strictly increasing.
std::vector<double> scale_table(double minimum, double maximum, int levels);

// Row i is the distribution of scale scales[i], integrated over unit bins: symbols -c..c, where c
// is the smallest integer with P(|X| > c) <= tail_mass, then an escape with the mass outside
// +-(c + 1/2). Rows are quantized by quantize_pmf and then made symmetric: of two mirrored symbols
// that differ by a count, the count goes to the symbol 0.
//
// `scales` are normal numbers > 0, in any order; 0 < tail_mass < 1. Throws Error(kTable), also when
// a row needs more than 2^precision slots.
std::shared_ptr<const CdfTable> gaussian_table(std::span<const double> scales, int precision,
                                               double tail_mass);  // scale: standard deviation
std::shared_ptr<const CdfTable> laplace_table(std::span<const double> scales, int precision,
                                              double tail_mass);  // density exp(-|x|/s) / 2s
std::shared_ptr<const CdfTable> logistic_table(std::span<const double> scales, int precision,
                                               double tail_mass);  // P(X > x) = 1 / (1 + exp(x/s))

}  // namespace fastcoder
