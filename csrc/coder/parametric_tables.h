// SPDX-License-Identifier: Apache-2.0
// The tables behind format/parametric_step.h, made once per process, the same on every machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "format/parametric_step.h"
#include "simd/parametric_view.h"

namespace fastcoder {

// T at every knot, round(2^30 F(x)) with x = (i - 2048) / 256 (Gaussian) or / 128.
using CdfKnots = std::array<int32_t, kLines>;
CdfKnots cdf_knots(Family family);

// The same as lines.
using CdfLines = std::array<int64_t, kLines>;
const CdfLines& cdf_lines(Family family);

const GuessTable& guess_table(Family family);

// round(2^38 / (256 + f)): 2^30 over the scale's mantissa.
using Reciprocals = std::array<int64_t, 1 << kScaleFractionBits>;
inline constexpr Reciprocals kReciprocals = [] {
  Reciprocals table{};
  for (int64_t f = 0; f < 1 << kScaleFractionBits; ++f) {
    const int64_t divisor = (int64_t{1} << kScaleFractionBits) + f;
    table[static_cast<size_t>(f)] = (2 * (int64_t{1} << 38) + divisor) / (2 * divisor);
  }
  return table;
}();

}  // namespace fastcoder
