// SPDX-License-Identifier: Apache-2.0
// The kernels of parametric coding: written as plain loops over short arrays, which a compiler that
// knows the target turns into vectors (AVX-512 has all it takes, the 64-bit products and gathers;
// elsewhere it is scalar code). Everything is exact: integers, and one division that is proven to
// be; the floats of a guess are checked before they count. A little over 400 lines: encoding and
// decoding share every step of the integer cdf.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "format/interval_step.h"
#include "format/params.h"
#include "format/symbol_hash.h"
#include "simd/kernel_table.h"
#include "simd/parametric_view.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

constexpr uint32_t kParametricChunk = 256;
static_assert(kParametricChunk % kMaxLanes == 0);

// A parameter of `count` symbols from `first` on, without steps.
template <class T>
const T* unrolled(const T* values, uint32_t step, uint64_t first, uint32_t count, T* room) {
  if (step != 0) return values + first;
  for (uint32_t i = 0; i < count; ++i) room[i] = values[0];
  return room;
}

// The parameters of one component for a chunk.
struct ChunkCurve {
  int32_t mean_room[kParametricChunk];
  uint16_t scale_room[kParametricChunk];
  uint32_t weight_room[kParametricChunk];
  const int32_t* means;
  const uint16_t* scales;
  const uint32_t* weights;

  void load(const ParametricCurve& curve, uint64_t first, uint32_t count) {
    means = unrolled(curve.means, curve.mean_step, first, count, mean_room);
    scales = unrolled(curve.scales, curve.scale_step, first, count, scale_room);
  }
  void load_weights(const ParametricCurve& curve, uint64_t first, uint32_t count) {
    weights = unrolled(curve.weights, curve.weight_step, first, count, weight_room);
  }
};

// T below and above every symbol.
void evaluate(const ParametricCurve& curve, const int64_t* __restrict reciprocals,
              const ChunkCurve& chunk, const int32_t* __restrict symbols, uint32_t count,
              int64_t* __restrict below, int64_t* __restrict above) {
  const int64_t* __restrict lines = curve.lines;
  const int32_t* __restrict means = chunk.means;
  const uint16_t* __restrict scales = chunk.scales;
  const int64_t shift = curve.shift;
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t symbol = symbols[i];
    const int64_t mean = means[i];
    const int64_t scale = scales[i];
    below[i] = knots_below(lines, reciprocals, shift, symbol, mean, scale);
    above[i] = knots_below(lines, reciprocals, shift, symbol + 1, mean, scale);
  }
}

void add_weighted(const uint32_t* __restrict weights, uint32_t count,
                  const int64_t* __restrict part, int64_t* __restrict sum) {
  for (uint32_t i = 0; i < count; ++i) sum[i] += int64_t{weights[i]} * part[i];
}

// T of a mixture below and above every symbol.
void evaluate_mixture(const ParametricView& view, uint64_t first, const int32_t* symbols,
                      uint32_t count, int64_t* below, int64_t* above) {
  ChunkCurve chunk;
  int64_t part_below[kParametricChunk];
  int64_t part_above[kParametricChunk];
  for (uint32_t i = 0; i < count; ++i) below[i] = above[i] = 0;
  for (uint32_t k = 0; k < view.curve_count; ++k) {
    const ParametricCurve& curve = view.curves[k];
    chunk.load(curve, first, count);
    chunk.load_weights(curve, first, count);
    evaluate(curve, view.reciprocals, chunk, symbols, count, part_below, part_above);
    add_weighted(chunk.weights, count, part_below, below);
    add_weighted(chunk.weights, count, part_above, above);
  }
  for (uint32_t i = 0; i < count; ++i) {
    below[i] >>= kWeightBits;
    above[i] >>= kWeightBits;
  }
}

// T to intervals, in place: starts and where the next one starts.
void knots_to_starts(const ParametricView& view, const int32_t* __restrict symbols, uint32_t count,
                     int64_t* __restrict below, int64_t* __restrict above) {
  const int64_t low = view.low;
  const int64_t size = view.symbols;
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t symbol = symbols[i];
    below[i] = parametric_start(symbol, below[i], low, size);
    above[i] = parametric_start(symbol + 1, above[i], low, size);
  }
}

void parametric_intervals(const ParametricView& view, uint64_t first, const int32_t* symbols,
                          uint32_t count, int64_t* starts, int64_t* nexts) {
  if (view.curve_count == 1) {
    ChunkCurve chunk;
    chunk.load(view.curves[0], first, count);
    evaluate(view.curves[0], view.reciprocals, chunk, symbols, count, starts, nexts);
  } else {
    evaluate_mixture(view, first, symbols, count, starts, nexts);
  }
  knots_to_starts(view, symbols, count, starts, nexts);
}

// Pushes the symbols of all 32 lanes at once, as push_interval does one.
//
// The quotient is exact: state < frequency 2^24 after the words have left, so that it is below
// 2^24, where doubles are less than 2^-28 apart; and it lies at least 1 / frequency >= 2^-24 below
// the integer above it, which no rounding mode can reach.
void push_all_lanes(const int64_t* __restrict starts, const int64_t* __restrict nexts,
                    EncodeLanes& lanes) {
  int64_t states[kMaxLanes];
  uint32_t words[kMaxLanes];   // the two that may leave, the second one low
  uint32_t counts[kMaxLanes];  // bytes that do
  for (uint32_t k = 0; k < kMaxLanes; ++k) {
    const int64_t frequency = nexts[k] - starts[k];
    const int64_t limit = frequency << (Wide::kStateBits - kParametricPrecision);
    const int64_t state = static_cast<int64_t>(lanes.state[k]);
    const int64_t once = state >> kWordBits;
    const int64_t first = state >= limit;
    const int64_t second = once >= limit;
    const int64_t left = second ? once >> kWordBits : first ? once : state;
    words[k] = static_cast<uint32_t>(state << 16 | (once & 0xFFFF));
    counts[k] = static_cast<uint32_t>(2 * (first + second));
    const int64_t quotient =
        static_cast<int64_t>(static_cast<double>(left) / static_cast<double>(frequency));
    states[k] = (quotient << kParametricPrecision) + (left - quotient * frequency) + starts[k];
  }
  for (uint32_t k = 0; k < kMaxLanes; ++k) {
    lanes.state[k] = static_cast<uint64_t>(states[k]);
    lanes.hash[k] = unhash_symbol(lanes.hash[k], static_cast<int32_t>(starts[k]));
  }
  // Both words are written in any case, at most kEncodeSlack bytes too low.
  uint8_t* cursor = lanes.cursor;
  for (uint32_t k = kMaxLanes; k-- > 0;) {
    store_u32(cursor - 4, words[k]);
    cursor -= counts[k];
  }
  lanes.cursor = cursor;
}

void push_one(int64_t start, int64_t next, uint32_t lane, EncodeLanes& lanes) {
  lanes.state[lane] =
      push_interval(lanes.state[lane], static_cast<uint32_t>(start),
                    static_cast<uint32_t>(next - start), kParametricPrecision, lanes.cursor);
  lanes.hash[lane] = unhash_symbol(lanes.hash[lane], static_cast<int32_t>(start));
}

void encode_parametric(const ParametricBlock& block, EncodeLanes& lanes) {
  int64_t starts[kParametricChunk];
  int64_t nexts[kParametricChunk];
  const uint32_t mask = lanes.lanes - 1;
  for (uint64_t end = block.count; end > 0;) {
    const uint32_t size =
        static_cast<uint32_t>(end < kParametricChunk ? end : uint64_t{kParametricChunk});
    const uint64_t begin = end - size;
    parametric_intervals(*block.view, block.first_parameter + begin, block.symbols + begin, size,
                         starts, nexts);
    const uint32_t lane = static_cast<uint32_t>(block.first_lane + begin);
    for (uint32_t i = size; i > 0;) {
      if (lanes.lanes == kMaxLanes && i >= kMaxLanes && ((lane + i) & mask) == 0) {
        i -= kMaxLanes;
        push_all_lanes(starts + i, nexts + i, lanes);
      } else {
        --i;
        push_one(starts[i], nexts[i], (lane + i) & mask, lanes);
      }
    }
    end = begin;
  }
}

// A symbol near the one whose interval holds `value`. Choices are between integers, because
// compilers make branches of those between floats, and loops with branches do not become vectors.
FASTCODER_ALWAYS_INLINE int32_t guess_symbol(const float* __restrict values,
                                             const float* __restrict slopes, int32_t low,
                                             int32_t symbols, float unit, int32_t mean_code,
                                             uint32_t scale_code, int32_t value) {
  constexpr int32_t kFirst = static_cast<int32_t>((127u - kGuessOctaves - 1) << kGuessCellBits);
  constexpr uint32_t kLeastExponent = static_cast<uint32_t>(127 + kLeastScaleExponent) << 23;
  // Less than 2^31: a mean is at most 2^20, a symbol below 2^19.
  const int32_t mean = mean_code - low * (1 << kMeanBits);
  // Every symbol below the wanted one has a count of its own, about as many as up to the mean.
  int32_t before = mean >> kMeanBits;
  before = before < 0 ? 0 : before;
  before = before > symbols - 1 ? symbols - 1 : before;
  const int32_t count = value - before;
  const int32_t other = (1 << kParametricPrecision) - symbols - 1 - count;
  int32_t least = count < other ? count : other;
  least = least < 0 ? 0 : least;
  const int32_t side = count < other ? -1 : 1;
  const float tail = (static_cast<float>(least) + 0.5f) * unit;
  const int32_t bits = __builtin_bit_cast(int32_t, tail);
  const int32_t cell = (bits >> kGuessPlaceBits) - kFirst;
  const float place = static_cast<float>(bits & ((1 << kGuessPlaceBits) - 1));
  const float scale =
      __builtin_bit_cast(float, (scale_code << (23 - kScaleFractionBits)) + kLeastExponent);
  const float reach = scale * (values[cell] + slopes[cell] * place);
  const float offset =
      static_cast<float>(mean) * 0x1p-10f + 0.5f + static_cast<float>(side) * reach;
  int32_t rounded = static_cast<int32_t>(offset);  // below 2^24
  rounded = rounded < 0 ? 0 : rounded;
  rounded = rounded > symbols - 1 ? symbols - 1 : rounded;
  return low + rounded;
}

// What turns counts into probabilities.
FASTCODER_ALWAYS_INLINE float guess_unit(const ParametricView& view) {
  return 1.0f /
         static_cast<float>(static_cast<int32_t>((1u << kParametricPrecision) - view.symbols));
}

// Guesses for all 32 lanes.
void guess_all_lanes(const ParametricView& view, const ChunkCurve& chunk,
                     const int32_t* __restrict values, int32_t* __restrict symbols) {
  const GuessTable& table = *view.curves[0].guesses;
  const int32_t* __restrict means = chunk.means;
  const uint16_t* __restrict scales = chunk.scales;
  const int32_t low = view.low;
  const int32_t size = static_cast<int32_t>(view.symbols);
  const float unit = guess_unit(view);
  for (uint32_t k = 0; k < kMaxLanes; ++k) {
    symbols[k] =
        guess_symbol(table.values, table.slopes, low, size, unit, means[k], scales[k], values[k]);
  }
}

// cdf(symbol) of one position.
int64_t start_at(const ParametricView& view, uint64_t parameter, int64_t symbol) {
  int64_t knots = 0;
  for (uint32_t k = 0; k < view.curve_count; ++k) {
    const ParametricCurve& curve = view.curves[k];
    const int64_t part = knots_below(curve.lines, view.reciprocals, curve.shift, symbol,
                                     curve.means[parameter * curve.mean_step],
                                     curve.scales[parameter * curve.scale_step]);
    knots += view.curve_count == 1 ? part << kWeightBits
                                   : part * curve.weights[parameter * curve.weight_step];
  }
  return parametric_start(symbol, knots >> kWeightBits, view.low, view.symbols);
}

// The interval that holds `value`, from `guess` on: steps of 1, 2, 4, ... until the symbol lies
// between `guess` and `far`, then halves.
int32_t search(const ParametricView& view, uint64_t parameter, int64_t value, int64_t guess,
               int64_t& start, int64_t& next) {
  const int64_t end = view.low + int64_t{view.symbols};
  int64_t far = guess + 1;
  start = start_at(view, parameter, guess);
  next = start_at(view, parameter, far);
  for (int64_t step = 1; value < start; step *= 2) {
    far = guess;
    next = start;
    guess = guess - step < view.low ? view.low : guess - step;
    start = start_at(view, parameter, guess);
  }
  for (int64_t step = 1; value >= next; step *= 2) {
    guess = far;
    start = next;
    far = far + step > end ? end : far + step;
    next = start_at(view, parameter, far);
  }
  while (far - guess > 1) {
    const int64_t middle = guess + (far - guess) / 2;
    const int64_t at = start_at(view, parameter, middle);
    if (at <= value) {
      guess = middle;
      start = at;
    } else {
      far = middle;
      next = at;
    }
  }
  return static_cast<int32_t>(guess);
}

// A mixture's quantile lies between those of its components; theirs, weighted, is a first guess.
int32_t guess_one(const ParametricView& view, uint64_t parameter, int32_t value) {
  int64_t sum = 0;
  for (uint32_t k = 0; k < view.curve_count; ++k) {
    const ParametricCurve& curve = view.curves[k];
    const int64_t guess = guess_symbol(curve.guesses->values, curve.guesses->slopes, view.low,
                                       static_cast<int32_t>(view.symbols), guess_unit(view),
                                       curve.means[parameter * curve.mean_step],
                                       curve.scales[parameter * curve.scale_step], value);
    if (view.curve_count == 1) return static_cast<int32_t>(guess);
    sum += (guess - view.low) * curve.weights[parameter * curve.weight_step];
  }
  return view.low + static_cast<int32_t>(sum >> kWeightBits);
}

// Pops the symbols of all 32 lanes at once. False, with nothing changed, if the words might end.
bool pop_all_lanes(const ParametricView& view, uint64_t parameter, int32_t* __restrict symbols,
                   DecodeLanes& lanes) {
  constexpr int64_t kMask = (int64_t{1} << kParametricPrecision) - 1;
  constexpr uint32_t kMost = kMaxLanes * kMaxIntervalWords * 2;
  if (static_cast<uint64_t>(lanes.words_end - lanes.words) < kMost) return false;
  int32_t values[kMaxLanes];
  int64_t starts[kMaxLanes];
  int64_t nexts[kMaxLanes];
  for (uint32_t k = 0; k < kMaxLanes; ++k) {
    values[k] = static_cast<int32_t>(lanes.state[k] & kMask);
  }
  if (view.curve_count == 1) {
    const ParametricCurve& curve = view.curves[0];
    ChunkCurve chunk;
    chunk.load(curve, parameter, kMaxLanes);
    guess_all_lanes(view, chunk, values, symbols);
    evaluate(curve, view.reciprocals, chunk, symbols, kMaxLanes, starts, nexts);
    knots_to_starts(view, symbols, kMaxLanes, starts, nexts);
    int64_t misses = 0;
    for (uint32_t k = 0; k < kMaxLanes; ++k) {
      misses += (values[k] < starts[k]) | (values[k] >= nexts[k]);
    }
    for (uint32_t k = 0; misses != 0 && k < kMaxLanes; ++k) {
      if (values[k] >= starts[k] && values[k] < nexts[k]) continue;
      symbols[k] = search(view, parameter + k, values[k], symbols[k], starts[k], nexts[k]);
    }
  } else {
    for (uint32_t k = 0; k < kMaxLanes; ++k) {
      const int32_t guess = guess_one(view, parameter + k, values[k]);
      symbols[k] = search(view, parameter + k, values[k], guess, starts[k], nexts[k]);
    }
  }
  uint64_t popped[kMaxLanes];
  uint32_t counts[kMaxLanes];
  for (uint32_t k = 0; k < kMaxLanes; ++k) {
    const uint64_t state =
        static_cast<uint64_t>(nexts[k] - starts[k]) * (lanes.state[k] >> kParametricPrecision) +
        static_cast<uint64_t>(values[k] - starts[k]);
    popped[k] = state;
    counts[k] = (state < Wide::kLower) + (state < Wide::kLower >> kWordBits);
    lanes.hash[k] = hash_symbol(lanes.hash[k], static_cast<int32_t>(starts[k]));
  }
  const uint8_t* words = lanes.words;
  for (uint32_t k = 0; k < kMaxLanes; ++k) {
    const uint32_t two = load_u32(words);
    const uint64_t in_order = two << 16 | two >> 16;
    lanes.state[k] = popped[k] << 16 * counts[k] | in_order >> (32 - 16 * counts[k]);
    words += 2 * counts[k];
  }
  lanes.words = words;
  return true;
}

bool pop_one(const ParametricView& view, uint64_t parameter, int32_t& symbol, uint32_t lane,
             DecodeLanes& lanes) {
  const uint32_t value = peek_interval(lanes.state[lane], kParametricPrecision);
  int64_t start;
  int64_t next;
  symbol = search(view, parameter, value, guess_one(view, parameter, static_cast<int32_t>(value)),
                  start, next);
  uint64_t state = pop_interval(lanes.state[lane], static_cast<uint32_t>(start),
                                static_cast<uint32_t>(next - start), kParametricPrecision);
  while (state < Wide::kLower) {
    if (lanes.words_end - lanes.words < 2) return false;
    state = state << kWordBits | load_u16(lanes.words);
    lanes.words += 2;
  }
  lanes.state[lane] = state;
  lanes.hash[lane] = hash_symbol(lanes.hash[lane], static_cast<int32_t>(start));
  return true;
}

KernelResult decode_parametric(const ParametricBlock& block, DecodeLanes& lanes) {
  const ParametricView& view = *block.view;
  const uint32_t mask = lanes.lanes - 1;
  for (uint64_t i = 0; i < block.count;) {
    const uint32_t lane = static_cast<uint32_t>(block.first_lane + i) & mask;
    if (lanes.lanes == kMaxLanes && lane == 0 && block.count - i >= kMaxLanes &&
        pop_all_lanes(view, block.first_parameter + i, block.symbols + i, lanes)) {
      i += kMaxLanes;
      continue;
    }
    if (!pop_one(view, block.first_parameter + i, block.symbols[i], lane, lanes)) {
      return {Status::kTruncated, i, 0};
    }
    ++i;
  }
  return {Status::kOk, block.count, 0};
}

// The starts of `count` symbols and of those after them.
void starts_parametric(const ParametricBlock& block, int64_t* starts, int64_t* nexts) {
  for (uint64_t begin = 0; begin < block.count; begin += kParametricChunk) {
    const uint64_t left = block.count - begin;
    const uint32_t size =
        static_cast<uint32_t>(left < kParametricChunk ? left : uint64_t{kParametricChunk});
    parametric_intervals(*block.view, block.first_parameter + begin, block.symbols + begin, size,
                         starts + begin, nexts + begin);
  }
}

// The symbols whose intervals hold `values`.
void find_parametric(const ParametricBlock& block, const uint32_t* values) {
  for (uint64_t i = 0; i < block.count; ++i) {
    const uint64_t parameter = block.first_parameter + i;
    const int32_t value = static_cast<int32_t>(values[i]);
    int64_t start;
    int64_t next;
    block.symbols[i] = search(*block.view, parameter, value,
                              guess_one(*block.view, parameter, value), start, next);
  }
}

constexpr ParametricKernels kParametricKernels = {&encode_parametric, &decode_parametric,
                                                  &starts_parametric, &find_parametric};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
