// SPDX-License-Identifier: Apache-2.0
#include "coder/parametric_tables.h"

#include <bit>

#include "coder/numeric.h"
#include "coder/philox.h"

namespace fastcoder {
namespace {

// P(X < -x) for scale 1 and x >= 0.
double lower_tail(Family family, double x) {
  constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;
  if (family == Family::kGaussian) return 0.5 * numeric::erfc(x * kSqrtHalf);
  const double decay = numeric::exp(-x);
  return family == Family::kLaplace ? 0.5 * decay : decay / (1.0 + decay);
}

CdfLines make_lines(Family family) {
  const CdfKnots knots = cdf_knots(family);
  CdfLines lines{};
  for (uint32_t i = 0; i < kLines; ++i) {
    const int64_t way = i + 1 < kLines ? knots[i + 1] - knots[i] : 0;
    lines[i] = int64_t{knots[i]} << 32 | way;
  }
  return lines;
}

// -quantile of (1 + cell / 32) 2^(octave - 26).
double quantile(Family family, uint32_t octave, uint32_t cell) {
  if (octave == kGuessOctaves) return 0.0;
  if (family == Family::kGaussian) {
    // normal_cells has 64 nodes per octave, from 2^-33 on.
    return static_cast<double>(normal_cells()[(octave + 7) * 64 + 2 * cell][0]) * 0x1p-32;
  }
  const double p = std::bit_cast<double>(uint64_t{1023 - 26 + octave} << 52) * (1.0 + cell / 32.0);
  return family == Family::kLaplace ? -numeric::log(2.0 * p) : numeric::log((1.0 - p) / p);
}

GuessTable make_guesses(Family family) {
  constexpr uint32_t kCells = 1 << kGuessCellBits;
  constexpr double kPlace = 1.0 / (1 << kGuessPlaceBits);
  GuessTable table{};
  for (uint32_t i = 0; i < kGuessOctaves * kCells; ++i) {
    const double value = quantile(family, i / kCells, i % kCells);
    const double next = quantile(family, (i + 1) / kCells, (i + 1) % kCells);
    table.values[i] = static_cast<float>(value);
    table.slopes[i] = static_cast<float>((next - value) * kPlace);
  }
  return table;
}

}  // namespace

// No value comes closer than 1.7e-5 to the middle between two integers, several times the error of
// the functions above at this size: the knots are the correctly rounded ones.
CdfKnots cdf_knots(Family family) {
  constexpr double kUnit = int64_t{1} << kKnotBits;
  const double step = family == Family::kGaussian ? 0x1p-8 : 0x1p-7;
  CdfKnots knots{};
  for (uint32_t i = 0; i <= kKnots / 2; ++i) {
    const int32_t tail = static_cast<int32_t>(lower_tail(family, i * step) * kUnit + 0.5);
    knots[kKnots / 2 - i] = tail;
    knots[kKnots / 2 + i] = (int32_t{1} << kKnotBits) - tail;
  }
  return knots;
}

const CdfLines& cdf_lines(Family family) {
  static const std::array<CdfLines, kFamilies> lines = {
      make_lines(Family::kGaussian), make_lines(Family::kLaplace), make_lines(Family::kLogistic)};
  return lines[static_cast<size_t>(family)];
}

const GuessTable& guess_table(Family family) {
  static const std::array<GuessTable, kFamilies> tables = {make_guesses(Family::kGaussian),
                                                           make_guesses(Family::kLaplace),
                                                           make_guesses(Family::kLogistic)};
  return tables[static_cast<size_t>(family)];
}

}  // namespace fastcoder
