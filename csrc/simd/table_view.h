// SPDX-License-Identifier: Apache-2.0
// What a kernel sees of a table: plain pointers into arrays that CdfTable owns. No STL here, because
// this header crosses the ISA wall.
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

// buckets[b] is the largest k with cdf[k] <= b << bucket_shift: the search for a slot starts there
// and only walks up. Everything is at the table's own precision.
struct TableView {
  const uint32_t* cdf;
  const uint16_t* buckets;
  const RowView* rows;
  uint64_t row_count;
  uint32_t precision;
  uint32_t escape;  // 1 if the last slot of every row is the escape
};

}  // namespace fastcoder
