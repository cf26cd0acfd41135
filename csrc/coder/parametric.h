// SPDX-License-Identifier: Apache-2.0
// Symbols that follow a distribution of their own each, without tables (docs/parametric.md): a mean
// and a scale per symbol, or several of them with weights. A model is an immutable value in fixed
// point; the encoder and the decoder evaluate it as they go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "coder/spans.h"
#include "format/parametric_step.h"
#include "simd/parametric_view.h"

namespace fastcoder {

inline constexpr size_t kMostComponents = 64;
// What a symbol of one component takes, in symbols of a table (coder/interruption.h).
inline constexpr uint64_t kParametricWork = 8;

// One value for every symbol, or one for all of them.
template <class T>
struct Parameters {
  std::shared_ptr<const T[]> values;
  uint64_t count = 0;
};

using FixedMeans = Parameters<int32_t>;
using FixedScales = Parameters<uint16_t>;
using FixedWeights = Parameters<uint32_t>;

// Reals to fixed point (docs/parametric.md 1). Error(kValue) names the first value that is not
// finite or outside its interval.
FixedMeans fix_means(std::span<const float> means);
FixedMeans fix_means(std::span<const double> means);
FixedScales fix_scales(std::span<const float> scales);
FixedScales fix_scales(std::span<const double> scales);
// Weights of every component, 2^16 in sum at every place. Each span has 1 or `count` elements.
std::vector<FixedWeights> fix_weights(std::span<const std::span<const double>> weights,
                                      uint64_t count);

// Checked copies of what is in fixed point already.
FixedMeans copy_means(std::span<const int32_t> means);
FixedScales copy_scales(std::span<const uint16_t> scales);

struct Component {
  Family family = Family::kGaussian;
  FixedMeans means;
  FixedScales scales;
  FixedWeights weights;  // of a mixture; a model of one component has none
};

class ParametricModel {
 public:
  // Symbols low to high. The counts of all parameters are 1 or one common number.
  ParametricModel(int64_t low, int64_t high, std::vector<Component> components);
  ParametricModel(const ParametricModel&) = delete;
  ParametricModel& operator=(const ParametricModel&) = delete;

  int32_t low() const { return view_.low; }
  int32_t high() const { return view_.low + static_cast<int32_t>(view_.symbols) - 1; }
  const std::vector<Component>& components() const { return components_; }
  const ParametricView& view() const { return view_; }
  // Distributions; one stands for any number of symbols.
  uint64_t count() const { return count_; }

  // Error(kValue) unless there is a distribution for each of `count` symbols.
  void check_count(uint64_t count) const;
  // A copy in the narrowest type that holds all of low to high. Error(kSymbolRange) has the
  // position of the first symbol outside.
  SymbolSpan copy_symbols(const SymbolSpan& symbols, uint64_t count,
                          std::vector<uint8_t>& out) const;

  // Starts and frequencies; symbols are checked.
  void intervals(const SymbolSpan& symbols, uint64_t count, uint32_t* starts,
                 uint32_t* frequencies) const;
  // The symbols whose intervals hold `values`, each below 2^24, else Error(kValue).
  void find(std::span<const uint32_t> values, int32_t* symbols) const;
  // Bits of all symbols under the integer cdf; they are checked.
  double cost(const SymbolSpan& symbols, uint64_t count) const;

 private:
  uint64_t count_ = 1;
  std::vector<Component> components_;
  std::vector<ParametricCurve> curves_;
  ParametricView view_;
};

}  // namespace fastcoder
