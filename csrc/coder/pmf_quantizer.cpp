// SPDX-License-Identifier: Apache-2.0
#include "coder/pmf_quantizer.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "coder/numeric.h"

namespace fastcoder {
namespace {

// The frequency-th count of a slot, worth weights[position] * log2_step(frequency) bits: it lifts
// the frequency of the slot from `frequency` to `frequency` + 1.
//
// The objective is a sum of concave functions, so the optimum is simply the set of the
// 2^precision - n counts that are worth the most; every slot starts with one that it cannot lose.
struct Count {
  double bits;
  uint32_t position;
  uint32_t frequency;
};

// A total order, so that the set is unique: at equal bits the lower position comes first.
bool worth_less(const Count& a, const Count& b) {
  return a.bits < b.bits || (a.bits == b.bits && a.position > b.position);
}
bool worth_more(const Count& a, const Count& b) { return worth_less(b, a); }

// Weights times the power of two that brings the largest into [1, 2). Done on the bits, because a
// host that flushes subnormals would see other weights. Every product with log2_step is normal.
std::vector<double> scale_by_power_of_two(std::span<const double> weights) {
  constexpr int kLeastExponent = -1000;
  const auto exponent_of = [](uint64_t bits) {
    const int field = static_cast<int>(bits >> 52 & 0x7ff);
    return field > 0 ? field : 1 - (std::countl_zero(bits & 0x000fffffffffffff) - 11);
  };
  int largest = -2000;
  for (const double weight : weights) {
    const uint64_t bits = std::bit_cast<uint64_t>(weight) & 0x7fffffffffffffff;
    if (bits != 0) largest = std::max(largest, exponent_of(bits));
  }
  std::vector<double> scaled(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint64_t bits = std::bit_cast<uint64_t>(weights[i]) & 0x7fffffffffffffff;
    const int exponent = bits != 0 ? exponent_of(bits) - largest : kLeastExponent;
    if (exponent <= kLeastExponent) continue;  // stays 0
    uint64_t fraction = bits & 0x000fffffffffffff;
    if (bits >> 52 == 0) fraction <<= std::countl_zero(fraction) - 11;  // drops the leading one
    scaled[i] = std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52 |
                                      (fraction & 0x000fffffffffffff));
  }
  return scaled;
}

// The weight of one count if frequencies could be real numbers >= 1: slots below it are pinned to
// 1 and the others share what is left. Each pass pins more slots, so few passes come close, and
// an early stop costs speed, not optimality.
double weight_of_one_count(std::span<const double> weights, uint32_t total) {
  constexpr int kPasses = 8;
  double one = 0.0;
  for (int pass = 0; pass < kPasses; ++pass) {
    double shared_weight = 0.0;
    uint32_t pinned = 0;
    for (const double weight : weights) {
      if (weight > one) {
        shared_weight += weight;
      } else {
        ++pinned;
      }
    }
    if (pinned >= total || pinned == weights.size()) break;
    const double next = shared_weight / (total - pinned);
    if (!(next > one)) break;
    one = next;
  }
  return one;
}

// Takes and gives back counts until the set is the best one. Entries of the two heaps are never
// updated: one whose frequency is no longer that of its slot is dropped when it surfaces.
class Allocation {
 public:
  Allocation(std::span<const double> weights, std::span<uint32_t> frequencies)
      : weights_(weights), frequencies_(frequencies) {
    next_.reserve(weights.size());
    held_.reserve(weights.size());
    for (uint32_t i = 0; i < weights.size(); ++i) {
      next_.push_back(next_count(i));
      if (frequencies[i] > 1) held_.push_back(last_count(i));
    }
    std::make_heap(next_.begin(), next_.end(), worth_less);
    std::make_heap(held_.begin(), held_.end(), worth_more);
  }

  void take_best() { change(best_next().position, +1); }
  void drop_worst() { change(worst_held().position, -1); }

  // False once every count held is worth more than every count that is not.
  bool exchange() {
    settle_next();
    settle_held();
    if (held_.empty() || !worth_less(held_.front(), next_.front())) return false;
    const uint32_t giver = held_.front().position;
    const uint32_t taker = next_.front().position;
    change(giver, -1);
    change(taker, +1);
    return true;
  }

 private:
  Count next_count(uint32_t i) const {
    return {weights_[i] * numeric::log2_step(frequencies_[i]), i, frequencies_[i]};
  }
  Count last_count(uint32_t i) const {
    return {weights_[i] * numeric::log2_step(frequencies_[i] - 1), i, frequencies_[i] - 1};
  }

  void settle_next() {
    while (next_.front().frequency != frequencies_[next_.front().position]) {
      std::pop_heap(next_.begin(), next_.end(), worth_less);
      next_.pop_back();
    }
  }
  void settle_held() {
    while (!held_.empty() && held_.front().frequency + 1 != frequencies_[held_.front().position]) {
      std::pop_heap(held_.begin(), held_.end(), worth_more);
      held_.pop_back();
    }
  }
  const Count& best_next() {
    settle_next();
    return next_.front();
  }
  const Count& worst_held() {
    settle_held();
    return held_.front();
  }

  void change(uint32_t i, int difference) {
    frequencies_[i] += static_cast<uint32_t>(difference);
    next_.push_back(next_count(i));
    std::push_heap(next_.begin(), next_.end(), worth_less);
    if (frequencies_[i] > 1) {
      held_.push_back(last_count(i));
      std::push_heap(held_.begin(), held_.end(), worth_more);
    }
  }

  std::span<const double> weights_;
  std::span<uint32_t> frequencies_;
  std::vector<Count> next_;  // heap, best first: the next count of each slot
  std::vector<Count> held_;  // heap, worst first: the last count of each slot above 1
};

}  // namespace

void quantize_pmf(std::span<const double> weights, int precision, std::span<uint32_t> frequencies) {
  const uint32_t total = uint32_t{1} << precision;
  if (weights.size() == total) {
    std::fill(frequencies.begin(), frequencies.end(), 1u);
    return;
  }
  const std::vector<double> scaled = scale_by_power_of_two(weights);
  // A count at frequency f is worth about weight / ((f + 1/2) ln 2), so rounding is nearly the
  // threshold rule of the optimum. Nearly: the exact worth decides below.
  const double per_weight = 1.0 / weight_of_one_count(scaled, total);
  for (size_t i = 0; i < scaled.size(); ++i) {
    const double rounded = scaled[i] * per_weight + 0.5;
    frequencies[i] = rounded < 2.0 ? 1u : static_cast<uint32_t>(rounded);
  }
  int64_t missing = total;
  for (const uint32_t frequency : frequencies) missing -= frequency;

  Allocation allocation(scaled, frequencies);
  for (; missing > 0; --missing) allocation.take_best();
  for (; missing < 0; ++missing) allocation.drop_worst();
  while (allocation.exchange()) {
  }
}

}  // namespace fastcoder
