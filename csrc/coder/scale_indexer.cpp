// SPDX-License-Identifier: Apache-2.0
#include "coder/scale_indexer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "coder/interruption.h"
#include "coder/numeric.h"

namespace fastcoder {
namespace {

constexpr size_t kMaxScales = 65536;

[[noreturn]] void fail(const char* name, size_t position, double value, const std::string& rest) {
  throw Error(ErrorKind::kValue, std::string(name) + "[" + std::to_string(position) +
                                     "] = " + numeric::text_of(value) + ", expected " + rest);
}

void check_increasing(const char* name, std::span<const double> values, bool strictly) {
  double previous = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > 0.0) || !numeric::is_finite(values[i]))
      fail(name, i, values[i], "> 0, finite");
    if (values[i] < previous || (strictly && values[i] == previous)) {
      fail(name, i, values[i], (strictly ? "> " : ">= ") + numeric::text_of(previous));
    }
    previous = values[i];
  }
}

// Non-negative floats are ordered like their bits taken as signed integers, and every negative one
// is below them. So all comparisons are of integers: no rounding mode, no flushed subnormals.
template <typename Float>
using BitsOf = std::conditional_t<sizeof(Float) == 4, int32_t, int64_t>;

// The largest Float <= threshold: for a Float sigma, threshold < sigma is the same as this < sigma.
template <typename Float>
Float round_down(double threshold) {
  constexpr double kLargest = std::numeric_limits<Float>::max();
  if (threshold >= kLargest) return std::numeric_limits<Float>::max();
  const Float rounded = static_cast<Float>(threshold);
  if (static_cast<double>(rounded) <= threshold) return rounded;
  return std::bit_cast<Float>(std::bit_cast<BitsOf<Float>>(rounded) - 1);
}

// Two steps: the exponent and the first mantissa bits of sigma name a cell, the cell says how many
// thresholds lie before it, and those inside it are compared. With the default scales no cell holds
// two thresholds, so an index is two loads and one comparison.
//
//   cell          0 |     1     |    2     |    3     | ...  | last
//   thresholds      |       t0  |          |  t1      |      |
//   before[]      0 |     0     |    1     |    1     |      | n        (thresholds in lower cells)
template <typename Float>
class CellSearch {
 public:
  using Bits = BitsOf<Float>;

  explicit CellSearch(std::span<const double> thresholds) {
    thresholds_.reserve(thresholds.size() + 1);
    for (const double t : thresholds) {
      thresholds_.push_back(std::bit_cast<Bits>(round_down<Float>(t)));
    }
    for (int bits = 0; bits <= kMaxMantissaBits; ++bits) {
      if (bits > 0 && cells_with(bits) > kMaxCells) break;
      shift_ = kMantissaBits - bits;
      window_ = widest_cell();
      if (window_ <= 1) break;
    }
    fill();
    // Sentinels that no finite sigma exceeds: a window that starts at the last thresholds ends
    // here.
    thresholds_.insert(thresholds_.end(), window_ + 1, std::numeric_limits<Bits>::max());
  }

  size_t window() const { return window_; }

  // `Window` is the number of thresholds to compare, or 0 for window(), known only at run time.
  template <size_t Window>
  size_t find(Bits sigma) const {
    const Bits key = (sigma >> shift_) - first_key_;
    const Bits cell = std::clamp<Bits>(key, 0, last_cell_);
    size_t index = before_[static_cast<size_t>(cell)];
    for (size_t left = Window == 0 ? window_ : Window; left > 0;) {
      const size_t half = (left + 1) / 2;
      index += thresholds_[index + half - 1] < sigma ? half : 0;
      left -= half;
    }
    return index;
  }

 private:
  static constexpr int kMantissaBits = std::numeric_limits<Float>::digits - 1;
  static constexpr int kMaxMantissaBits = 12;
  static constexpr uint64_t kMaxCells = 4096;  // 8 KiB, a quarter of a first-level cache

  uint64_t cells_with(int bits) const {
    if (thresholds_.empty()) return 2;
    const int shift = kMantissaBits - bits;
    return static_cast<uint64_t>((thresholds_.back() >> shift) - (thresholds_.front() >> shift)) +
           3;
  }

  size_t widest_cell() const {
    size_t widest = 0;
    size_t inside = 0;
    for (size_t i = 0; i < thresholds_.size(); ++i) {
      const bool same = i > 0 && thresholds_[i] >> shift_ == thresholds_[i - 1] >> shift_;
      inside = same ? inside + 1 : 1;
      widest = std::max(widest, inside);
    }
    return widest;
  }

  void fill() {
    const size_t cells = static_cast<size_t>(cells_with(kMantissaBits - shift_));
    last_cell_ = static_cast<Bits>(cells - 1);
    first_key_ = thresholds_.empty() ? 0 : (thresholds_.front() >> shift_) - 1;
    before_.resize(cells);
    size_t passed = 0;
    for (size_t cell = 0; cell < cells; ++cell) {
      const Bits key = first_key_ + static_cast<Bits>(cell);
      while (passed < thresholds_.size() && thresholds_[passed] >> shift_ < key) ++passed;
      before_[cell] = static_cast<uint16_t>(passed);
    }
  }

  std::vector<Bits> thresholds_;
  std::vector<uint16_t> before_;
  Bits first_key_ = 0;
  Bits last_cell_ = 0;
  int shift_ = kMantissaBits;
  size_t window_ = 0;
};

template <typename Float>
bool is_scale(BitsOf<Float> bits) {
  constexpr auto kLargest = std::bit_cast<BitsOf<Float>>(std::numeric_limits<Float>::max());
  constexpr auto kMinusZero = std::numeric_limits<BitsOf<Float>>::min();
  return (bits >= 0 && bits <= kLargest) || bits == kMinusZero;
}

template <size_t Window, typename Float, typename Index>
void search_all(const CellSearch<Float>& search, const Float* sigma, size_t count, Index* out) {
  constexpr size_t kBlock = 1024;  // checked as a whole, so that the loop has no branch
  const CellSearch<Float> local = search;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(begin + kBlock, count);
    bool good = true;
    for (size_t i = begin; i < end; ++i) {
      const auto bits = std::bit_cast<BitsOf<Float>>(sigma[i]);
      good &= is_scale<Float>(bits);
      out[i] = static_cast<Index>(local.template find<Window>(bits));
    }
    check_interruption(end - begin);
    if (good) continue;
    for (size_t i = begin; i < end; ++i) {
      if (!is_scale<Float>(std::bit_cast<BitsOf<Float>>(sigma[i]))) {
        fail("sigma", i, static_cast<double>(sigma[i]), "0 <= sigma < inf");
      }
    }
  }
}

template <typename Float, typename Index>
void index_all(const Float* sigma, size_t count, std::span<const double> thresholds, Index* out) {
  if (thresholds.size() > std::numeric_limits<Index>::max()) {
    throw Error(ErrorKind::kValue,
                "len(scales) = " + std::to_string(thresholds.size() + 1) + ", expected <= " +
                    std::to_string(size_t{std::numeric_limits<Index>::max()} + 1));
  }
  check_increasing("thresholds", thresholds, false);
  const CellSearch<Float> search(thresholds);
  if (search.window() <= 1) {
    search_all<1>(search, sigma, count, out);
  } else {
    search_all<0>(search, sigma, count, out);
  }
}

}  // namespace

std::vector<double> scale_thresholds(std::span<const double> scales, ScaleRule rule) {
  if (scales.empty() || scales.size() > kMaxScales) {
    throw Error(ErrorKind::kValue, "len(scales) = " + std::to_string(scales.size()) +
                                       ", expected 1 <= len(scales) <= 65536");
  }
  check_increasing("scales", scales, true);
  std::vector<double> thresholds(scales.begin(), scales.end() - 1);
  if (rule == ScaleRule::kCeil) return thresholds;
  for (size_t i = 0; i + 1 < scales.size(); ++i) {
    // Correctly rounded on every machine. Only absurd scales leave the range of the product.
    const double product = scales[i] * scales[i + 1];
    thresholds[i] = product >= std::numeric_limits<double>::min() && numeric::is_finite(product)
                        ? std::sqrt(product)
                        : std::sqrt(scales[i]) * std::sqrt(scales[i + 1]);
  }
  return thresholds;
}

void scale_indexes(const float* sigma, size_t count, std::span<const double> thresholds,
                   uint8_t* out) {
  index_all(sigma, count, thresholds, out);
}

void scale_indexes(const float* sigma, size_t count, std::span<const double> thresholds,
                   uint16_t* out) {
  index_all(sigma, count, thresholds, out);
}

void scale_indexes(const double* sigma, size_t count, std::span<const double> thresholds,
                   uint8_t* out) {
  index_all(sigma, count, thresholds, out);
}

void scale_indexes(const double* sigma, size_t count, std::span<const double> thresholds,
                   uint16_t* out) {
  index_all(sigma, count, thresholds, out);
}

}  // namespace fastcoder
