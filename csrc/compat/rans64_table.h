// SPDX-License-Identifier: Apache-2.0
// The tables of CompressAI's coder, as its callers pass them on every call, and what a coder
// prepares from them once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "coder/cdf_table.h"
#include "compat/rans64_step.h"

namespace fastcoder {

// All that defines a table: size and offset of every row, and the rows back to back, without what
// pads them. Two tables are equal if these are.
struct Rans64Content {
  std::vector<int32_t> sizes;    // entries of a row, escape slot and both ends included
  std::vector<int32_t> offsets;  // symbol of slot 0
  std::vector<int32_t> cdf;
  bool operator==(const Rans64Content&) const = default;
};

struct Rans64Row {
  uint32_t begin;  // first of its entries in cdf
  uint32_t plain;  // slots before the escape
  int32_t offset;
};

// Encoding: what one look at a row has to say.
struct Rans64PushRow {
  int32_t offset;
  // Slots that have a push, from the first. None if one of the row's slots is empty or all of it,
  // and none whose symbol int32 does not hold, so that symbol - offset may wrap.
  uint32_t plain;
  uint32_t begin;  // of the first push, in units of 8 bytes, by which an address can be scaled
  uint32_t none;   // so that rows are 16 bytes apart
};

// Decoding. With value = x mod 2^16, the bucket begin + (value >> shift) of a row decides between
// the first slot that reaches into it and the next one, as in simd/table_view.h. What it cannot
// decide (later slots, escapes, values outside every slot) has value - start >= the sum of its
// frequencies. Four loads at once are sooner there than one whose parts are shifted out.
struct Rans64Bucket {
  uint16_t start;  // of the first slot
  uint16_t frequency0;
  uint16_t frequency1;
  uint16_t slot;
};

struct Rans64BucketRow {
  uint32_t begin;
  uint32_t shift;
  int32_t offset;
};

// Immutable but for what is prepared on demand; shared by threads without locks.
class Rans64Table {
 public:
  // Rows of at least two entries that never decrease, in [0, 2^16]; slots without width and a last
  // entry below 2^16 are legal. Throws Error(kTable) that names row, position and value.
  explicit Rans64Table(Rans64Content content);

  const Rans64Content& content() const { return content_; }
  std::span<const Rans64Row> rows() const { return rows_; }
  std::span<const int32_t> cdf(uint64_t row) const {
    return std::span(content_.cdf)
        .subspan(rows_[row].begin, static_cast<size_t>(content_.sizes[row]));
  }

  // What one push or one lookup per symbol takes; null where so few symbols (of this call and all
  // before it) would not pay for it, or where it would be too large.
  const Rans64PushRow* push_rows(uint64_t symbols) const;
  const Rans64Push* pushes() const { return pushes_.data(); }  // if there are push_rows
  const Rans64BucketRow* bucket_rows(uint64_t symbols) const;
  const Rans64Bucket* buckets() const { return buckets_.data(); }  // if there are bucket_rows

  // The most that this object will ever take.
  uint64_t bytes() const;

 private:
  bool pays(uint64_t symbols) const;
  void build_pushes() const;
  void build_buckets() const;

  Rans64Content content_;
  std::vector<Rans64Row> rows_;
  mutable std::atomic<uint64_t> symbols_{0};
  mutable std::once_flag pushes_once_;
  mutable std::vector<Rans64PushRow> push_rows_;
  mutable std::vector<Rans64Push> pushes_;
  mutable std::once_flag buckets_once_;
  mutable std::vector<Rans64BucketRow> bucket_rows_;
  mutable std::vector<Rans64Bucket> buckets_;
};

using Rans64TablePtr = std::shared_ptr<const Rans64Table>;

// The table of this content: one that was made before, if it is among the last few. Equal is what
// compares equal, entry for entry; a hash only says where to look. Thread-safe.
Rans64TablePtr rans64_table(Rans64Content content);

// The same for an immutable table of precision 16 with an escape, found by the object itself.
Rans64TablePtr rans64_table(const std::shared_ptr<const CdfTable>& table);

// What the cache may hold; all of it is dropped by clear_rans64_tables(), for tests.
inline constexpr size_t kRans64CachedTables = 32;
inline constexpr uint64_t kRans64CachedBytes = uint64_t{64} << 20;
size_t cached_rans64_tables();
void clear_rans64_tables();

}  // namespace fastcoder
