// SPDX-License-Identifier: Apache-2.0
// From a predicted scale to the row of a table, by comparison with stored thresholds. No logarithm
// decides anything, so every device that compares floats finds the same row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fastcoder {

enum class ScaleRule {
  kNearest,  // thresholds are the geometric means of neighboring scales
  kCeil,     // thresholds are the scales but the last: the smallest scale >= sigma
};

// The scales.size() - 1 thresholds of a rule. Throws Error(kValue) unless there are 1..65536
// scales, finite, > 0 and strictly increasing.
std::vector<double> scale_thresholds(std::span<const double> scales, ScaleRule rule);

// out[i] = number of thresholds strictly below sigma[i]. float32 input is compared exactly, as if
// widened. Throws Error(kValue) that names the first sigma that is NaN, negative or infinite (-0.0
// is 0), or if a threshold is not finite, not > 0 or below the one before it, or if `out` cannot
// hold thresholds.size(). After an error `out` is unspecified.
void scale_indexes(const float* sigma, size_t count, std::span<const double> thresholds,
                   uint8_t* out);
void scale_indexes(const float* sigma, size_t count, std::span<const double> thresholds,
                   uint16_t* out);
void scale_indexes(const double* sigma, size_t count, std::span<const double> thresholds,
                   uint8_t* out);
void scale_indexes(const double* sigma, size_t count, std::span<const double> thresholds,
                   uint16_t* out);

}  // namespace fastcoder
