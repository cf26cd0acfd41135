// SPDX-License-Identifier: Apache-2.0
#include "compat/rans64_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"

namespace fastcoder {
namespace {

// Buckets of one row: as few as leave less than 2^-7 of its mass undecided, so that those of all
// rows in use stay in the first-level cache, where a chain of lookups waits least.
constexpr uint32_t kMaxBucketBits = 11;
constexpr uint64_t kMaxBuckets = uint64_t{1} << 21;
constexpr uint32_t kMaxSlots = 1u << 16;  // what an entry can name

// How much of a row is third or later in its bucket.
uint32_t crowded(std::span<const int32_t> cdf, uint32_t bits) {
  const uint32_t width = kRans64Whole >> bits;
  uint32_t sum = 0;
  size_t slot = 0;
  for (uint32_t begin = 0; begin < kRans64Whole; begin += width) {
    const uint32_t end = begin + width;
    while (slot + 1 < cdf.size() && static_cast<uint32_t>(cdf[slot + 1]) <= begin) ++slot;
    if (slot + 2 >= cdf.size()) break;
    const uint32_t third = static_cast<uint32_t>(cdf[slot + 2]);
    if (third < end) sum += end - third;
  }
  return sum;
}

uint32_t choose_bits(std::span<const int32_t> cdf) {
  uint32_t bits = 1;
  while (bits < kMaxBucketBits && crowded(cdf, bits) > kRans64Whole >> 7) ++bits;
  return bits;
}

// Slots before the escape whose symbols int32 holds.
uint32_t int32_slots(const Rans64Row& row) {
  return static_cast<uint32_t>(
      std::min(int64_t{row.plain}, int64_t{INT32_MAX} - int64_t{row.offset} + 1));
}

}  // namespace

Rans64Table::Rans64Table(Rans64Content content) : content_(std::move(content)) {
  uint64_t begin = 0;
  rows_.reserve(content_.sizes.size());
  for (size_t r = 0; r < content_.sizes.size(); ++r) {
    const size_t size = static_cast<size_t>(content_.sizes[r]);
    int32_t before = 0;
    for (size_t k = 0; k < size; ++k) {
      const int32_t value = content_.cdf[begin + k];
      if (value < before || value > static_cast<int32_t>(kRans64Whole)) {
        throw Error(ErrorKind::kTable, "cdfs[" + std::to_string(r) + "][" + std::to_string(k) +
                                           "] = " + std::to_string(value) + ", expected " +
                                           std::to_string(before) + " <= value <= 65536");
      }
      before = value;
    }
    rows_.push_back(
        {static_cast<uint32_t>(begin), static_cast<uint32_t>(size - 2), content_.offsets[r]});
    begin += size;
  }
  if (begin > UINT32_MAX) {
    throw Error(ErrorKind::kTable,
                "sum(cdfs_sizes) = " + std::to_string(begin) + ", expected < 2**32");
  }
}

uint64_t Rans64Table::bytes() const {
  return sizeof *this +
         rows_.size() * (sizeof(Rans64Row) + sizeof(Rans64PushRow) + sizeof(Rans64BucketRow)) +
         content_.cdf.size() * (4 + sizeof(Rans64Push)) +
         std::min(kMaxBuckets, rows_.size() << kMaxBucketBits) * sizeof(Rans64Bucket);
}

// To prepare an entry takes about as long as to code a symbol without.
bool Rans64Table::pays(uint64_t symbols) const {
  return symbols_.fetch_add(symbols, std::memory_order_relaxed) + symbols >=
         content_.cdf.size() / 2;
}

const Rans64PushRow* Rans64Table::push_rows(uint64_t symbols) const {
  // Twice the number of a push has to fit 32 bits.
  if (!pays(symbols) || content_.cdf.size() > INT32_MAX) return nullptr;
  std::call_once(pushes_once_, [this] { build_pushes(); });
  return push_rows_.data();
}

const Rans64BucketRow* Rans64Table::bucket_rows(uint64_t symbols) const {
  if (!pays(symbols)) return nullptr;
  std::call_once(buckets_once_, [this] { build_buckets(); });
  return bucket_rows_.empty() ? nullptr : bucket_rows_.data();
}

void Rans64Table::build_pushes() const {
  std::vector<Rans64PushRow> push_rows;
  std::vector<Rans64Push> pushes(content_.cdf.size());
  push_rows.reserve(rows_.size());
  for (const Rans64Row& row : rows_) {
    bool plain = true;
    for (uint32_t slot = row.begin; slot < row.begin + row.plain; ++slot) {
      const uint32_t start = static_cast<uint32_t>(content_.cdf[slot]);
      const uint32_t frequency = static_cast<uint32_t>(content_.cdf[slot + 1]) - start;
      if (frequency == 0 || frequency == kRans64Whole) {
        plain = false;
      } else {
        pushes[slot] = make_push(start, frequency);
      }
    }
    push_rows.push_back({row.offset, plain ? int32_slots(row) : 0, 2 * row.begin, 0});
  }
  push_rows.push_back({0, 0, 0, 0});  // for indexes that name no row
  pushes_ = std::move(pushes);
  push_rows_ = std::move(push_rows);
}

void Rans64Table::build_buckets() const {
  std::vector<Rans64BucketRow> rows;
  uint64_t total = 0;
  for (size_t r = 0; r < rows_.size(); ++r) {
    const uint32_t bits = choose_bits(cdf(r));
    rows.push_back({static_cast<uint32_t>(total), kRans64Precision - bits, rows_[r].offset});
    total += uint64_t{1} << bits;
    if (total > kMaxBuckets) return;
  }
  std::vector<Rans64Bucket> buckets(total);  // those left empty decide nothing
  for (size_t r = 0; r < rows_.size(); ++r) {
    const std::span<const int32_t> cdf_row = cdf(r);
    const uint32_t plain = std::min(int32_slots(rows_[r]), kMaxSlots);
    const auto frequency = [&](size_t slot) {  // 2^16 becomes 0
      return static_cast<uint16_t>(slot < plain ? cdf_row[slot + 1] - cdf_row[slot] : 0);
    };
    const uint32_t width = 1u << rows[r].shift;
    size_t slot = 0;
    for (uint32_t begin = 0; begin < kRans64Whole; begin += width) {
      while (slot + 1 < cdf_row.size() && static_cast<uint32_t>(cdf_row[slot + 1]) <= begin) ++slot;
      // Nothing for a bucket that begins before the row does, or after its end.
      if (static_cast<uint32_t>(cdf_row[slot]) > begin || slot >= plain) continue;
      buckets[rows[r].begin + (begin >> rows[r].shift)] = {static_cast<uint16_t>(cdf_row[slot]),
                                                           frequency(slot), frequency(slot + 1),
                                                           static_cast<uint16_t>(slot)};
    }
  }
  buckets_ = std::move(buckets);
  bucket_rows_ = std::move(rows);
}

}  // namespace fastcoder
