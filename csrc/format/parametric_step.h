// SPDX-License-Identifier: Apache-2.0
// The integer cdf of the parametric distributions (docs/parametric.md): what has to be the same on
// every machine. Means and scales arrive in fixed point; everything after that is integers.
//
//   cdf(s) = (s - low) + T(s - 1/2) (2^24 - symbols) / 2^30          low < s <= high
//
// T, in units of 2^-30, never decreases, and the first term adds one per symbol: so does the cdf,
// by at least 1. At the ends it is 0 and 2^24 whatever T says: the symbols low and high get all the
// mass beyond them.
#pragma once

#include <stdint.h>

#include "base/attributes.h"

namespace fastcoder {

enum class Family : uint8_t { kGaussian, kLaplace, kLogistic };
constexpr uint32_t kFamilies = 3;

constexpr uint32_t kParametricPrecision = 24;
constexpr uint32_t kMostParametricSymbols = uint32_t{1} << 16;
constexpr int32_t kParametricLimit = int32_t{1} << 19;  // -limit <= symbol < limit

// Means are multiples of 2^-10 in [-2^20, 2^20].
constexpr uint32_t kMeanBits = 10;
constexpr int32_t kMostMean = int32_t{1} << 20;
constexpr int32_t kMostFixedMean = kMostMean << kMeanBits;

// Scale code 256 e + f stands for 2^(e - 10) (1 + f / 256): from 2^-10 to 2^20.
constexpr uint32_t kScaleFractionBits = 8;
constexpr int32_t kLeastScaleExponent = -10;
constexpr int32_t kMostScaleExponent = 20;
constexpr uint32_t kMostFixedScale = static_cast<uint32_t>(kMostScaleExponent - kLeastScaleExponent)
                                     << kScaleFractionBits;

// Weights of a mixture are multiples of 2^-16 whose sum is 1.
constexpr uint32_t kWeightBits = 16;

// T at 4,097 knots, 256 per scale (Gaussian) or 128 (Laplace, logistic). Between them it is
// straight: a line is the knot's value in its upper half and the way to the next in its lower.
constexpr uint32_t kKnots = 4096;
constexpr uint32_t kKnotBits = 30;  // T of everything is 2^30
constexpr uint32_t kLineBits = 16;  // of a place between two knots
constexpr uint32_t kLines = kKnots + 1;

// What is dropped of (2^10 distance) * (2^30 / mantissa of the scale) on the way to a place among
// the knots, besides the scale's exponent.
constexpr uint32_t line_shift(Family family) { return family == Family::kGaussian ? 6 : 7; }

// T half a symbol below `symbol`. `reciprocals` has round(2^38 / (256 + f)) for every f.
//   |distance| < 2^31 and reciprocal <= 2^30, so that nothing leaves 64 bits.
static FASTCODER_ALWAYS_INLINE int64_t knots_below(const int64_t* lines, const int64_t* reciprocals,
                                                   int64_t shift, int64_t symbol, int64_t mean,
                                                   int64_t scale) {
  constexpr int64_t kMiddle = int64_t{kKnots / 2} << kLineBits;
  constexpr int64_t kEnd = int64_t{kKnots} << kLineBits;
  const int64_t distance = symbol * (1 << kMeanBits) - (1 << (kMeanBits - 1)) - mean;
  const int64_t reciprocal = reciprocals[scale & ((1 << kScaleFractionBits) - 1)];
  int64_t place = (distance * reciprocal >> (shift + (scale >> kScaleFractionBits))) + kMiddle;
  place = place < 0 ? 0 : place;
  place = place > kEnd ? kEnd : place;
  const int64_t line = lines[place >> kLineBits];
  const int64_t rest = place & ((1 << kLineBits) - 1);
  return (line >> 32) + ((line & 0xFFFFFFFF) * rest >> kLineBits);
}

// cdf(symbol) from T, for low <= symbol <= low + symbols.
static FASTCODER_ALWAYS_INLINE int64_t parametric_start(int64_t symbol, int64_t knots, int64_t low,
                                                        int64_t symbols) {
  const int64_t total = int64_t{1} << kParametricPrecision;
  const int64_t before = symbol - low;
  int64_t start = before + (knots * (total - symbols) >> kKnotBits);
  start = before == 0 ? 0 : start;
  return before == symbols ? total : start;
}

}  // namespace fastcoder
