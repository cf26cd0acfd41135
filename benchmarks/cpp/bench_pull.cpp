// SPDX-License-Identifier: Apache-2.0
// What a pull costs on top of its symbols, without Python: nanoseconds per Decoder::pull of n
// symbols into the caller's buffer, less n times what a symbol costs in one pull of the whole
// stream, for each number of lanes.
//
//   bench_pull [ISA]
//
// The symbols are those of a hyperprior's y (128 Gaussian rows, 1.2 bits each), enough of them that
// no branch predictor learns them. The fastest of several passes counts; each is a round trip.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "coder/cdf_table.h"
#include "coder/decoder.h"
#include "coder/distributions.h"
#include "coder/encoder.h"
#include "coder/scale_indexer.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

constexpr uint64_t kCount = uint64_t{1} << 17;
constexpr int kPasses = 9;

struct Message {
  std::shared_ptr<const CdfTable> table;
  std::vector<uint8_t> indexes;
  std::vector<int32_t> symbols;
};

Message draw() {
  const std::vector<double> scales = scale_table(0.11, 256.0, kDefaultScaleLevels);
  const std::vector<double> thresholds = scale_thresholds(scales, ScaleRule::kNearest);
  Message message{gaussian_table(scales, kDefaultPrecision, 0x1p-12), {}, {}};
  message.indexes.resize(kCount);
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> sigma(kCount);
  for (double& s : sigma) {
    s = std::clamp(std::exp(std::log(0.4) + 1.15 * normal(random)), 0.11, 30.0);
    message.symbols.push_back(static_cast<int32_t>(std::lrint(s * normal(random))));
  }
  scale_indexes(sigma.data(), kCount, thresholds, message.indexes.data());
  return message;
}

// Nanoseconds for a pass over the stream in pulls of n symbols.
double pass(const Message& message, const std::vector<uint8_t>& stream, uint64_t n) {
  std::vector<int32_t> out(kCount);
  Decoder decoder(stream);
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t first = 0; first < kCount; first += n) {
    const uint64_t count = std::min(n, kCount - first);
    decoder.pull(*message.table, {message.indexes.data() + first, ElementType::kUint8}, count,
                 {out.data() + first, ElementType::kInt32});
  }
  const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
  decoder.finish();
  if (out != message.symbols) throw std::runtime_error("the round trip failed");
  return time.count();
}

double fastest(const Message& message, const std::vector<uint8_t>& stream, uint64_t n) {
  double best = pass(message, stream, n);
  for (int i = 1; i < kPasses; ++i) best = std::min(best, pass(message, stream, n));
  return best;
}

void run() {
  const Message message = draw();
  std::printf("isa %s; ns on top of the symbols per pull of n symbols\n", active_kernels().name);
  std::printf("%6s %10s", "lanes", "ns/symbol");
  constexpr uint64_t kSizes[] = {1, 10, 64, 100, 192, 200, 300};
  for (const uint64_t n : kSizes) std::printf("%9s%-3u", "n = ", static_cast<unsigned>(n));
  std::printf("\n");
  for (uint32_t lanes = 1; lanes <= 32; lanes *= 2) {
    Encoder encoder;
    encoder.push(message.table, {message.symbols.data(), ElementType::kInt32},
                 {message.indexes.data(), ElementType::kUint8}, kCount);
    const std::vector<uint8_t> stream = encoder.finish({lanes, 0, 1, false}).bytes();
    const double symbol = fastest(message, stream, kCount) / static_cast<double>(kCount);
    std::printf("%6u %10.2f", lanes, symbol);
    for (const uint64_t n : kSizes) {
      const double pulls = std::ceil(static_cast<double>(kCount) / static_cast<double>(n));
      const double whole = symbol * static_cast<double>(kCount);
      std::printf("%12.1f", (fastest(message, stream, n) - whole) / pulls);
    }
    std::printf("\n");
  }
}

}  // namespace
}  // namespace fastcoder

int main(int argc, char** argv) {
  try {
    if (argc > 1) fastcoder::use_isa(argv[1]);
    fastcoder::run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
