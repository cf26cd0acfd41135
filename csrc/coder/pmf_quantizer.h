// SPDX-License-Identifier: Apache-2.0
// Float probabilities -> integer frequencies, the best there are and the same on every machine.
#pragma once

#include <cstdint>
#include <span>

namespace fastcoder {

inline constexpr int kMaxPrecision = 16;

// Fills `frequencies` with integers >= 1 that sum to 2^precision and maximize
// sum weights[i] * log2(frequencies[i]): no other allocation codes the weights in fewer bits.
// Among counts that are worth the same the lower position gets its count first, so the result is
// a function of the weights alone.
//   Requires  1 <= precision <= 16; 1 <= weights.size() == frequencies.size() <= 2^precision;
//             weights finite and >= 0, at least one > 0. Only their ratios matter; weights below
//             2^-1000 of the largest count as 0. The caller checks.
//   Time      O(n log n).
void quantize_pmf(std::span<const double> weights, int precision, std::span<uint32_t> frequencies);

}  // namespace fastcoder
