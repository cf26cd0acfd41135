// SPDX-License-Identifier: Apache-2.0
// A table: the rows (integer distributions) that symbols are coded with. Everything downstream
// trusts a CdfTable, so every way to make one checks everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "coder/fast_tables.h"
#include "coder/pmf_quantizer.h"
#include "simd/table_view.h"

namespace fastcoder {

inline constexpr int kDefaultPrecision = 14;
inline constexpr size_t kMaxRows = (size_t{1} << 31) - 1;  // indexes are at most int32

// Immutable, so threads share one through std::shared_ptr<const CdfTable> without locks.
//
// Slot k of row r holds symbol k + offset(r); if the table has an escape, the last slot of every
// row means "outside this row" instead. Every factory throws Error(kTable) that names the row, the
// position in it and the value.
class CdfTable {
 public:
  // Ready integer rows, back to back in `cdf`: row r has slots[r] slots and slots[r] + 1 entries,
  // strictly increasing from 0 to 2^precision. With `escape` the last slot is the escape.
  static std::shared_ptr<const CdfTable> from_cdf(std::span<const uint32_t> cdf,
                                                  std::span<const uint32_t> slots,
                                                  std::span<const int32_t> offsets, int precision,
                                                  bool escape);

  // Float rows, back to back in `pmf`: lengths[r] values, finite, >= 0, with a sum > 0. Without
  // `escape` a row is normalized. With `escape` a slot of mass max(0, 1 - sum) is appended (a row
  // whose sum exceeds 1 is normalized first), and a row may have no values at all: then every
  // symbol of it is an escape. Quantized by quantize_pmf.
  static std::shared_ptr<const CdfTable> from_pmf(std::span<const double> pmf,
                                                  std::span<const uint32_t> lengths,
                                                  std::span<const int32_t> offsets, int precision,
                                                  bool escape);

  // The table that to_bytes wrote, or Error(kTable) with the byte position: `bytes` is untrusted.
  // Allocates at most 32 times bytes.size(), whatever the bytes are; coding with
  // the table adds at most 12 MiB (coder/fast_tables.cpp).
  static std::shared_ptr<const CdfTable> from_bytes(std::span<const uint8_t> bytes);

  // Canonical: equal tables give equal bytes. Layout in table_bytes.cpp.
  std::vector<uint8_t> to_bytes() const;

  size_t rows() const { return row_views_.size(); }
  int precision() const { return static_cast<int>(view_.precision); }
  bool escape() const { return view_.escape != 0; }
  std::span<const int32_t> offsets() const { return offsets_; }
  std::span<const uint32_t> cdf(size_t row) const;  // slots + 1 entries

  // SipHash-2-4 with a zero key of to_bytes() without its last 8 bytes, which hold it.
  uint64_t fingerprint() const { return fingerprint_; }

  // Pointers into this table, valid as long as it lives.
  const TableView& view() const { return view_; }
  // The same with its FastView, which the first call builds: a table that is only read, compared or
  // stored does without.
  const TableView& coding_view() const;

  CdfTable(const CdfTable&) = delete;
  CdfTable& operator=(const CdfTable&) = delete;

 private:
  // Checks everything; the view of each row is built as it passes.
  CdfTable(std::vector<uint32_t> cdf, std::span<const uint32_t> slots, std::vector<int32_t> offsets,
           int precision, bool escape);

  void append_buckets(const RowView& row);
  std::vector<uint8_t> bytes_before_fingerprint() const;

  std::vector<uint32_t> cdf_;
  std::vector<uint16_t> buckets_;
  std::vector<RowView> row_views_;
  std::vector<int32_t> offsets_;
  TableView view_{};

  mutable std::once_flag coding_once_;
  mutable TableView coding_view_{};
  mutable std::unique_ptr<const FastTables> fast_;
  uint64_t fingerprint_ = 0;
};

}  // namespace fastcoder
