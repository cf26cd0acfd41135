// SPDX-License-Identifier: Apache-2.0
// States, hashes and rows of lanes as vectors; `V` is a Vec of vec_*.h.
//
// A narrow state is one 32-bit element. A wide one is two, `high` = x div 2^16 and `low` =
// x mod 2^16, because 16 is both its precision and the bits of a word: the value of a lane is
// `low` as it is, a word that comes or goes moves an element, and 48 bits need no 64-bit
// arithmetic, of which vectors have little. Both structs have the same functions.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "format/params.h"
#include "simd/generic-inl.h"
#include "simd/table_view.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// Tables of one row need no row numbers.
template <class Index>
constexpr bool kOneRow = false;
template <>
constexpr bool kOneRow<void> = true;

template <class V>
constexpr uint32_t kAllOfVector = (1u << V::kWidth) - 1;

// The rows of a block, forced into the table; `all_exist` tells afterwards whether one had to be.
template <class V, class Index>
struct Rows {
  const Index* indexes;
  typename V::U32 last;
  typename V::U32 forced;

  FASTCODER_ALWAYS_INLINE Rows(const void* block_indexes, const TableView& table)
      : indexes(static_cast<const Index*>(block_indexes)),
        last(V::splat(static_cast<uint32_t>(table.row_count - 1))),
        forced(V::splat(0)) {}
  FASTCODER_ALWAYS_INLINE typename V::U32 at(uint64_t i) {
    const typename V::U32 wanted = V::widen(indexes + i);
    const typename V::U32 row = V::min(wanted, last);
    forced = V::either(forced, V::differ(wanted, row));
    return row;
  }
  FASTCODER_ALWAYS_INLINE bool all_exist() const {
    return V::bits(V::is_zero(forced)) == kAllOfVector<V>;
  }
};
template <class V>
struct Rows<V, void> {
  FASTCODER_ALWAYS_INLINE Rows(const void*, const TableView&) {}
  FASTCODER_ALWAYS_INLINE bool all_exist() const { return true; }
};

// x div divisor and x mod divisor for x < 2^18 * divisor, with V::reciprocal_below(divisor).
template <class V>
struct Divided {
  typename V::U32 quotient;
  typename V::U32 remainder;
  FASTCODER_ALWAYS_INLINE Divided(typename V::U32 x, typename V::U32 divisor,
                                  typename V::Real reciprocal) {
    // One or none below the quotient; then the remainder tells.
    const auto guess = V::quotient_below(x, reciprocal);
    const auto rest = V::sub(x, V::mul(guess, divisor));
    const auto exact = V::less(rest, divisor);
    quotient = V::increment_unless(exact, guess);
    remainder = V::min(rest, V::sub(rest, divisor));  // the difference wraps if it was exact
  }
};

template <class V>
struct NarrowVector {
  using U32 = typename V::U32;
  static constexpr uint32_t kPrecision = Narrow::kPrecision;
  U32 x;

  FASTCODER_ALWAYS_INLINE void load(const uint64_t* states) {
    uint32_t narrow[V::kWidth];
    for (uint32_t i = 0; i < V::kWidth; ++i) narrow[i] = static_cast<uint32_t>(states[i]);
    x = V::load(narrow);
  }
  FASTCODER_ALWAYS_INLINE void store(uint64_t* states) const {
    uint32_t narrow[V::kWidth];
    V::store(narrow, x);
    for (uint32_t i = 0; i < V::kWidth; ++i) states[i] = narrow[i];
  }
  FASTCODER_ALWAYS_INLINE U32 value() const { return V::both(x, V::splat((1u << kPrecision) - 1)); }
  FASTCODER_ALWAYS_INLINE void pop(U32 frequency, U32 remainder, const uint8_t*& words) {
    const U32 popped = V::add(V::mul(V::template shift_right<kPrecision>(x), frequency), remainder);
    const auto mask = V::is_zero(V::template shift_right<16>(popped));
    const U32 word = V::take_words(mask, words);
    x = V::select(mask, V::append(popped, word), popped);
  }
  FASTCODER_ALWAYS_INLINE void push(U32 frequency, U32 start, uint8_t*& words) {
    const auto reciprocal = V::reciprocal_below(frequency);
    const auto keeps =
        V::less(V::template shift_right<Narrow::kStateBits - kPrecision>(x), frequency);
    V::emit(x, V::bits(keeps) ^ kAllOfVector<V>, words);
    const U32 rest = V::select(keeps, x, V::template shift_right<16>(x));
    const Divided<V> divided(rest, frequency, reciprocal);
    x = V::add(V::template shift_left<kPrecision>(divided.quotient),
               V::add(divided.remainder, start));
  }
};

template <class V>
struct WideVector {
  using U32 = typename V::U32;
  static constexpr uint32_t kPrecision = Wide::kPrecision;
  static_assert(kPrecision == 16 && kWordBits == 16);
  U32 high;
  U32 low;

  FASTCODER_ALWAYS_INLINE void load(const uint64_t* states) {
    uint32_t highs[V::kWidth];
    uint32_t lows[V::kWidth];
    for (uint32_t i = 0; i < V::kWidth; ++i) {
      highs[i] = static_cast<uint32_t>(states[i] >> 16);
      lows[i] = static_cast<uint32_t>(states[i] & 0xFFFF);
    }
    high = V::load(highs);
    low = V::load(lows);
  }
  FASTCODER_ALWAYS_INLINE void store(uint64_t* states) const {
    uint32_t highs[V::kWidth];
    uint32_t lows[V::kWidth];
    V::store(highs, high);
    V::store(lows, low);
    for (uint32_t i = 0; i < V::kWidth; ++i) states[i] = uint64_t{highs[i]} << 16 | lows[i];
  }
  FASTCODER_ALWAYS_INLINE U32 value() const { return low; }

  // frequency * high + remainder in two halves of `high`. The first sum is at most
  // 2^16 * (2^16 - 1) + 2^16 - 1 and the second is x div 2^16 of a state below 2^48.
  FASTCODER_ALWAYS_INLINE void pop(U32 frequency, U32 remainder, const uint8_t*& words) {
    const U32 low_mask = V::splat(0xFFFF);
    const U32 below = V::add(V::mul(V::both(high, low_mask), frequency), remainder);
    const U32 above = V::mul(V::template shift_right<16>(high), frequency);
    const U32 popped = V::add(above, V::template shift_right<16>(below));
    const U32 rest = V::both(below, low_mask);
    const auto mask = V::is_zero(V::template shift_right<16>(popped));
    const U32 word = V::take_words(mask, words);
    high = V::select(mask, V::append(popped, rest), popped);
    low = V::select(mask, word, rest);
  }

  // Long division by 16-bit digits: a state that has given its word is below frequency * 2^32, so
  // each of the two quotients is below 2^16.
  FASTCODER_ALWAYS_INLINE void push(U32 frequency, U32 start, uint8_t*& words) {
    const U32 low_mask = V::splat(0xFFFF);
    const auto reciprocal = V::reciprocal_below(frequency);
    const U32 top = V::template shift_right<16>(high);
    const auto keeps = V::less(top, frequency);
    V::emit(low, V::bits(keeps) ^ kAllOfVector<V>, words);
    const Divided<V> first(V::select(keeps, high, top), frequency, reciprocal);
    const U32 next = V::select(keeps, low, V::both(high, low_mask));
    const Divided<V> second(V::append(first.remainder, next), frequency, reciprocal);
    high = V::append(first.quotient, second.quotient);
    low = V::add(second.remainder, start);
  }
};

template <class V, class Width>
struct StatesOf {
  using Type = NarrowVector<V>;
};
template <class V>
struct StatesOf<V, Wide> {
  using Type = WideVector<V>;
};

// From EncodeLanes or DecodeLanes and back.
template <class V, class Lanes, class States, uint32_t kVectors>
FASTCODER_ALWAYS_INLINE void load_vectors(const Lanes& lanes, States (&states)[kVectors],
                                          typename V::U32 (&hashes)[kVectors]) {
  FASTCODER_UNROLL
  for (uint32_t v = 0; v < kVectors; ++v) {
    states[v].load(lanes.state + v * V::kWidth);
    hashes[v] = V::load(lanes.hash + v * V::kWidth);
  }
}

template <class V, class Lanes, class States, uint32_t kVectors>
FASTCODER_ALWAYS_INLINE void store_vectors(Lanes& lanes, const States (&states)[kVectors],
                                           const typename V::U32 (&hashes)[kVectors]) {
  FASTCODER_UNROLL
  for (uint32_t v = 0; v < kVectors; ++v) {
    states[v].store(lanes.state + v * V::kWidth);
    V::store(lanes.hash + v * V::kWidth, hashes[v]);
  }
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
