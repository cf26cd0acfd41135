// SPDX-License-Identifier: Apache-2.0
// Rows whose frequencies follow the symbols that were coded with them (docs/range-coder.md 4).
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "coder/owned_mutex.h"
#include "coder/slot.h"

namespace fastcoder {

inline constexpr uint32_t kMaxAdaptiveTotal = 1u << 16;

// Both sides start with equal ones, and every coded symbol changes them in the same way. Integers
// only; a step and an update take O(log slots).
class AdaptiveTable {
 public:
  struct Row {
    uint64_t begin;  // of its frequencies and sums
    int32_t offset;
    uint32_t slots;    // escape included
    uint32_t symbols;  // slots without the escape
    uint32_t total;
    uint32_t top;       // the largest power of two <= slots
    uint64_t saved_in;  // the transaction that has a copy of it
  };

  // Frequencies of all rows, back to back: row r has slots[r] of them, each at least 1. With
  // `escape` the last slot of each row is the escape. Throws Error(kTable) with row and position.
  AdaptiveTable(std::span<const uint32_t> counts, std::span<const uint32_t> slots,
                std::span<const int32_t> offsets, uint32_t increment, uint32_t limit, bool escape);
  AdaptiveTable(const AdaptiveTable& other);
  AdaptiveTable& operator=(const AdaptiveTable&) = delete;

  uint64_t row_count() const { return rows_.size(); }
  bool escape() const { return escape_; }
  uint32_t increment() const { return increment_; }
  uint32_t limit() const { return limit_; }
  const Row& row(uint64_t index) const { return rows_[index]; }
  std::vector<uint32_t> counts(uint64_t row) const;

  Slot slot(const Row& row, uint32_t slot) const;
  // The slot that holds `value`, which is below the row's total.
  Slot find(const Row& row, uint32_t value) const;
  // Counts a coded symbol.
  void update(uint64_t row, uint32_t slot);

  // Holds the table for one push or pull, and takes back what it did unless it is committed.
  class Transaction {
   public:
    // `single`: at most one update follows, and nothing that can fail comes after it.
    Transaction(AdaptiveTable& table, bool single);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit() { committed_ = true; }

   private:
    AdaptiveTable& table_;
    std::lock_guard<OwnedMutex> lock_;
    bool committed_ = false;
  };

 private:
  struct Saved {
    uint64_t row;
    std::vector<uint32_t> counts;
  };

  void halve(Row& row);
  void rebuild(Row& row);

  bool escape_;
  uint32_t increment_;
  uint32_t limit_;
  std::vector<Row> rows_;
  std::vector<uint32_t> counts_;
  // A Fenwick tree per row (P. Fenwick, "A new data structure for cumulative frequency tables",
  // Software: Practice and Experience 24(3), 1994): sums_[begin + i - 1] is the sum of the
  // (i and -i) frequencies that end with number i, counted from 1.
  std::vector<uint32_t> sums_;

  mutable OwnedMutex mutex_;
  uint64_t transaction_ = 0;
  bool saving_ = false;
  std::vector<Saved> saved_;
};

}  // namespace fastcoder
