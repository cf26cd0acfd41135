// SPDX-License-Identifier: Apache-2.0
// What a kernel sees of a table: plain pointers into arrays that CdfTable owns. No STL here,
// because this header crosses the ISA wall.
#pragma once

#include <stdint.h>

namespace fastcoder {

struct RowView {
  uint64_t cdf_begin;     // first of slots + 1 entries in TableView::cdf
  uint64_t bucket_begin;  // first of 2^(precision - bucket_shift) entries in TableView::buckets
  int32_t offset;         // symbol of slot 0
  uint32_t slots;         // escape included
  uint32_t symbols;       // slots without the escape
  uint32_t bucket_shift;  // slot value >> bucket_shift is the bucket
};

// One 64-bit load per decoded symbol, and one 32-bit load per encoded one. Everything is at 14 bits
// for a table of precision <= 14, else at 16; there a row of one slot has a frequency of 2^16,
// which is stored as 0 and so always looked up slowly. A table that does not fit (see
// coder/fast_tables.cpp) has none, and the generic kernels code it.
struct FastView {
  // Decoding, "bucket64": value >> bucket_shift is the bucket, and its entry
  //
  //   bits  63..48   47..32   31..16   15..0
  //         symbol   freq 1   freq 0   start 0       of the first slot that reaches into the bucket
  //
  // decides between that slot and the next one. What it cannot decide has frequencies for which
  // value - start >= frequency: the third and later slots of a bucket by themselves, escapes
  // because theirs are stored as 0. Kernels take those one at a time from TableView::cdf.
  // Row r begins at (r << bucket_bits) + (r << kRowPadBits): the pad keeps the hot buckets of all
  // rows out of the same cache sets.
  const uint64_t* buckets;
  // Encoding: entry[r * dense_stride + clamp(symbol, dense_low, dense_high) - dense_low] is
  // start | frequency << 16; frequency 0 marks what is outside the row (or all of it). Both ends
  // are outside every row, so that clamping is enough.
  const uint32_t* dense;
  // reciprocals[f] = floor((2^64 - 1) / f), for every frequency f <= 2^14, or < 2^16 at 16 bits. x
  // div f is the upper half of (x + 1) * reciprocals[f]: with r = (2^64 - 1) mod f, that product
  // over 2^64 is (x + 1) / f less (x + 1) (1 + r) / (2^64 f), which is more than 0 and, as (x + 1)
  // f <= 2^64 for every state, at most 1 / f.
  const uint64_t* reciprocals;
  uint32_t bucket_bits;
  uint32_t dense_stride;
  int32_t dense_low;
  int32_t dense_high;
};

constexpr uint32_t kRowPadBits = 3;

// Bucket entries from one row to the next.
static inline uint32_t row_entries(const FastView& fast) {
  return (1u << fast.bucket_bits) + (1u << kRowPadBits);
}

// buckets[b] is the largest k with cdf[k] <= b << bucket_shift: the search for a slot starts there
// and only walks up. Everything is at the table's own precision.
struct TableView {
  const uint32_t* cdf;
  const uint16_t* buckets;
  const RowView* rows;
  uint64_t row_count;
  uint32_t precision;
  uint32_t escape;       // 1 if the last slot of every row is the escape
  const FastView* fast;  // null if the table does not fit
};

}  // namespace fastcoder
