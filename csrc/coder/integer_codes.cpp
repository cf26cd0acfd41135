// SPDX-License-Identifier: Apache-2.0
#include "coder/integer_codes.h"

#include <algorithm>

#include "coder/decoder.h"
#include "coder/interruption.h"
#include "coder/large_table.h"
#include "coder/numeric.h"
#include "coder/stack.h"

namespace fastcoder {

// The bucket of value v is found by its bits: with s = max(0, floor(log2 v) - 5), it is number
// 32 s + floor(v / 2^s) - 1. The last of them may reach beyond the largest value; it is replaced by
// buckets of the powers of two that its size is the sum of, the largest first. So the position in a
// bucket is always a whole number of bits.
//
// 32 to an octave: within a bucket the law falls by a factor of up to 1 - exponent / 32, and taking
// it for flat costs about (exponent / 32)^2 / 24 nats, 6e-5 bits for an exponent of 1.
struct IntegerCode::Buckets {
  static constexpr uint32_t kLog2PerOctave = 5;

  std::vector<uint64_t> firsts;
  std::vector<uint8_t> log2_sizes;
  uint64_t whole = 0;  // buckets that are not cut
  std::shared_ptr<const LargeTable> table;

  static uint32_t shift_of(uint64_t value) {
    const uint32_t log2 = static_cast<uint32_t>(std::bit_width(value)) - 1;
    return log2 > kLog2PerOctave ? log2 - kLog2PerOctave : 0;
  }
  static uint64_t plain_bucket(uint64_t value) {
    const uint32_t shift = shift_of(value);
    return (uint64_t{shift} << kLog2PerOctave) + (value >> shift) - 1;
  }
  uint32_t find(uint64_t value) const {
    uint64_t bucket = plain_bucket(value);
    if (bucket >= whole) {
      bucket = firsts.size() - 1;
      while (firsts[bucket] > value) --bucket;
    }
    return static_cast<uint32_t>(bucket);
  }

  Buckets(double exponent, uint64_t most);
};

namespace {

constexpr int kZipfPrecision = 24;

// The sum of v^-exponent over [first, first + 2^log2): Simpson's rule on the integral over the
// half-open unit bins, exact to 1e-4 where it is used (first >= 64), and the power itself below.
double mass_of(double exponent, uint64_t first, uint32_t log2) {
  const auto power = [&](double x) { return numeric::exp(-exponent * numeric::log(x)); };
  const double begin = static_cast<double>(first);
  if (log2 == 0) return power(begin);
  const double size = static_cast<double>(uint64_t{1} << log2);
  const double low = begin - 0.5;
  const double sides = power(low) + power(low + size);
  return size / 6.0 * (sides + 4.0 * power(low + 0.5 * size));
}

}  // namespace

IntegerCode::Buckets::Buckets(double exponent, uint64_t most) {
  const auto append = [&](uint64_t first, uint32_t log2) {
    firsts.push_back(first);
    log2_sizes.push_back(static_cast<uint8_t>(log2));
  };
  const uint64_t count = plain_bucket(most) + 1;
  uint64_t first = 1;
  for (uint64_t bucket = 0; bucket + 1 < count; ++bucket) {
    const uint32_t shift = shift_of(first);
    append(first, shift);
    first += uint64_t{1} << shift;
  }
  whole = count - 1;
  // From first to most, both included: at most 2^59 values.
  for (uint64_t left = most - first + 1; left > 0;) {
    const uint64_t size = std::bit_floor(left);
    append(first, static_cast<uint32_t>(std::countr_zero(size)));
    first += size;
    left -= size;
  }
  std::vector<double> masses(firsts.size());
  for (size_t i = 0; i < masses.size(); ++i) {
    masses[i] = mass_of(exponent, firsts[i], log2_sizes[i]);
  }
  const uint32_t slots = static_cast<uint32_t>(masses.size());
  const int32_t offset = 0;
  table = LargeTable::from_pmf(masses, {&slots, 1}, {&offset, 1}, kZipfPrecision);
}

IntegerCode IntegerCode::bits(int64_t width) {
  check_bits_width(width);
  const uint32_t bits = static_cast<uint32_t>(width);
  return {Kind::kBits, bits, 0, ~uint64_t{0} >> (kMaxBits - bits)};
}

IntegerCode IntegerCode::elias_gamma() { return {Kind::kExpGolomb, 0, 1, ~uint64_t{0}}; }

IntegerCode IntegerCode::exp_golomb(int64_t k) {
  if (k < 0 || k > int64_t{kMaxGolomb}) {
    throw Error(ErrorKind::kValue, "k = " + std::to_string(k) + ", expected 0 <= k <= 63");
  }
  return {Kind::kExpGolomb, static_cast<uint32_t>(k), 0, ~uint64_t{0}};
}

IntegerCode IntegerCode::zipf(double exponent, uint64_t most) {
  if (!numeric::is_finite(exponent) || !(exponent >= 0.0 && exponent <= 16.0)) {
    throw Error(ErrorKind::kValue,
                "exponent = " + numeric::text_of(exponent) + ", expected 0 <= exponent <= 16");
  }
  if (most < 1) {
    throw Error(ErrorKind::kValue, "most = 0, expected 1 <= most < 2**64");
  }
  IntegerCode code(Kind::kBuckets, 0, 1, most);
  code.buckets_ = std::make_shared<const Buckets>(exponent, most);
  return code;
}

template <class Push>
void IntegerCode::append(uint64_t value, Push&& push) const {
  switch (kind_) {
    case Kind::kBits:
      bits_to_intervals(value, parameter_, push);
      return;
    case Kind::kExpGolomb:
      exp_golomb_to_intervals(value - lowest_, parameter_, push);
      return;
    case Kind::kBuckets:
      break;
  }
  const uint32_t bucket = buckets_->find(value);
  push(buckets_->table->interval(0, bucket));
  bits_to_intervals(value - buckets_->firsts[bucket], buckets_->log2_sizes[bucket], push);
}

template <class Source>
void IntegerCode::pull_from(Source& source, std::span<uint64_t> values) const {
  const auto pull_piece = [&](std::span<uint64_t> piece) {
    switch (kind_) {
      case Kind::kBits:
        for (uint64_t& value : piece) value = bits_from_intervals(source, parameter_);
        return;
      case Kind::kExpGolomb:
        for (uint64_t& value : piece) {
          value = exp_golomb_from_intervals(source, parameter_) + lowest_;
          if (FASTCODER_UNLIKELY(value < lowest_)) {
            throw Error(ErrorKind::kCorrupt, "integer = 2**64, expected less");
          }
        }
        return;
      case Kind::kBuckets:
        break;
    }
    for (uint64_t& value : piece) {
      const uint32_t bucket = buckets_->table->pull_slot(source, 0);
      value = buckets_->firsts[bucket] + bits_from_intervals(source, buckets_->log2_sizes[bucket]);
    }
  };
  source.guarded([&] {
    for_pieces(values.size(),
               [&](uint64_t first, uint64_t size) { pull_piece(values.subspan(first, size)); });
  });
}

std::vector<PackedInterval> IntegerCode::pack(std::span<const uint64_t> values) const {
  std::vector<PackedInterval> packed;
  packed.reserve(2 * values.size());
  const auto push = [&](PackedInterval interval) { packed.push_back(interval); };
  for_pieces(values.size(), [&](uint64_t first, uint64_t size) {
    for (uint64_t i = first; i < first + size; ++i) {
      const uint64_t value = values[i];
      if (value < lowest_ || value > highest_) {
        throw Error(ErrorKind::kValue,
                    "values[" + std::to_string(i) + "] = " + std::to_string(value) + ", expected " +
                        std::to_string(lowest_) + " <= value <= " + std::to_string(highest_));
      }
      append(value, push);
    }
  });
  return packed;
}

double IntegerCode::cost(std::span<const uint64_t> values) const {
  double bits = 0.0;
  for (const PackedInterval interval : pack(values)) {
    bits += precision_of(interval) - numeric::log2(frequency_of(interval));
  }
  return bits;
}

void IntegerCode::pull(Decoder& decoder, std::span<uint64_t> values) const {
  pull_from(decoder, values);
}

void IntegerCode::pop(Stack& stack, std::span<uint64_t> values) const { pull_from(stack, values); }

std::span<const uint64_t> IntegerCode::bucket_firsts() const {
  if (buckets_ == nullptr) return {};
  return buckets_->firsts;
}

std::shared_ptr<const LargeTable> IntegerCode::bucket_table() const {
  return buckets_ == nullptr ? nullptr : buckets_->table;
}

}  // namespace fastcoder
