// SPDX-License-Identifier: Apache-2.0
#include "coder/philox.h"

#include <algorithm>
#include <bit>

#include "base/attributes.h"
#include "coder/interruption.h"
#include "coder/numeric.h"

namespace fastcoder {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53u;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t kWeyl0 = 0x9E3779B9u;  // golden ratio
constexpr uint32_t kWeyl1 = 0xBB67AE85u;  // sqrt(3) - 1
constexpr int kRounds = 10;

// Eight blocks at a time, one array per word, so that a compiler can use vectors.
constexpr uint64_t kBatch = 8;
constexpr uint64_t kBatchWords = 4 * kBatch;

FASTCODER_ALWAYS_INLINE void philox_rounds(uint32_t& c0, uint32_t& c1, uint32_t& c2, uint32_t& c3,
                                           uint32_t key0, uint32_t key1) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * c0;
    const uint64_t product1 = uint64_t{kMultiplier1} * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<uint32_t>(product0);
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
}

constexpr uint32_t low_half(uint64_t value) { return static_cast<uint32_t>(value); }
constexpr uint32_t high_half(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

// The kBatchWords words from word 4 * `block` on.
void fill_batch(uint64_t block, const RandomPlace& place, uint32_t* words) {
  for (uint64_t i = 0; i < kBatch; ++i) {
    uint32_t c0 = low_half(block + i);
    uint32_t c1 = high_half(block + i);
    uint32_t c2 = low_half(place.candidate);
    uint32_t c3 = high_half(place.candidate);
    philox_rounds(c0, c1, c2, c3, low_half(place.seed), high_half(place.seed));
    words[4 * i] = c0;
    words[4 * i + 1] = c1;
    words[4 * i + 2] = c2;
    words[4 * i + 3] = c3;
  }
}

template <class Out, class Make>
void generate_piece(const RandomPlace& place, std::span<Out> out, Make&& make) {
  uint32_t words[kBatchWords];
  uint64_t block = place.element / 4;
  uint64_t skip = place.element % 4;
  for (size_t done = 0; done < out.size(); block += kBatch, skip = 0) {
    fill_batch(block, place, words);
    const size_t size = std::min<size_t>(kBatchWords - skip, out.size() - done);
    for (size_t i = 0; i < size; ++i) out[done + i] = make(words[skip + i]);
    done += size;
  }
}

template <class Out, class Make>
void generate(const RandomPlace& place, std::span<Out> out, Make&& make) {
  for_pieces(out.size(), [&](uint64_t first, uint64_t size) {
    RandomPlace at = place;
    at.element += first;
    generate_piece(at, out.subspan(first, size), make);
  });
}

// p such that Phi^-1(p) = -z, by Newton's rule from above: p is convex in z there, so that no step
// goes too far. Each about doubles the digits; far out a first step gains 1 / z at least.
double survival_quantile(double p) {
  constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;
  constexpr double kSqrtTwoPi = 0x1.40d931ff62706p+1;
  double z = 0.0;
  for (int step = 0; step < 64; ++step) {
    const double excess = 0.5 * numeric::erfc(z * kSqrtHalf) - p;
    const double next = z + excess * kSqrtTwoPi * numeric::exp(0.5 * z * z);
    if (next == z) break;
    z = next;
  }
  return z;
}

int64_t round_to_integer(double x) {
  const int64_t truncated = static_cast<int64_t>(x);
  const double rest = x - static_cast<double>(truncated);
  return truncated + (rest >= 0.5 ? 1 : 0) - (rest < -0.5 ? 1 : 0);
}

std::array<NormalCell, kNormalCells> make_normal_cells() {
  constexpr double kUnit = 0x1p32;
  constexpr double kSqrtTwoPi = 0x1.40d931ff62706p+1;
  const auto probability = [](uint32_t node) {
    const double octave = std::bit_cast<double>(uint64_t{1023 + node / 64} << 52);
    return octave * (1.0 + (node % 64) / 64.0) * 0x1p-33;
  };
  // dz / df in a cell of octave e, of width 2^e / 2^39 in p.
  const auto slope = [&](double z, uint32_t octave) {
    const double width = std::bit_cast<double>(uint64_t{1023 + octave} << 52) * 0x1p-39;
    return round_to_integer(-width * kSqrtTwoPi * numeric::exp(0.5 * z * z) * kUnit);
  };
  std::array<NormalCell, kNormalCells> cells;
  double z = survival_quantile(probability(0));
  for (uint32_t i = 0; i < kNormalCells; ++i) {
    const double next = i + 1 == kNormalCells ? 0.0 : survival_quantile(probability(i + 1));
    const int64_t value0 = round_to_integer(z * kUnit);
    const int64_t value1 = round_to_integer(next * kUnit);
    const int64_t slope0 = slope(z, i / 64);
    const int64_t slope1 = slope(next, i / 64);
    cells[i] = {value0, slope0, 3 * (value1 - value0) - 2 * slope0 - slope1,
                2 * (value0 - value1) + slope0 + slope1};
    z = next;
  }
  return cells;
}

// The tail in p has a = 2 m + 1 of 2^33; its cell is its octave and the six bits below its highest.
FASTCODER_ALWAYS_INLINE int64_t normal_from(const NormalCell* cells, uint32_t word) {
  const uint32_t sign = 0u - (word >> 31);  // all ones above the median
  const int64_t below = static_cast<int32_t>(~sign);
  const uint32_t a = 2 * (word ^ sign) + 1;
  const int shift = std::countl_zero(a);
  const uint32_t aligned = a << shift;
  const uint32_t cell = (static_cast<uint32_t>(31 - shift) << 6) + (aligned >> 25 & 63);
  const int64_t f = aligned & ((1u << 25) - 1);
  const NormalCell& c = cells[cell];
  const int64_t z = c[0] + ((c[1] + ((c[2] + (c[3] * f >> 25)) * f >> 25)) * f >> 25);
  return (z ^ below) - below;  // -z below the median
}

}  // namespace

PhiloxBlock philox(PhiloxBlock counter, uint64_t key) {
  philox_rounds(counter[0], counter[1], counter[2], counter[3], low_half(key), high_half(key));
  return counter;
}

void random_words(const RandomPlace& place, std::span<uint32_t> out) {
  generate(place, out, [](uint32_t word) { return word; });
}

void random_uniforms(const RandomPlace& place, std::span<double> out) {
  generate(place, out, [](uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; });
}

void random_uniforms(const RandomPlace& place, std::span<float> out) {
  generate(place, out, [](uint32_t word) {
    return (static_cast<float>(static_cast<int32_t>(word >> 9)) + 0.5f) * 0x1p-23f;
  });
}

void random_normals(const RandomPlace& place, std::span<double> out) {
  const NormalCell* cells = normal_cells().data();
  generate(place, out, [cells](uint32_t word) {
    return static_cast<double>(normal_from(cells, word)) * 0x1p-32;
  });
}

void random_normals(const RandomPlace& place, std::span<float> out) {
  const NormalCell* cells = normal_cells().data();
  generate(place, out, [cells](uint32_t word) {
    return static_cast<float>(static_cast<double>(normal_from(cells, word)) * 0x1p-32);
  });
}

const std::array<NormalCell, kNormalCells>& normal_cells() {
  static const std::array<NormalCell, kNormalCells> cells = make_normal_cells();
  return cells;
}

int64_t normal_variate(uint32_t word) { return normal_from(normal_cells().data(), word); }

}  // namespace fastcoder
