// SPDX-License-Identifier: Apache-2.0
// The rule by which CompressAI makes integer rows of probabilities (`pmf_to_quantized_cdf`).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fastcoder {

// pmf.size() + 1 entries from 0 to 2^precision, 1 <= precision <= 31. A value is rounded to float
// and to a count of 2^-precision; the counts are scaled to a sum of 2^precision, rounded down; the
// last slot gets what is missing; and each empty slot, in ascending order, takes one from the first
// of the slots that have the fewest, but more than one. Throws Error(kTable) for a value that is
// negative, not finite or not below 2^32 counts, for a sum of 0, and for too many slots.
std::vector<uint32_t> quantized_cdf(std::span<const double> pmf, int64_t precision);

}  // namespace fastcoder
