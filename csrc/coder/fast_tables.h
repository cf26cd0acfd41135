// SPDX-License-Identifier: Apache-2.0
// The two lookup structures behind FastView: built with a table, owned by it.
#pragma once

#include <cstdint>
#include <vector>

#include "simd/table_view.h"

namespace fastcoder {

class FastTables {
 public:
  // Builds them, or nothing if the table does not fit: a symbol outside int16, a frequency of 2^16,
  // or more than 12 MiB. `table` is complete but for its `fast`.
  explicit FastTables(const TableView& table);

  const FastView* view() const { return buckets_.empty() ? nullptr : &view_; }

 private:
  void build_buckets(const TableView& table, uint32_t precision);
  void build_dense(const TableView& table, uint32_t precision);

  std::vector<uint64_t> buckets_;
  std::vector<uint32_t> dense_;
  FastView view_{};
};

}  // namespace fastcoder
