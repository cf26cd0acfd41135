// SPDX-License-Identifier: Apache-2.0
// Prints the fingerprint of a set of tables, one `name fingerprint` per line. Builds with other
// compilers and flags must print the same: tests/unit/test_builds.py compares them.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "coder/cdf_table.h"
#include "coder/distributions.h"

namespace {

using fastcoder::CdfTable;

void print(const char* name, uint64_t fingerprint) {
  std::printf("%s %016" PRIx64 "\n", name, fingerprint);
}

// The bits of the scales themselves, folded: a table could hide a difference in the last place.
uint64_t fold(const std::vector<double>& values) {
  uint64_t hash = 0;
  for (const double value : values) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    hash = (hash ^ bits) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return hash;
}

// Rows of many shapes from a generator that uses integers only.
std::shared_ptr<const CdfTable> uneven_rows(int precision) {
  std::vector<double> pmf;
  std::vector<uint32_t> lengths;
  std::vector<int32_t> offsets;
  uint64_t state = 20;
  for (uint32_t row = 0; row < 64; ++row) {
    const uint32_t length = 1 + row * row % 61;
    lengths.push_back(length);
    offsets.push_back(-static_cast<int32_t>(row));
    for (uint32_t k = 0; k < length; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const double mass = static_cast<double>(state >> 40);
      pmf.push_back(mass / static_cast<double>(uint64_t{1} << (24 + state % 7)));
    }
  }
  return CdfTable::from_pmf(pmf, lengths, offsets, precision, true);
}

}  // namespace

int main() {
  using namespace fastcoder;
  const std::vector<double> scales =
      scale_table(kDefaultScaleMinimum, kDefaultScaleMaximum, kDefaultScaleLevels);
  print("scales", fold(scales));
  print("scales-64", fold(scale_table(0.11, 256.0, 64)));
  print("scales-1024", fold(scale_table(1e-3, 1e4, 1024)));
  print("gaussian", gaussian_table(scales, kDefaultPrecision, kDefaultTailMass)->fingerprint());
  print("gaussian-16", gaussian_table(scales, 16, 1e-9)->fingerprint());
  print("laplace", laplace_table(scales, 16, kDefaultTailMass)->fingerprint());
  print("logistic", logistic_table(scales, 16, kDefaultTailMass)->fingerprint());
  print("uneven-10", uneven_rows(10)->fingerprint());
  print("uneven-16", uneven_rows(16)->fingerprint());
  return 0;
}
