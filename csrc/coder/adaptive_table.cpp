// SPDX-License-Identifier: Apache-2.0
#include "coder/adaptive_table.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/error.h"

namespace fastcoder {
namespace {

[[noreturn]] void throw_table(const std::string& argument, int64_t value,
                              const std::string& expected) {
  throw Error(ErrorKind::kTable,
              argument + " = " + std::to_string(value) + ", expected " + expected);
}

std::string position(uint64_t row, uint64_t slot) {
  return "counts[" + std::to_string(row) + "][" + std::to_string(slot) + "]";
}

uint32_t lowest_bit(uint32_t value) { return value & (0u - value); }

}  // namespace

AdaptiveTable::AdaptiveTable(std::span<const uint32_t> counts, std::span<const uint32_t> slots,
                             std::span<const int32_t> offsets, uint32_t increment, uint32_t limit,
                             bool escape)
    : escape_(escape), increment_(increment), limit_(limit) {
  if (slots.empty()) throw_table("len(counts)", 0, "at least 1 row");
  if (offsets.size() != slots.size()) {
    throw_table("len(offsets)", static_cast<int64_t>(offsets.size()),
                std::to_string(slots.size()) + ", one per row");
  }
  if (limit < 2 || limit > kMaxAdaptiveTotal) {
    throw_table("limit", limit, "2 <= limit <= " + std::to_string(kMaxAdaptiveTotal));
  }
  if (increment < 1 || increment >= limit) {
    throw_table("increment", increment, "1 <= increment < " + std::to_string(limit));
  }
  uint64_t begin = 0;
  for (uint64_t r = 0; r < slots.size(); ++r) {
    const std::string name = "counts[" + std::to_string(r) + "]";
    // A halved total is at most (limit + increment + slots) / 2, which must not exceed the limit.
    const uint32_t most = limit - increment;
    if (slots[r] < 1 || slots[r] > most) {
      throw_table("len(" + name + ")", slots[r],
                  "1 <= slots <= " + std::to_string(most) + " (limit - increment)");
    }
    if (slots[r] > counts.size() - begin) {
      throw_table("len(counts)", static_cast<int64_t>(counts.size()), "the sum of slots");
    }
    const uint32_t symbols = slots[r] - (escape ? 1 : 0);
    const int64_t last = int64_t{offsets[r]} + std::max(symbols, 1u) - 1;
    if (last > std::numeric_limits<int32_t>::max()) {
      throw_table("offsets[" + std::to_string(r) + "]", offsets[r], "a last symbol <= 2147483647");
    }
    uint64_t total = 0;
    for (uint32_t k = 0; k < slots[r]; ++k) {
      const uint32_t count = counts[begin + k];
      total += count;
      if (count < 1) throw_table(position(r, k), count, "at least 1");
    }
    if (total > limit) {
      throw_table("sum(" + name + ")", static_cast<int64_t>(total),
                  "at most limit = " + std::to_string(limit));
    }
    uint32_t top = 1;
    while (top <= slots[r] / 2) top *= 2;
    rows_.push_back({begin, offsets[r], slots[r], symbols, static_cast<uint32_t>(total), top, 0});
    begin += slots[r];
  }
  counts_.assign(counts.begin(), counts.begin() + static_cast<int64_t>(begin));
  sums_.resize(begin);
  for (Row& row : rows_) rebuild(row);
}

AdaptiveTable::AdaptiveTable(const AdaptiveTable& other)
    : escape_(other.escape_), increment_(other.increment_), limit_(other.limit_) {
  const std::lock_guard lock(other.mutex_);
  rows_ = other.rows_;
  counts_ = other.counts_;
  sums_ = other.sums_;
  for (Row& row : rows_) row.saved_in = 0;
}

std::vector<uint32_t> AdaptiveTable::counts(uint64_t row) const {
  const std::lock_guard lock(mutex_);
  const uint32_t* first = counts_.data() + rows_[row].begin;
  return {first, first + rows_[row].slots};
}

Slot AdaptiveTable::slot(const Row& row, uint32_t slot) const {
  const uint32_t* sums = sums_.data() + row.begin - 1;  // numbers count from 1
  uint32_t start = 0;
  for (uint32_t i = slot; i > 0; i -= lowest_bit(i)) start += sums[i];
  return {slot, start, counts_[row.begin + slot]};
}

Slot AdaptiveTable::find(const Row& row, uint32_t value) const {
  const uint32_t* sums = sums_.data() + row.begin - 1;
  uint32_t before = 0;  // so many slots lie below `value`
  uint32_t start = 0;
  for (uint32_t step = row.top; step > 0; step /= 2) {
    const uint32_t next = before + step;
    if (next < row.slots && start + sums[next] <= value) {
      before = next;
      start += sums[next];
    }
  }
  return {before, start, counts_[row.begin + before]};
}

void AdaptiveTable::update(uint64_t index, uint32_t slot) {
  Row& row = rows_[index];
  if (saving_ && row.saved_in != transaction_) {
    const uint32_t* first = counts_.data() + row.begin;
    saved_.push_back({index, {first, first + row.slots}});
    row.saved_in = transaction_;
  }
  counts_[row.begin + slot] += increment_;
  row.total += increment_;
  if (row.total > limit_) {
    halve(row);
    return;
  }
  uint32_t* sums = sums_.data() + row.begin - 1;
  for (uint32_t i = slot + 1; i <= row.slots; i += lowest_bit(i)) sums[i] += increment_;
}

void AdaptiveTable::halve(Row& row) {
  for (uint32_t k = 0; k < row.slots; ++k) {
    uint32_t& count = counts_[row.begin + k];
    count -= count / 2;  // rounded up, so that no slot is lost
  }
  rebuild(row);
}

void AdaptiveTable::rebuild(Row& row) {
  uint32_t* sums = sums_.data() + row.begin - 1;
  row.total = 0;
  for (uint32_t i = 1; i <= row.slots; ++i) sums[i] = counts_[row.begin + i - 1];
  for (uint32_t i = 1; i <= row.slots; ++i) {
    row.total += counts_[row.begin + i - 1];
    const uint32_t parent = i + lowest_bit(i);
    if (parent <= row.slots) sums[parent] += sums[i];
  }
}

AdaptiveTable::Transaction::Transaction(AdaptiveTable& table, bool single)
    : table_(table), lock_(table.mutex_) {
  ++table_.transaction_;
  table_.saving_ = !single;
  table_.saved_.clear();
}

AdaptiveTable::Transaction::~Transaction() {
  if (!committed_) {
    for (const Saved& saved : table_.saved_) {
      Row& row = table_.rows_[saved.row];
      std::copy(saved.counts.begin(), saved.counts.end(),
                table_.counts_.begin() + static_cast<int64_t>(row.begin));
      table_.rebuild(row);
    }
  }
  table_.saved_.clear();
}

}  // namespace fastcoder
