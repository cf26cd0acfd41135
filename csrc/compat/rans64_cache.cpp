// SPDX-License-Identifier: Apache-2.0
// The last few tables that coders were called with. Callers pass all rows on every call, and to
// prepare them takes longer than to code a short message.
#include <algorithm>
#include <list>
#include <string>
#include <utility>

#include "base/error.h"
#include "compat/rans64_table.h"

namespace fastcoder {
namespace {

uint64_t mixed(uint64_t hash, uint64_t word) {
  hash ^= word;
  return fastcoder_mul_high(hash, 0x9E3779B97F4A7C15) ^ (hash * 0x9E3779B97F4A7C15);
}

// Four sums that do not wait for each other.
uint64_t hash_of(std::span<const int32_t> values, uint64_t hash) {
  uint64_t lanes[4] = {hash, hash + 1, hash + 2, hash + 3};
  const auto pair = [&](size_t i) {
    return static_cast<uint64_t>(static_cast<uint32_t>(values[i])) |
           static_cast<uint64_t>(static_cast<uint32_t>(values[i + 1])) << 32;
  };
  size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) {
    for (size_t lane = 0; lane < 4; ++lane) {
      lanes[lane] = mixed(lanes[lane], pair(i + 2 * lane) + 0x2545F4914F6CDD1D);
    }
  }
  for (; i < values.size(); ++i) {
    lanes[0] = mixed(lanes[0], static_cast<uint32_t>(values[i]) + 0x2545F4914F6CDD1D);
  }
  for (const uint64_t lane : lanes) hash = mixed(hash, lane);
  return mixed(hash, values.size());
}

uint64_t hash_of(const Rans64Content& content) {
  return hash_of(content.cdf, hash_of(content.offsets, hash_of(content.sizes, 0)));
}

// Most recently used first.
class Cache {
 public:
  Rans64TablePtr find(uint64_t hash, const Rans64Content& content) {
    const std::lock_guard lock(mutex_);
    return found([&](const Entry& entry) {
      return entry.hash == hash && entry.cdf_table == nullptr && entry.table->content() == content;
    });
  }

  // The object may be gone and another one live at its address; then the weak pointer has expired.
  Rans64TablePtr find(const std::shared_ptr<const CdfTable>& table) {
    const std::lock_guard lock(mutex_);
    return found([&](const Entry& entry) {
      return entry.cdf_table == table.get() && !entry.alive.expired();
    });
  }

  void insert(Rans64TablePtr table, uint64_t hash, const std::shared_ptr<const CdfTable>& key) {
    std::list<Entry> dropped;  // freed without the lock
    const uint64_t bytes = table->bytes();
    if (bytes > kRans64CachedBytes) return;
    const std::lock_guard lock(mutex_);
    entries_.push_front({std::move(table), hash, bytes, key.get(), key});
    bytes_ += bytes;
    while (bytes_ > kRans64CachedBytes || entries_.size() > kRans64CachedTables) {
      bytes_ -= entries_.back().bytes;
      dropped.splice(dropped.begin(), entries_, std::prev(entries_.end()));
    }
  }

  size_t size() {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

  void clear() {
    std::list<Entry> dropped;
    const std::lock_guard lock(mutex_);
    dropped.swap(entries_);
    bytes_ = 0;
  }

 private:
  struct Entry {
    Rans64TablePtr table;
    uint64_t hash;
    uint64_t bytes;
    const CdfTable* cdf_table;  // null: found by content
    std::weak_ptr<const CdfTable> alive;
  };

  template <class Matches>
  Rans64TablePtr found(Matches&& matches) {
    const auto entry = std::find_if(entries_.begin(), entries_.end(), matches);
    if (entry == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, entry);
    return entry->table;
  }

  std::mutex mutex_;
  std::list<Entry> entries_;
  uint64_t bytes_ = 0;
};

// Never destroyed: a daemon thread may still code while the process ends.
Cache& cache() {
  static Cache* const all = new Cache;
  return *all;
}

Rans64Content content_of(const CdfTable& table) {
  if (table.precision() != static_cast<int>(kRans64Precision) || !table.escape()) {
    throw Error(ErrorKind::kTable, "cdfs.precision, escape = " + std::to_string(table.precision()) +
                                       ", " + (table.escape() ? "True" : "False") +
                                       ", expected 16, True: CompressAI's format has no other");
  }
  Rans64Content content;
  content.offsets.assign(table.offsets().begin(), table.offsets().end());
  for (size_t r = 0; r < table.rows(); ++r) {
    const std::span<const uint32_t> cdf = table.cdf(r);
    content.sizes.push_back(static_cast<int32_t>(cdf.size()));
    content.cdf.insert(content.cdf.end(), cdf.begin(), cdf.end());
  }
  return content;
}

}  // namespace

Rans64TablePtr rans64_table(Rans64Content content) {
  const uint64_t hash = hash_of(content);
  if (Rans64TablePtr table = cache().find(hash, content)) return table;
  auto table = std::make_shared<const Rans64Table>(std::move(content));
  cache().insert(table, hash, nullptr);
  return table;
}

Rans64TablePtr rans64_table(const std::shared_ptr<const CdfTable>& cdf_table) {
  if (Rans64TablePtr table = cache().find(cdf_table)) return table;
  auto table = std::make_shared<const Rans64Table>(content_of(*cdf_table));
  cache().insert(table, 0, cdf_table);
  return table;
}

size_t cached_rans64_tables() { return cache().size(); }
void clear_rans64_tables() { cache().clear(); }

}  // namespace fastcoder
