// SPDX-License-Identifier: Apache-2.0
// Rows of up to 65,536 symbols at precision up to 24, coded as intervals: the codes of vector
// quantizers, tokens, histograms of a single picture. 16 bits in all would leave 8 counts to a
// symbol of 8,192. What CdfTable has and this has not: escapes, and kernels for vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "coder/intervals.h"

namespace fastcoder {

inline constexpr uint32_t kMaxLargeSlots = 65536;

// Frequencies >= 1 with the sum 2^precision, close to the weights: their floors, and from there
// the counts that are worth most. Ties go to the lower position, and every float operation has an
// order: the same integers on every machine.
//   Requires  1 <= weights.size() == frequencies.size() <= 2^precision <= 2^24; weights finite and
//             >= 0, with a finite sum > 0.
void quantize_large(std::span<const double> weights, int precision,
                    std::span<uint32_t> frequencies);

// Immutable. Every factory throws Error(kTable) that names the row, the position and the value.
class LargeTable {
 public:
  // Rows back to back: row r has slots[r] frequencies >= 1 with the sum 2^precision.
  static std::shared_ptr<const LargeTable> from_frequencies(std::span<const uint32_t> frequencies,
                                                            std::span<const uint32_t> slots,
                                                            std::span<const int32_t> offsets,
                                                            int precision);

  // Rows back to back: finite, >= 0, with a sum > 0; normalized.
  static std::shared_ptr<const LargeTable> from_pmf(std::span<const double> pmf,
                                                    std::span<const uint32_t> slots,
                                                    std::span<const int32_t> offsets,
                                                    int precision);

  size_t rows() const { return rows_.size(); }
  int precision() const { return static_cast<int>(precision_); }
  uint32_t slots(size_t row) const { return rows_[row].slots; }
  int32_t offset(size_t row) const { return rows_[row].offset; }
  std::span<const uint32_t> cdf(size_t row) const {
    return {cdf_.data() + rows_[row].cdf_begin, size_t{rows_[row].slots} + 1};
  }

  // The interval of slot k.
  PackedInterval interval(size_t row, uint32_t slot) const {
    const uint32_t* cdf = cdf_.data() + rows_[row].cdf_begin + slot;
    return pack_interval(cdf[0], cdf[1] - cdf[0], precision_);
  }

  // The slot that holds a value below 2^precision.
  uint32_t find(size_t row, uint32_t value) const {
    const Row& found = rows_[row];
    const uint32_t* cdf = cdf_.data() + found.cdf_begin;
    const uint32_t* bucket = buckets_.data() + found.bucket_begin + (value >> found.bucket_shift);
    uint32_t low = bucket[0];
    // Slots low .. low + span are left; the step halves without a branch that could be guessed
    // wrong.
    for (uint32_t span = bucket[1] - low; span > 0;) {
      const uint32_t half = (span + 1) / 2;
      low += cdf[low + half] <= value ? half : 0;
      span -= half;
    }
    return low;
  }

  // Takes the next symbol of a row from anything with peek(precision) and advance(start,
  // frequency): its slot.
  template <class Source>
  uint32_t pull_slot(Source& source, size_t row) const {
    const uint32_t slot = find(row, source.peek(precision_));
    const uint32_t* cdf = cdf_.data() + rows_[row].cdf_begin + slot;
    source.advance(cdf[0], cdf[1] - cdf[0]);
    return slot;
  }

 private:
  struct Row {
    uint64_t cdf_begin;
    uint64_t bucket_begin;
    uint32_t slots;
    int32_t offset;
    uint32_t bucket_shift;
  };

  explicit LargeTable(int precision) : precision_(static_cast<uint32_t>(precision)) {}
  void append_row(std::span<const uint32_t> frequencies, int32_t offset);

  uint32_t precision_;
  std::vector<uint32_t> cdf_;
  // Entry b of a row is the slot that holds value b << bucket_shift; one more entry follows, the
  // last slot.
  std::vector<uint32_t> buckets_;
  std::vector<Row> rows_;
};

// Symbols and the rows they are coded with, as intervals. Errors are those of CdfTable's pushes.
std::vector<PackedInterval> pack_symbols(const LargeTable& table, const SymbolSpan& symbols,
                                         const IndexSpan& indexes, uint64_t count);

// Pulls `count` symbols; an error leaves the decoder where it stood.
void pull_symbols(Decoder& decoder, const LargeTable& table, const IndexSpan& indexes,
                  uint64_t count, const MutableSymbolSpan& symbols);

// A table as bytes (docs/codes.md 4): canonical, with a hash. Reading throws Error(kTable) for
// anything else, and allocates a bounded multiple of the bytes.
std::vector<uint8_t> large_table_to_bytes(const LargeTable& table);
std::shared_ptr<const LargeTable> large_table_from_bytes(std::span<const uint8_t> bytes);

// A table as intervals, and the inverse, which believes nothing.
std::vector<PackedInterval> pack_table(const LargeTable& table);
std::shared_ptr<const LargeTable> pull_table(Decoder& decoder);

}  // namespace fastcoder
