// SPDX-License-Identifier: Apache-2.0
// What the parametric kernels read: plain pointers, made by coder/parametric.cpp.
#pragma once

#include <stdint.h>

#include "format/parametric_step.h"

namespace fastcoder {

// Where a decoder begins to search: -quantile(p) for scale 1, by straight lines in p, 32 per octave
// from 2^-26 to 1/2. A cell is the upper bits of p as a float, the place in it the lower ones. A
// poor guess costs time and nothing else, so that this is float arithmetic.
constexpr uint32_t kGuessOctaves = 25;
constexpr uint32_t kGuessCellBits = 5;
constexpr uint32_t kGuessPlaceBits = 23 - kGuessCellBits;
constexpr uint32_t kGuessCells = (kGuessOctaves << kGuessCellBits) + 1;

struct GuessTable {
  float values[kGuessCells];
  float slopes[kGuessCells];  // per unit of the lower bits
};

// One component. Element i of a parameter is at i * step; step is 0 (one for all) or 1.
struct ParametricCurve {
  const int64_t* lines;
  const GuessTable* guesses;
  const int32_t* means;
  const uint16_t* scales;
  const uint32_t* weights;
  uint32_t mean_step;
  uint32_t scale_step;
  uint32_t weight_step;
  uint32_t shift;  // line_shift of its family
};

struct ParametricView {
  const ParametricCurve* curves;
  const int64_t* reciprocals;
  uint32_t curve_count;
  int32_t low;
  uint32_t symbols;  // in the support
};

// Symbol i of a block uses the parameters at first_parameter + i and belongs to lane
// (first_lane + i) mod lanes.
struct ParametricBlock {
  const ParametricView* view;
  int32_t* symbols;  // read by encoders, written by decoders
  uint64_t first_parameter;
  uint64_t count;
  uint32_t first_lane;
};

}  // namespace fastcoder
