// SPDX-License-Identifier: Apache-2.0
// Cycles per symbol of every kernel of this machine, without Python and without the coder around
// it: instruction set x workload x width of state x lanes, both directions, after a round trip.
//
//   bench_kernels [--isa NAME] [--workload NAME] [--width narrow|wide] [--lanes K]
//                 [--types int32|int8] [--milliseconds MS] [--json FILE]
//
// Kernels are called as the coder calls them: blocks of 2,048 symbols, encoders from the last
// block to the first. What the coder adds (checks of indexes, segments, headers) is not here.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coder/blocks.h"
#include "coder/cdf_table.h"
#include "coder/distributions.h"
#include "coder/scale_indexer.h"
#include "format/escape.h"
#include "format/params.h"
#include "simd/dispatch.h"
#include "simd/kernel_table.h"

namespace fastcoder {
namespace {

// More than branch predictors can memorize: with a few thousand symbols they learn the message.
constexpr uint64_t kCount = uint64_t{1} << 20;

// ---- time ------------------------------------------------------------------------------------

double seconds() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

// Core clock in Hz from a chain of dependent 64-bit multiplications, three cycles each on every x86
// core since 2008 and on the Neoverse cores. The best of several, since interruptions only slow it.
double measure_clock() {
  constexpr uint64_t kSteps = 200000;
  static volatile uint64_t sink = 3;
  double best = 1e9;
  for (int trial = 0; trial < 12; ++trial) {
    uint64_t x = sink;
    const uint64_t factor = x | 1;
    const double begin = seconds();
    for (uint64_t i = 0; i < kSteps; ++i) x *= factor;
    sink = x;
    best = std::min(best, seconds() - begin);
  }
  return 3.0 * kSteps / best;
}

// ---- data ------------------------------------------------------------------------------------

// SplitMix64: a few lines, the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }
  double normal() {  // Box and Muller
    return std::sqrt(-2.0 * std::log(uniform())) * std::cos(6.283185307179586 * uniform());
  }

 private:
  uint64_t state_;
};

struct Workload {
  const char* name;
  const char* description;
  std::shared_ptr<const CdfTable> table;
  std::vector<int32_t> symbols;
  std::vector<int32_t> indexes;  // empty: one row
};

// Gaussian symbols whose scales are log-normal, as the latents of a codec: rows by the nearest of
// the default scales, escapes where they happen.
Workload gaussian_workload(const char* name, const char* description, int precision, double median,
                           double spread, double cap) {
  const auto scales = scale_table(kDefaultScaleMinimum, kDefaultScaleMaximum, kDefaultScaleLevels);
  Random random(1);
  std::vector<double> sigma(kCount);
  Workload workload{name, description, gaussian_table(scales, precision, kDefaultTailMass), {}, {}};
  for (double& s : sigma) {
    s = std::min(cap, median * std::exp(spread * random.normal()));
    workload.symbols.push_back(static_cast<int32_t>(std::lrint(s * random.normal())));
  }
  std::vector<uint8_t> rows(kCount);
  scale_indexes(sigma.data(), kCount, scale_thresholds(scales, ScaleRule::kNearest), rows.data());
  workload.indexes.assign(rows.begin(), rows.end());
  return workload;
}

// One row of 256 symbols, a narrow peak on a flat floor: 5.8 bits per symbol.
Workload one_row_workload(int precision) {
  std::vector<double> pmf(256);
  for (int k = 0; k < 256; ++k) {
    pmf[static_cast<size_t>(k)] = std::exp(-std::abs(k - 128) / 9.0) + 0.03 / 0.97 * 18 / 256;
  }
  const uint32_t length = 256;
  const int32_t offset = -128;
  Workload workload{"one", "one static row, 5.8 bits", nullptr, {}, {}};
  workload.table = CdfTable::from_pmf(pmf, {&length, 1}, {&offset, 1}, precision, false);
  const auto cdf = workload.table->cdf(0);
  Random random(2);
  for (uint64_t i = 0; i < kCount; ++i) {
    const uint32_t value = static_cast<uint32_t>(random.bits() & ((1u << precision) - 1));
    const auto above = std::upper_bound(cdf.begin(), cdf.end(), value);
    workload.symbols.push_back(static_cast<int32_t>(above - cdf.begin()) - 1 + offset);
  }
  return workload;
}

// ---- one kernel, called as the coder calls it ------------------------------------------------

struct Case {
  const KernelTable* kernels;
  const Workload* workload;
  uint32_t wide;
  uint32_t lanes;
  bool narrow_types;  // int8 symbols and uint8 indexes, else int32 both
};

class Runner {
 public:
  explicit Runner(const Case& one)
      : case_(one), words_(2 * kCount + kEncodeSlack + 16), escapes_(kCount), escape_bits_(kCount) {
    const Workload& from = *one.workload;
    if (one.narrow_types) {
      for (const int32_t s : from.symbols) {
        small_symbols_.push_back(static_cast<int8_t>(std::clamp(s, -128, 127)));
      }
      for (const int32_t r : from.indexes) small_indexes_.push_back(static_cast<uint8_t>(r));
    }
  }

  void encode() {
    lanes_ = {};
    lanes_.lanes = case_.lanes;
    std::fill_n(lanes_.state, case_.lanes, case_.wide ? Wide::kLower : uint64_t{Narrow::kLower});
    lanes_.cursor = words_.data() + words_.size() - 16;
    escape_count_ = 0;
    const auto kernel = case_.kernels->encode[case_.wide][symbol_type()][index_type()];
    for (uint64_t first = kCount; first > 0;) {
      first -= kBlock;
      lanes_.escapes = escapes_.data() + escape_count_;
      lanes_.escape_count = 0;
      kernel({&view(), symbols_at(first), indexes_at(first), kBlock, 0}, lanes_);
      escape_count_ += lanes_.escape_count;
    }
  }

  // Call once between the two directions.
  void write_escapes() {
    std::fill(escape_bits_.begin(), escape_bits_.end(), uint8_t{0});
    EscapeWriter writer(escape_bits_.data() + escape_bits_.size());
    for (uint64_t i = escape_count_; i-- > 0;) writer.write(escapes_[i]);
    output_.assign(kCount * (case_.narrow_types ? 1 : 4), 0);
  }

  bool decode() {
    DecodeLanes lanes = {};
    std::copy_n(lanes_.state, kMaxLanes, lanes.state);
    lanes.lanes = case_.lanes;
    lanes.escapes_allowed = 1;
    lanes.words = lanes_.cursor;
    lanes.words_end = words_.data() + words_.size() - 16;
    lanes.escapes = {escape_bits_.data(), escape_bits_.data() + escape_bits_.size(), 0};
    const auto kernel = case_.kernels->decode[case_.wide][symbol_type()][index_type()];
    const uint64_t size = case_.narrow_types ? 1 : 4;
    for (uint64_t first = 0; first < kCount; first += kBlock) {
      const DecodeBlock block = {&view(), indexes_at(first), output_.data() + first * size, kBlock,
                                 0};
      if (kernel(block, lanes).status != Status::kOk) return false;
    }
    return lanes.words == lanes.words_end;
  }

  bool decoded_the_symbols() const {
    return std::memcmp(output_.data(), symbols_at(0), output_.size()) == 0;
  }
  uint64_t word_bytes() const {
    return static_cast<uint64_t>(words_.data() + words_.size() - 16 - lanes_.cursor);
  }

 private:
  const TableView& view() const { return case_.workload->table->coding_view(); }
  KernelSymbolType symbol_type() const { return case_.narrow_types ? kSymbolInt8 : kSymbolInt32; }
  KernelIndexType index_type() const {
    if (case_.workload->indexes.empty()) return kIndexNone;
    return case_.narrow_types ? kIndexUint8 : kIndexInt32;
  }
  const void* symbols_at(uint64_t i) const {
    if (case_.narrow_types) return small_symbols_.data() + i;
    return case_.workload->symbols.data() + i;
  }
  const void* indexes_at(uint64_t i) const {
    if (case_.workload->indexes.empty()) return nullptr;
    if (case_.narrow_types) return small_indexes_.data() + i;
    return case_.workload->indexes.data() + i;
  }

  Case case_;
  std::vector<int8_t> small_symbols_;
  std::vector<uint8_t> small_indexes_;
  std::vector<uint8_t> words_;
  std::vector<Escape> escapes_;
  std::vector<uint8_t> escape_bits_;
  std::vector<uint8_t> output_;
  EncodeLanes lanes_{};
  uint64_t escape_count_ = 0;
};

struct Timing {
  double best;    // cycles per symbol
  double median;  // cycles per symbol
};

// At least five passes. Cycles are seconds times the clock measured right before.
template <class Pass>
Timing time_passes(double milliseconds, double clock, const Pass& pass) {
  std::vector<double> times;
  const double end = seconds() + milliseconds / 1e3;
  while (times.size() < 5 || seconds() < end) {
    const double begin = seconds();
    pass();
    times.push_back(seconds() - begin);
  }
  std::sort(times.begin(), times.end());
  const double scale = clock / static_cast<double>(kCount);
  return {times.front() * scale, times[times.size() / 2] * scale};
}

// ---- command line ----------------------------------------------------------------------------

struct Options {
  std::string isa, workload, width, types = "int32", json;
  uint32_t lanes = 0;
  double milliseconds = 60.0;
};

std::optional<Options> parse(std::span<char*> arguments) {
  Options options;
  for (size_t i = 1; i < arguments.size(); i += 2) {
    const std::string name = arguments[i];
    if (i + 1 == arguments.size()) return std::nullopt;
    const std::string value = arguments[i + 1];
    if (name == "--isa") {
      options.isa = value;
    } else if (name == "--workload") {
      options.workload = value;
    } else if (name == "--width") {
      options.width = value;
    } else if (name == "--types") {
      options.types = value;
    } else if (name == "--json") {
      options.json = value;
    } else if (name == "--lanes") {
      options.lanes = static_cast<uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
    } else if (name == "--milliseconds") {
      options.milliseconds = std::strtod(value.c_str(), nullptr);
    } else {
      return std::nullopt;
    }
  }
  return options;
}

bool wanted(const std::string& filter, const std::string& name) {
  return filter.empty() || filter == name;
}

// Times one case, prints its line and appends its JSON object. False if it does not round trip.
bool run(const Case& one, const Options& options, std::string& json) {
  Runner runner(one);
  runner.encode();
  runner.write_escapes();
  const bool good = runner.decode() && runner.decoded_the_symbols();
  const double clock = measure_clock();
  const Timing encode = time_passes(options.milliseconds, clock, [&] { runner.encode(); });
  const Timing decode = time_passes(options.milliseconds, clock, [&] { (void)runner.decode(); });
  const char* width = one.wide ? "wide" : "narrow";
  std::printf("%-8s %-6s %-6s %5u   %7.2f %7.2f %8.0f   %7.2f %7.2f %8.0f   %.2f%s\n",
              one.kernels->name, one.workload->name, width, one.lanes, encode.best, encode.median,
              clock / encode.best / 1e6, decode.best, decode.median, clock / decode.best / 1e6,
              clock / 1e9, good ? "" : "   WRONG");
  char line[512];
  std::snprintf(line, sizeof line,
                "%s    {\"isa\": \"%s\", \"workload\": \"%s\", \"width\": \"%s\", \"lanes\": %u, "
                "\"types\": \"%s\", \"bytes\": %llu, \"clock_hz\": %.0f, "
                "\"encode\": {\"best\": %.3f, \"median\": %.3f}, "
                "\"decode\": {\"best\": %.3f, \"median\": %.3f}}",
                json.empty() ? "" : ",\n", one.kernels->name, one.workload->name, width, one.lanes,
                options.types.c_str(), static_cast<unsigned long long>(runner.word_bytes()), clock,
                encode.best, encode.median, decode.best, decode.median);
  json += line;
  return good;
}

// The processor's name, where the system tells it.
std::string processor() {
  std::string name = "unknown";
  if (std::FILE* file = std::fopen("/proc/cpuinfo", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::strncmp(line, "model name", 10) != 0) continue;
      const char* colon = std::strchr(line, ':');
      if (colon != nullptr) name.assign(colon + 2, std::strcspn(colon + 2, "\n\""));
      break;
    }
    std::fclose(file);
  }
  return name;
}

bool write_json(const std::string& path, const std::string& results) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fprintf(file,
               "{\n  \"unit\": \"cycles per symbol\",\n  \"processor\": \"%s\",\n"
               "  \"compiler\": \"%s\",\n  \"build_type\": \"%s\",\n  \"version\": \"%s\",\n"
               "  \"symbols\": %llu,\n  \"results\": [\n%s\n  ]\n}\n",
               processor().c_str(), FASTCODER_COMPILER, FASTCODER_BUILD_TYPE, FASTCODER_VERSION,
               static_cast<unsigned long long>(kCount), results.c_str());
  return std::fclose(file) == 0;
}

int run_all(const Options& options) {
  std::printf("%llu symbols; cycles per symbol: best and median; Msym/s of the best\n",
              static_cast<unsigned long long>(kCount));
  std::printf(
      "isa      data   width  lanes    encode  median   Msym/s    decode  median   Msym/s"
      "   GHz\n");
  std::string json;
  bool good = true;
  for (const uint32_t wide : {0u, 1u}) {
    if (!wanted(options.width, wide ? "wide" : "narrow")) continue;
    const int precision = wide ? 16 : 14;
    const Workload workloads[] = {
        gaussian_workload("low", "Gaussian rows, median scale 0.4", precision, 0.4, 1.15, 30.0),
        gaussian_workload("mid", "Gaussian rows, median scale 4", precision, 4.0, 0.70, 60.0),
        one_row_workload(precision),
    };
    for (const std::string& isa : available_isas()) {
      if (!wanted(options.isa, isa)) continue;
      use_isa(isa);
      for (const Workload& workload : workloads) {
        if (!wanted(options.workload, workload.name)) continue;
        for (uint32_t lanes = 1; lanes <= kMaxLanes; lanes *= 2) {
          if (options.lanes != 0 && options.lanes != lanes) continue;
          if (options.types == "int8" && std::strcmp(workload.name, "mid") == 0) continue;
          const Case one = {&active_kernels(), &workload, wide, lanes, options.types == "int8"};
          good = run(one, options, json) && good;
        }
      }
    }
  }
  if (!options.json.empty() && !write_json(options.json, json)) {
    std::fprintf(stderr, "cannot write %s\n", options.json.c_str());
    return 1;
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace fastcoder

int main(int argc, char** argv) {
  const auto options = fastcoder::parse({argv, static_cast<size_t>(argc)});
  if (!options) {
    std::fprintf(stderr,
                 "usage: bench_kernels [--isa NAME] [--workload low|mid|one] [--width narrow|wide]"
                 " [--lanes K]\n                     [--types int32|int8] [--milliseconds MS]"
                 " [--json FILE]\n");
    return 2;
  }
  try {
    return fastcoder::run_all(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
