// SPDX-License-Identifier: Apache-2.0
// Codes for integers of up to 64 bits, made of intervals (docs/codes.md 1). Each is a function to
// intervals and one from anything with peek(precision) and advance(start, frequency): a Decoder or
// a Stack.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "coder/intervals.h"

namespace fastcoder {

class LargeTable;
class Stack;

// --- unary ---
// m ones and a zero, the first bit on top, as few intervals of precision 16 as there can be: m
// below 16 is the interval of all 16-bit numbers that begin so, and 16 ones are an interval of
// their own.
inline constexpr uint32_t kUnaryPrecision = 16;

template <class Push>
void unary_to_intervals(uint32_t m, Push&& push) {
  for (; m >= kUnaryPrecision; m -= kUnaryPrecision) {
    push(pack_interval(0xFFFF, 1, kUnaryPrecision));
  }
  push(pack_interval(0x10000 - (0x10000 >> m), 0x8000 >> m, kUnaryPrecision));
}

template <class Source>
uint32_t unary_from_intervals(Source& source, uint32_t most) {
  for (uint32_t sum = 0;;) {
    const uint32_t value = source.peek(kUnaryPrecision);
    const uint32_t m = static_cast<uint32_t>(std::countl_one(static_cast<uint16_t>(value)));
    sum += m;
    if (sum > most) {
      throw Error(ErrorKind::kCorrupt, "unary code = " + std::to_string(sum) +
                                           " or more, expected at most " + std::to_string(most));
    }
    if (m < kUnaryPrecision) {
      source.advance(0x10000 - (0x10000 >> m), 0x8000 >> m);
      return sum;
    }
    source.advance(0xFFFF, 1);
  }
}

// --- Exp-Golomb ---
// value + 2^k has m + 1 bits, the first of which is a one: m - k in unary, then the other m as they
// are. For k = 0 and value - 1 it is the Elias-gamma code.
inline constexpr uint32_t kMaxGolomb = 63;

template <class Push>
void exp_golomb_to_intervals(uint64_t value, uint32_t k, Push&& push) {
  const uint64_t sum = value + (uint64_t{1} << k);
  // A sum that wrapped has 65 bits.
  const uint32_t m = sum < value ? 64 : static_cast<uint32_t>(std::bit_width(sum)) - 1;
  unary_to_intervals(m - k, push);
  bits_to_intervals(m == 64 ? sum : sum & ((uint64_t{1} << m) - 1), m, push);
}

template <class Source>
uint64_t exp_golomb_from_intervals(Source& source, uint32_t k) {
  const uint32_t m = k + unary_from_intervals(source, 64 - k);
  const uint64_t low = bits_from_intervals(source, m);
  if (m == 64 && low >= uint64_t{1} << k) {
    throw Error(ErrorKind::kCorrupt, "integer = 2**64 or more, expected less");
  }
  return (m == 64 ? low : low + (uint64_t{1} << m)) - (uint64_t{1} << k);
}

// One of the codes, for arrays of integers.
class IntegerCode {
 public:
  // Throws Error(kValue) for arguments outside their intervals.
  static IntegerCode bits(int64_t width);
  static IntegerCode elias_gamma();
  static IntegerCode exp_golomb(int64_t k);
  // P(value) in proportion to value^-exponent for 1 <= value <= most; 0 <= exponent <= 16. Buckets
  // that grow with the value, 32 to an octave, are coded by a table at precision 24, the position
  // in a bucket by raw bits.
  static IntegerCode zipf(double exponent, uint64_t most);

  uint64_t lowest() const { return lowest_; }
  uint64_t highest() const { return highest_; }

  // Error(kValue) names the first value outside [lowest, highest].
  std::vector<PackedInterval> pack(std::span<const uint64_t> values) const;

  // Bits that the values take.
  double cost(std::span<const uint64_t> values) const;

  // An error leaves decoder or stack where it stood.
  void pull(Decoder& decoder, std::span<uint64_t> values) const;
  void pop(Stack& stack, std::span<uint64_t> values) const;

  // Of the Zipf code, in order; empty for the others. Bucket b begins at firsts()[b].
  std::span<const uint64_t> bucket_firsts() const;
  std::shared_ptr<const LargeTable> bucket_table() const;

 private:
  enum class Kind { kBits, kExpGolomb, kBuckets };
  struct Buckets;

  IntegerCode(Kind kind, uint32_t parameter, uint64_t lowest, uint64_t highest)
      : kind_(kind), parameter_(parameter), lowest_(lowest), highest_(highest) {}

  template <class Push>
  void append(uint64_t value, Push&& push) const;
  template <class Source>
  void pull_from(Source& source, std::span<uint64_t> values) const;

  Kind kind_;
  uint32_t parameter_;  // width, or k
  uint64_t lowest_;
  uint64_t highest_;
  std::shared_ptr<const Buckets> buckets_;
};

}  // namespace fastcoder
