// SPDX-License-Identifier: Apache-2.0
// Encoders divide in floats and correct the result with integers: proofs over edge-biased cases,
// for every frequency of every precision and in every rounding mode.
#include <algorithm>
#include <cfenv>
#include <cstdint>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "check.h"
#include "coder/cdf_table.h"
#include "format/escape.h"
#include "format/params.h"
#include "simd/dispatch.h"
#include "simd/kernel_table.h"

// For the constant that the vector kernels divide with.
#define FASTCODER_ISA division_test
#include "simd/lane_maps.h"

namespace fastcoder {
namespace {

constexpr int kRoundings[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};

struct Rounding {
  explicit Rounding(int mode) : before(std::fegetround()) { std::fesetround(mode); }
  ~Rounding() { std::fesetround(before); }
  int before;
};

struct Division {
  uint64_t x;
  uint32_t divisor;
};

// Quotients below 2^quotient_bits next to powers of two and next to the largest, each with the
// remainders at its ends.
void append_edges(uint32_t divisor, uint32_t quotient_bits, std::vector<Division>& divisions) {
  const auto append = [&](uint64_t quotient) {
    if (quotient >= uint64_t{1} << quotient_bits) return;
    const uint64_t x = quotient * divisor;
    for (const uint64_t remainder : {uint64_t{0}, uint64_t{1}, uint64_t{divisor} - 1}) {
      if (remainder < divisor) divisions.push_back({x + remainder, divisor});
    }
  };
  append(0);
  for (uint32_t log2 = 0; log2 <= quotient_bits; ++log2) {
    const uint64_t power = uint64_t{1} << log2;
    append(power - 1);
    append(power);
    append(power + 1);
  }
  append((uint64_t{1} << quotient_bits) - 2);
}

// The same for quotients of two 16-bit digits, as a wide state has them: each digit at its ends.
void append_edges_of_digits(uint32_t divisor, std::mt19937_64& random,
                            std::vector<Division>& divisions) {
  const uint64_t digits[] = {0, 1, 0x7FFF, 0xFFFE, 0xFFFF, random() & 0xFFFF};
  for (const uint64_t high : digits) {
    for (const uint64_t low : digits) {
      const uint64_t x = (high << 16 | low) * divisor;
      divisions.push_back({x, divisor});
      divisions.push_back({x + divisor - 1, divisor});
      divisions.push_back({x + random() % divisor, divisor});
    }
  }
}

// The steps of Vec::reciprocal_below and Vec::quotient_below on one lane: with the state converted
// in two halves (SSE4.1 and AVX2) or at once (AVX-512). Counts results that are neither the
// quotient nor one less.
[[gnu::noinline]] void divide_in_floats(std::span<const Division> divisions, bool halves,
                                        uint64_t& wrong, uint64_t& exact) {
  for (const Division& division : divisions) {
    const uint32_t x = static_cast<uint32_t>(division.x);
    const float divisor = static_cast<float>(static_cast<int32_t>(division.divisor));
    const float reciprocal = division_test::kJustBelowOne / divisor;
    float real = static_cast<float>(x);
    if (halves) {
      real = static_cast<float>(static_cast<int32_t>(x >> 16)) * 65536.0f +
             static_cast<float>(static_cast<int32_t>(x & 0xFFFF));
    }
    const uint32_t guess = static_cast<uint32_t>(static_cast<int32_t>(real * reciprocal));
    const uint32_t quotient = x / division.divisor;
    exact += guess == quotient;
    // A guess above the quotient would make the correction go the wrong way.
    wrong += quotient - guess > (quotient == 0 ? 0u : 1u);
  }
}

TEST(float_division_is_exact_or_one_below_in_every_rounding_mode) {
  // All frequencies of both working precisions: those of a smaller precision, scaled, are among
  // them. Quotients are below 2^18 at 14 bits; at 16 each of the two is below 2^16.
  std::mt19937_64 random(31);
  std::vector<Division> divisions;
  uint64_t wrong = 0;
  uint64_t exact = 0;
  uint64_t total = 0;
  for (uint32_t divisor = 1; divisor <= 1u << Wide::kPrecision; ++divisor) {
    const uint32_t quotient_bits = divisor <= 1u << Narrow::kPrecision ? 18 : 16;
    append_edges(divisor, quotient_bits, divisions);
    const uint64_t limit = uint64_t{divisor} << quotient_bits;
    for (int i = 0; i < 15; ++i) {
      divisions.push_back({random() % limit, divisor});
      divisions.push_back({limit - std::min(limit, random() % 100 + 1), divisor});
    }
    if (divisor % 1024 != 0) continue;
    for (const int mode : kRoundings) {
      const Rounding rounding(mode);
      divide_in_floats(divisions, true, wrong, exact);
      divide_in_floats(divisions, false, wrong, exact);
      total += 2 * divisions.size();
    }
    divisions.clear();
  }
  CHECK_EQ(wrong, uint64_t{0});
  CHECK(exact > total / 2);
}

// ---- whole kernels ---------------------------------------------------------------------------

// Push i puts symbol symbols[i] of row indexes[i] on states[i]; the rest is what integers say.
struct Pushes {
  std::vector<uint64_t> states;
  std::vector<uint16_t> indexes;
  std::vector<int8_t> symbols;
  std::vector<uint64_t> new_states;
  std::vector<int32_t> words;  // -1: none
};

template <class Width>
void append_push(uint64_t state, uint16_t row, int8_t symbol, uint64_t start, uint64_t frequency,
                 Pushes& pushes) {
  pushes.states.push_back(state);
  pushes.indexes.push_back(row);
  pushes.symbols.push_back(symbol);
  const bool gives_word = state >= frequency << (Width::kStateBits - Width::kPrecision);
  pushes.words.push_back(gives_word ? static_cast<int32_t>(state & 0xFFFF) : -1);
  const uint64_t x = gives_word ? state >> 16 : state;
  pushes.new_states.push_back((x / frequency << Width::kPrecision) + x % frequency + start);
}

// The states that bring `division.x` to the division, by themselves and after a word has left.
template <class Width>
void append_pushes(Division division, uint16_t row, int8_t symbol, uint64_t start, uint64_t low,
                   Pushes& pushes) {
  const uint64_t limit = uint64_t{division.divisor} << (Width::kStateBits - Width::kPrecision);
  if (division.x >= Width::kLower && division.x < limit) {
    append_push<Width>(division.x, row, symbol, start, division.divisor, pushes);
  }
  const uint64_t longer = division.x << 16 | low;
  if (longer >= limit && longer >> Width::kStateBits == 0) {
    append_push<Width>(longer, row, symbol, start, division.divisor, pushes);
  }
}

template <class Width>
uint64_t count_wrong(const KernelTable& kernels, const TableView& view, const Pushes& pushes) {
  uint64_t wrong = 0;
  for (size_t first = 0; first + kMaxLanes <= pushes.states.size(); first += kMaxLanes) {
    uint8_t words[2 * kMaxLanes + kEncodeSlack] = {};
    Escape escapes[kMaxLanes];
    EncodeLanes lanes = {};
    lanes.lanes = kMaxLanes;
    lanes.cursor = std::end(words);
    lanes.escapes = escapes;
    std::copy_n(pushes.states.data() + first, kMaxLanes, lanes.state);
    const EncodeBlock block = {&view, pushes.symbols.data() + first, pushes.indexes.data() + first,
                               kMaxLanes, 0};
    kernels.encode[Width::kPrecision == 16][kSymbolInt8][kIndexUint16](block, lanes);
    const uint8_t* word = std::end(words);
    for (uint32_t lane = kMaxLanes; lane-- > 0;) {
      if (pushes.words[first + lane] >= 0) {
        word -= 2;
        wrong += word[0] + 256 * word[1] != pushes.words[first + lane];
      }
      wrong += lanes.state[lane] != pushes.new_states[first + lane];
    }
    wrong += word != lanes.cursor;
  }
  return wrong;
}

// Rows of two slots, f and the rest, for every frequency f of a precision.
template <class Width>
void check_precision(int precision) {
  std::mt19937_64 random(32 + static_cast<uint64_t>(precision));
  const uint32_t total = 1u << precision;
  const uint32_t scale = Width::kPrecision - static_cast<uint32_t>(precision);
  constexpr uint32_t kRows = 2048;
  for (uint32_t begin = 1; begin < total / 2 + 1; begin += kRows) {
    std::vector<uint32_t> cdf;
    Pushes pushes;
    const uint32_t rows = std::min(kRows, total / 2 + 1 - begin);
    for (uint32_t r = 0; r < rows; ++r) {
      const uint32_t start = begin + r;
      cdf.insert(cdf.end(), {0, start, total});
      for (const int8_t symbol : {int8_t{0}, int8_t{1}}) {
        const uint32_t frequency = (symbol == 0 ? start : total - start) << scale;
        std::vector<Division> divisions;
        if constexpr (Width::kPrecision == 16) {
          append_edges_of_digits(frequency, random, divisions);
        } else {
          append_edges(frequency, 18, divisions);
        }
        for (const Division& division : divisions) {
          append_pushes<Width>(division, static_cast<uint16_t>(r), symbol,
                               symbol == 0 ? 0 : uint64_t{start} << scale, random() & 0xFFFF,
                               pushes);
        }
      }
    }
    while (pushes.states.size() % kMaxLanes != 0) {
      append_push<Width>(Width::kLower, 0, 0, 0, uint64_t{begin} << scale, pushes);
    }
    CHECK(pushes.states.size() > 50 * rows);
    const auto table = CdfTable::from_cdf(cdf, std::vector<uint32_t>(rows, 2),
                                          std::vector<int32_t>(rows, 0), precision, false);
    CHECK(table->coding_view().fast != nullptr);
    for (const std::string& isa : available_isas()) {
      use_isa(isa);
      for (const int mode : kRoundings) {
        const Rounding rounding(mode);
        CHECK_EQ(count_wrong<Width>(active_kernels(), table->coding_view(), pushes), uint64_t{0});
      }
    }
  }
}

TEST(every_isa_divides_as_integers_do_in_every_rounding_mode) {
  for (int precision = 1; precision <= 16; ++precision) {
    if (precision <= static_cast<int>(Narrow::kPrecision)) {
      check_precision<Narrow>(precision);
    } else {
      check_precision<Wide>(precision);
    }
  }
}

}  // namespace
}  // namespace fastcoder
