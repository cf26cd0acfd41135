// SPDX-License-Identifier: Apache-2.0
// Every kernel of this machine against the scalar one: states, hashes, words, escapes, symbols,
// positions and faults. Over 400 lines because all of it shares one harness of fixtures, guarded
// buffers and comparisons.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "coder/cdf_table.h"
#include "coder/distributions.h"
#include "format/escape.h"
#include "format/params.h"
#include "simd/dispatch.h"
#include "simd/kernel_table.h"

#if defined(__SANITIZE_ADDRESS__)
#define FASTCODER_TEST_GUARD_PAGES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FASTCODER_TEST_GUARD_PAGES 0
#endif
#endif
#if !defined(FASTCODER_TEST_GUARD_PAGES) && __has_include(<sys/mman.h>)
#define FASTCODER_TEST_GUARD_PAGES 1
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace fastcoder {
namespace {

constexpr int32_t kInt32Min = std::numeric_limits<int32_t>::min();
constexpr int32_t kInt32Max = std::numeric_limits<int32_t>::max();
constexpr uint32_t kNarrow = 0;
constexpr uint32_t kWide = 1;
constexpr uint64_t kLargestBlock = 2048;
constexpr std::array<uint32_t, 6> kLaneCounts = {1, 2, 4, 8, 16, 32};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t bits() { return engine_(); }
  uint32_t integer(uint32_t count) { return static_cast<uint32_t>(engine_() % count); }
  int32_t between(int64_t low, int64_t high) {
    return static_cast<int32_t>(
        low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1)));
  }

 private:
  std::mt19937_64 engine_;
};

// ---- memory whose neighbours fault -----------------------------------------------------------

// Hands out one array at a time, of exactly the size asked for. Under ASan it is a heap block.
// Otherwise it touches an unreadable page, below or above it by turns: that also catches gathers
// and masked stores, which ASan does not see.
class Arena {
 public:
#if FASTCODER_TEST_GUARD_PAGES
  explicit Arena(size_t capacity) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    capacity_ = (capacity + page_ - 1) / page_ * page_;
    void* pages =
        mmap(nullptr, capacity_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    pages_ = static_cast<uint8_t*>(pages);
    if (mprotect(pages_ + page_, capacity_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  }
  ~Arena() { munmap(pages_, capacity_ + 2 * page_); }
  uint8_t* take(size_t bytes) {
    if (bytes > capacity_) throw std::bad_alloc();
    return pages_ + page_ + (random_.integer(2) == 0 ? 0 : capacity_ - bytes);
  }
#else
  explicit Arena(size_t) {}
  uint8_t* take(size_t bytes) {
    heap_ = std::make_unique_for_overwrite<uint8_t[]>(bytes);
    return heap_.get();
  }
#endif
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  template <class T>
  T* take_array(size_t count) {
    return reinterpret_cast<T*>(take(count * sizeof(T)));
  }
  template <class T>
  T* copy(const T* from, size_t count) {
    T* to = take_array<T>(count);
    if (count != 0) std::memcpy(to, from, count * sizeof(T));
    return to;
  }

 private:
#if FASTCODER_TEST_GUARD_PAGES
  size_t page_;
  size_t capacity_;
  uint8_t* pages_;
  Random random_{99};
#else
  std::unique_ptr<uint8_t[]> heap_;
#endif
};

struct Memory {
  Arena symbols{kLargestBlock * 4};
  Arena indexes{kLargestBlock * 4};
  Arena words{kLargestBlock * 16};
  Arena escapes{kLargestBlock * sizeof(Escape)};
};

Memory& memory() {
  static Memory all;
  return all;
}

// ---- kernels and tables ----------------------------------------------------------------------

const KernelTable& kernels_of(const std::string& isa) {
  use_isa(isa);
  return active_kernels();
}

const KernelTable& scalar_kernels() {
  static const KernelTable& kernels = kernels_of("scalar");
  return kernels;
}

// All of this machine but the scalar ones, unless there are no others.
const std::vector<const KernelTable*>& other_kernels() {
  static const auto others = [] {
    std::vector<const KernelTable*> found;
    for (const std::string& isa : available_isas()) {
      if (isa != "scalar") found.push_back(&kernels_of(isa));
    }
    if (found.empty()) found.push_back(&scalar_kernels());
    return found;
  }();
  return others;
}

using Table = std::shared_ptr<const CdfTable>;

// A table, and a view of it whose FastView lies in guarded memory.
struct Fixture {
  std::string name;
  Table table;
  TableView view;
  FastView fast{};
  std::unique_ptr<Arena> buckets;
  std::unique_ptr<Arena> dense;

  Fixture(std::string fixture_name, Table fixture_table)
      : name(std::move(fixture_name)), table(std::move(fixture_table)), view(table->coding_view()) {
    if (view.fast == nullptr) return;
    fast = *view.fast;
    const size_t entries =
        view.row_count * ((uint64_t{1} << fast.bucket_bits) + (1 << kRowPadBits));
    const size_t cells = view.row_count * fast.dense_stride;
    buckets = std::make_unique<Arena>(entries * sizeof(uint64_t));
    dense = std::make_unique<Arena>(cells * sizeof(uint32_t));
    fast.buckets = buckets->copy(fast.buckets, entries);
    fast.dense = dense->copy(fast.dense, cells);
  }
  // The view moves with the fixture, so it is completed where it is used.
  TableView guarded() const {
    TableView result = view;
    if (view.fast != nullptr) result.fast = &fast;
    return result;
  }
};

// Rows in the form CdfTable::from_cdf takes.
struct Rows {
  std::vector<uint32_t> cdf;
  std::vector<uint32_t> slots;
  std::vector<int32_t> offsets;

  void add(const std::vector<uint32_t>& row, int32_t offset) {
    cdf.insert(cdf.end(), row.begin(), row.end());
    slots.push_back(static_cast<uint32_t>(row.size() - 1));
    offsets.push_back(offset);
  }
  Table table(int precision, bool escape) const {
    return CdfTable::from_cdf(cdf, slots, offsets, precision, escape);
  }
};

std::vector<uint32_t> random_row(Random& random, int precision, uint32_t slots) {
  const uint32_t total = 1u << precision;
  std::vector<uint32_t> row = {0};
  uint32_t wanted = slots - 1;
  for (uint32_t value = 1; value < total && wanted > 0; ++value) {
    if (random.integer(total - value) >= wanted) continue;
    row.push_back(value);
    --wanted;
  }
  row.push_back(total);
  return row;
}

// slots - 1 slots of frequency 1, then all the rest in one: every bucket of the first ones is full.
std::vector<uint32_t> crowded_row(int precision, uint32_t slots) {
  std::vector<uint32_t> row(slots);
  for (uint32_t k = 0; k < slots; ++k) row[k] = k;
  row.push_back(1u << precision);
  return row;
}

Table random_table(uint64_t seed, int precision, bool escape, uint32_t rows, uint32_t most_slots,
                   int32_t low_offset, int32_t high_offset) {
  Random random(seed);
  Rows all;
  for (uint32_t r = 0; r < rows; ++r) {
    const uint32_t slots = 1 + random.integer(std::min(most_slots, 1u << precision));
    all.add(random_row(random, precision, slots), random.between(low_offset, high_offset));
  }
  return all.table(precision, escape);
}

Table one_row(const std::vector<uint32_t>& row, int32_t offset, int precision, bool escape) {
  Rows rows;
  rows.add(row, offset);
  return rows.table(precision, escape);
}

Table default_gaussian(int precision) {
  return gaussian_table(
      scale_table(kDefaultScaleMinimum, kDefaultScaleMaximum, kDefaultScaleLevels), precision,
      kDefaultTailMass);
}

Table one_slot_rows(int precision) {
  Rows rows;
  for (const int32_t offset : {0, -100, 100, -32768, 32767}) rows.add({0, 1u << precision}, offset);
  return rows.table(precision, false);
}

Table escape_only_rows(int precision) {
  Rows rows;
  for (const int32_t offset : {0, kInt32Min, -5, kInt32Max}) rows.add({0, 1u << precision}, offset);
  return rows.table(precision, true);
}

// Groups in which some lanes have a frequency of 2^precision, and others escape.
Table some_of_one_slot(int precision) {
  Random random(10);
  Rows rows;
  for (int r = 0; r < 20; ++r) {
    rows.add(r == 7 ? std::vector<uint32_t>{0, 1u << precision} : random_row(random, precision, 30),
             -10);
  }
  return rows.table(precision, true);
}

Table crowded_rows(bool escape) {
  Random random(11);
  Rows rows;
  rows.add(crowded_row(14, 3000), -1500);
  rows.add(random_row(random, 14, 9000), -100);
  rows.add(crowded_row(14, 2), 3);
  rows.add(random_row(random, 14, 16384), -8192);
  return rows.table(14, escape);
}

// A hundred rows of 2000 slots: so many that their buckets stay few.
Table many_crowded_rows() {
  Random random(12);
  Rows rows;
  for (int r = 0; r < 100; ++r) rows.add(random_row(random, 14, 2000), -1000 - r);
  return rows.table(14, true);
}

std::vector<Fixture> make_fixtures() {
  Random random(13);
  std::vector<Fixture> all;
  all.emplace_back("gaussian 14", default_gaussian(14));
  all.emplace_back("gaussian 16", default_gaussian(16));
  all.emplace_back("gaussian 11", default_gaussian(11));
  for (int p = 1; p <= 16; ++p) {
    const uint64_t seed = static_cast<uint64_t>(p);
    all.emplace_back("random " + std::to_string(p),
                     random_table(seed, p, p % 2 == 0, 7, 300, -200, 20));
    all.emplace_back("random closed " + std::to_string(p),
                     random_table(100 + seed, p, p % 2 == 1, 5, 40, -40, 5));
  }
  for (const int p : {9, 14, 16}) {
    all.emplace_back("one slot " + std::to_string(p), one_slot_rows(p));
    all.emplace_back("escape only " + std::to_string(p), escape_only_rows(p));
    all.emplace_back("some of one slot " + std::to_string(p), some_of_one_slot(p));
  }
  all.emplace_back("crowded", crowded_rows(false));
  all.emplace_back("crowded with escapes", crowded_rows(true));
  all.emplace_back("many crowded", many_crowded_rows());
  const auto row = random_row(random, 14, 100);
  all.emplace_back("at -2^15", one_row(row, -32768, 14, true));
  all.emplace_back("below -2^15", one_row(row, -32769, 14, true));
  all.emplace_back("to 2^15 - 1", one_row(row, 32768 - 99, 14, true));
  all.emplace_back("to 2^15", one_row(row, 32769 - 99, 14, true));
  all.emplace_back("closed to 2^15 - 1", one_row(row, 32768 - 100, 14, false));
  all.emplace_back("int32 ends", one_row(row, kInt32Max - 98, 12 + 2, true));
  Rows ends;
  ends.add(row, -32768);
  ends.add(row, 32768 - 99);
  all.emplace_back("both ends of int16", ends.table(14, true));
  all.emplace_back("3900 rows", random_table(15, 6, true, 3900, 30, -60, 10));
  all.emplace_back("5000 rows", random_table(16, 4, true, 5000, 10, -20, 10));
  return all;
}

const std::vector<Fixture>& fixtures() {
  static const std::vector<Fixture> all = make_fixtures();
  return all;
}

const Fixture& fixture(const std::string& name) {
  for (const Fixture& one : fixtures()) {
    if (one.name == name) return one;
  }
  throw std::out_of_range(name);
}

// ---- messages --------------------------------------------------------------------------------

struct Limits {
  int64_t low;
  int64_t high;
};

Limits limits_of(KernelSymbolType type) {
  if (type == kSymbolInt8) return {-128, 127};
  if (type == kSymbolInt16) return {-32768, 32767};
  return {kInt32Min, kInt32Max};
}

// One block, and the lanes that an encoder begins it with.
struct Message {
  const Fixture* fixture = nullptr;
  uint32_t width = kNarrow;
  uint32_t lanes = 1;
  uint32_t first_lane = 0;
  KernelSymbolType symbol_type = kSymbolInt32;
  KernelIndexType index_type = kIndexNone;
  std::vector<int32_t> symbols;
  std::vector<int32_t> indexes;
  uint64_t state[kMaxLanes] = {};
  uint32_t hash[kMaxLanes] = {};

  std::string describe() const {
    return fixture->name + ", width " + std::to_string(width) + ", lanes " + std::to_string(lanes) +
           " from " + std::to_string(first_lane) + ", count " + std::to_string(symbols.size()) +
           ", types " + std::to_string(symbol_type) + " " + std::to_string(index_type);
  }
};

// Symbols that `type` and the row can hold: by the row's own distribution, at its ends, and outside
// it every `escape_rate`th time.
bool draw_symbol(Random& random, const Fixture& from, size_t r, KernelSymbolType type,
                 uint32_t escape_rate, int32_t& symbol) {
  const RowView& row = from.view.rows[r];
  const Limits limits = limits_of(type);
  const int64_t first = std::max(limits.low, int64_t{row.offset});
  const int64_t last = std::min(limits.high, int64_t{row.offset} + row.symbols - 1);
  const bool escape = from.view.escape != 0;
  if (first > last && !escape) return false;
  if (first > last || (escape && random.integer(escape_rate) == 0)) {
    const int64_t below = int64_t{row.offset} - 1 - random.integer(6);
    const int64_t above = int64_t{row.offset} + row.symbols + random.integer(200);
    const int64_t choices[] = {below, above, limits.low, limits.high,
                               random.between(limits.low, limits.high)};
    symbol = static_cast<int32_t>(std::clamp(choices[random.integer(5)], limits.low, limits.high));
    return true;
  }
  const auto cdf = from.table->cdf(r);
  const uint32_t value = random.integer(cdf.back());
  const int64_t slot = std::upper_bound(cdf.begin(), cdf.end(), value) - cdf.begin() - 1;
  const int64_t choices[] = {row.offset + slot,
                             row.offset + slot,
                             row.offset + slot,
                             random.between(first, last),
                             first,
                             last};
  symbol = static_cast<int32_t>(std::clamp(choices[random.integer(6)], first, last));
  return true;
}

void draw_lanes(Random& random, Message& message) {
  const uint32_t bits = message.width == kWide ? 32 : 16;
  for (uint32_t lane = 0; lane < message.lanes; ++lane) {
    const uint64_t lower = uint64_t{1} << bits;
    const uint64_t upper = lower << 16;
    const uint64_t choices[] = {lower, upper - 1, lower + random.bits() % (upper - lower)};
    message.state[lane] = choices[random.integer(3)];
    message.hash[lane] = static_cast<uint32_t>(random.bits());
  }
}

// Whether there are rows for these types.
bool draw(Random& random, uint64_t count, uint32_t escape_rate, Message& message) {
  constexpr uint64_t kIndexLimits[] = {1, 256, 65536, uint64_t{1} << 31};
  const uint64_t rows = std::min(message.fixture->view.row_count, kIndexLimits[message.index_type]);
  std::vector<int32_t> usable;
  int32_t symbol = 0;
  for (uint64_t r = 0; r < rows; ++r) {
    if (draw_symbol(random, *message.fixture, r, message.symbol_type, 1, symbol)) {
      usable.push_back(static_cast<int32_t>(r));
    }
  }
  if (usable.empty()) return false;
  message.symbols.resize(count);
  message.indexes.resize(count);
  for (uint64_t i = 0; i < count; ++i) {
    const int32_t row = usable[random.integer(static_cast<uint32_t>(usable.size()))];
    message.indexes[i] = row;
    draw_symbol(random, *message.fixture, static_cast<size_t>(row), message.symbol_type,
                escape_rate, message.symbols[i]);
  }
  draw_lanes(random, message);
  return true;
}

template <class To>
const void* copy_as(const std::vector<int32_t>& values, Arena& arena) {
  To* to = arena.take_array<To>(values.size());
  for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<To>(values[i]);
  return to;
}

const void* copy_symbols(const Message& message) {
  Arena& arena = memory().symbols;
  if (message.symbol_type == kSymbolInt8) return copy_as<int8_t>(message.symbols, arena);
  if (message.symbol_type == kSymbolInt16) return copy_as<int16_t>(message.symbols, arena);
  return copy_as<int32_t>(message.symbols, arena);
}

const void* copy_indexes(const Message& message) {
  Arena& arena = memory().indexes;
  if (message.index_type == kIndexUint8) return copy_as<uint8_t>(message.indexes, arena);
  if (message.index_type == kIndexUint16) return copy_as<uint16_t>(message.indexes, arena);
  if (message.index_type == kIndexInt32) return copy_as<int32_t>(message.indexes, arena);
  return nullptr;
}

// ---- coding ----------------------------------------------------------------------------------

struct Encoded {
  std::vector<uint64_t> state;
  std::vector<uint32_t> hash;
  std::vector<uint8_t> words;
  std::vector<std::pair<uint64_t, uint32_t>> escapes;  // distance, below
  bool fault = false;
};

Encoded encode(const KernelTable& kernels, const Message& message) {
  const uint64_t count = message.symbols.size();
  const TableView view = message.fixture->guarded();
  EncodeLanes lanes = {};
  std::copy_n(message.state, message.lanes, lanes.state);
  std::copy_n(message.hash, message.lanes, lanes.hash);
  lanes.lanes = message.lanes;
  const size_t room = 2 * count + kEncodeSlack;
  uint8_t* const words = memory().words.take(room);
  lanes.cursor = words + room;
  lanes.escapes = memory().escapes.take_array<Escape>(count);
  const EncodeBlock block = {&view, copy_symbols(message), copy_indexes(message), count,
                             message.first_lane};
  kernels.encode[message.width][message.symbol_type][message.index_type](block, lanes);
  Encoded result;
  result.state.assign(lanes.state, lanes.state + message.lanes);
  result.hash.assign(lanes.hash, lanes.hash + message.lanes);
  result.words.assign(lanes.cursor, words + room);
  for (uint64_t i = 0; i < lanes.escape_count; ++i) {
    result.escapes.emplace_back(lanes.escapes[i].distance, lanes.escapes[i].below);
  }
  result.fault = lanes.fault != 0;
  return result;
}

// What a decoder is handed.
struct Stream {
  std::vector<uint8_t> bytes;  // words, then escape bits
  size_t word_bytes = 0;
  std::vector<uint64_t> state;
  std::vector<uint32_t> hash;
  bool escapes_allowed = false;
};

std::vector<uint8_t> escape_section(const std::vector<std::pair<uint64_t, uint32_t>>& escapes) {
  uint64_t bits = 0;
  for (const auto& [distance, below] : escapes) bits += escape_bits({distance, below});
  std::vector<uint8_t> bytes((bits + 7) / 8);
  EscapeWriter writer(bytes.data() + bytes.size());
  for (const auto& [distance, below] : escapes) writer.write({distance, below});
  return bytes;
}

Stream stream_of(const Encoded& encoded, Random& random) {
  Stream stream;
  stream.bytes = encoded.words;
  stream.word_bytes = encoded.words.size();
  auto escapes = encoded.escapes;
  std::reverse(escapes.begin(), escapes.end());
  const auto section = escape_section(escapes);
  stream.bytes.insert(stream.bytes.end(), section.begin(), section.end());
  stream.state = encoded.state;
  for (size_t i = 0; i < encoded.state.size(); ++i) {
    stream.hash.push_back(static_cast<uint32_t>(random.bits()));
  }
  stream.escapes_allowed = !escapes.empty();
  return stream;
}

struct Decoded {
  Status status = Status::kOk;
  uint64_t position = 0;  // the next three only for a fault or only without
  int64_t symbol = 0;
  std::vector<int32_t> symbols;
  std::vector<uint64_t> state;
  std::vector<uint32_t> hash;
  uint64_t words_used = 0;
  uint64_t escape_bits_used = 0;

  bool operator==(const Decoded&) const = default;
};

template <class Symbol>
std::vector<int32_t> widened(const void* symbols, size_t count) {
  const Symbol* values = static_cast<const Symbol*>(symbols);
  return std::vector<int32_t>(values, values + count);
}

Decoded decode(const KernelTable& kernels, const Message& message, const Stream& stream) {
  const uint64_t count = message.symbols.size();
  const TableView view = message.fixture->guarded();
  const uint8_t* bytes = memory().words.copy(stream.bytes.data(), stream.bytes.size());
  DecodeLanes lanes = {};
  std::copy_n(stream.state.data(), message.lanes, lanes.state);
  std::copy_n(stream.hash.data(), message.lanes, lanes.hash);
  lanes.lanes = message.lanes;
  lanes.escapes_allowed = stream.escapes_allowed;
  lanes.words = bytes;
  lanes.words_end = bytes + stream.bytes.size();
  lanes.escapes = {lanes.words, lanes.words_end, 0};
  constexpr size_t kSizes[] = {1, 2, 4};
  void* symbols = memory().symbols.take(count * kSizes[message.symbol_type]);
  const DecodeBlock block = {&view, copy_indexes(message), symbols, count, message.first_lane};
  const KernelResult result =
      kernels.decode[message.width][message.symbol_type][message.index_type](block, lanes);
  Decoded decoded;
  decoded.status = result.status;
  if (result.status != Status::kOk) {
    decoded.position = result.position;
    const bool has_symbol =
        result.status == Status::kEscapeOutOfRange || result.status == Status::kSymbolOutOfRange;
    if (has_symbol) decoded.symbol = result.symbol;
    return decoded;
  }
  if (message.symbol_type == kSymbolInt8) decoded.symbols = widened<int8_t>(symbols, count);
  if (message.symbol_type == kSymbolInt16) decoded.symbols = widened<int16_t>(symbols, count);
  if (message.symbol_type == kSymbolInt32) decoded.symbols = widened<int32_t>(symbols, count);
  decoded.state.assign(lanes.state, lanes.state + message.lanes);
  decoded.hash.assign(lanes.hash, lanes.hash + message.lanes);
  decoded.words_used = static_cast<uint64_t>(lanes.words - bytes);
  decoded.escape_bits_used = lanes.escapes.position;
  return decoded;
}

// ---- comparisons -----------------------------------------------------------------------------

void report(const char* what, const KernelTable& kernels, const Message& message) {
  testing::fail(__FILE__, __LINE__,
                std::string(kernels.name) + " " + what + ": " + message.describe());
}

void report_decoded(const KernelTable& kernels, const Message& message, const Decoded& expected,
                    const Decoded& found) {
  const auto show = [](const Decoded& one) {
    return "status " + std::to_string(static_cast<uint32_t>(one.status)) + " at " +
           std::to_string(one.position) + " (" + std::to_string(one.symbol) + "), words " +
           std::to_string(one.words_used) + ", escape bits " + std::to_string(one.escape_bits_used);
  };
  report(("decodes differently, " + show(found) + ", expected " + show(expected)).c_str(), kernels,
         message);
}

// Returns what scalar kernels find.
Decoded compare_decoders(const Message& message, const Stream& stream) {
  const Decoded expected = decode(scalar_kernels(), message, stream);
  for (const KernelTable* kernels : other_kernels()) {
    const Decoded found = decode(*kernels, message, stream);
    if (found != expected) report_decoded(*kernels, message, expected, found);
  }
  return expected;
}

Encoded compare_encoders(const Message& message) {
  const Encoded expected = encode(scalar_kernels(), message);
  for (const KernelTable* kernels : other_kernels()) {
    const Encoded found = encode(*kernels, message);
    if (found.state != expected.state) report("leaves other states", *kernels, message);
    if (found.hash != expected.hash) report("leaves other hashes", *kernels, message);
    if (found.words != expected.words) report("writes other words", *kernels, message);
    if (found.escapes != expected.escapes) report("notes other escapes", *kernels, message);
    if (found.fault) report("finds a fault", *kernels, message);
  }
  return expected;
}

void check_round_trip(const Message& message, Random& random) {
  const Encoded encoded = compare_encoders(message);
  Stream stream = stream_of(encoded, random);
  // Words of a next block, so that a block ends before, near and at the end of the bytes.
  std::vector<uint8_t> more(random.integer(2) == 0 ? 0 : random.integer(300));
  for (uint8_t& byte : more) byte = static_cast<uint8_t>(random.bits());
  const auto words_end = stream.bytes.begin() + static_cast<std::ptrdiff_t>(stream.word_bytes);
  stream.bytes.insert(words_end, more.begin(), more.end());
  const Decoded decoded = compare_decoders(message, stream);
  const bool ok = !encoded.fault && decoded.status == Status::kOk &&
                  decoded.symbols == message.symbols &&
                  std::equal(decoded.state.begin(), decoded.state.end(), message.state) &&
                  decoded.words_used == stream.word_bytes;
  if (!ok) report("is the oracle and fails its own round trip", scalar_kernels(), message);
}

bool too_many_failures() { return testing::failures() > 50; }

// ---- tests -----------------------------------------------------------------------------------

TEST(fixtures_have_a_fast_view_where_they_fit) {
  for (const char* name : {"gaussian 14",
                           "gaussian 11",
                           "random 1",
                           "random 14",
                           "one slot 14",
                           "one slot 9",
                           "escape only 14",
                           "crowded",
                           "crowded with escapes",
                           "many crowded",
                           "at -2^15",
                           "to 2^15 - 1",
                           "closed to 2^15 - 1",
                           "both ends of int16",
                           "3900 rows",
                           "gaussian 16",
                           "random 16",
                           "one slot 16",
                           "escape only 16",
                           "some of one slot 16"}) {
    if (fixture(name).view.fast == nullptr) testing::fail(__FILE__, __LINE__, name);
  }
  for (const char* name : {"below -2^15", "to 2^15", "int32 ends", "5000 rows"}) {
    if (fixture(name).view.fast != nullptr) testing::fail(__FILE__, __LINE__, name);
  }
}

TEST(every_isa_codes_as_scalar_does) {
  Random random(21);
  uint64_t messages = 0;
  for (const Fixture& from : fixtures()) {
    for (const uint32_t width : {kNarrow, kWide}) {
      if (width == kNarrow && from.view.precision > Narrow::kPrecision) continue;
      for (const uint32_t lanes : kLaneCounts) {
        const uint64_t counts[] = {0, 1, lanes - 1, lanes, lanes + 1, 5 * lanes + 3, kLargestBlock};
        for (uint32_t types = 0; types < uint32_t{kSymbolTypes} * kIndexTypes; ++types) {
          for (const uint64_t count : counts) {
            // Large blocks a quarter as often.
            if (count == kLargestBlock && random.integer(4) != 0) continue;
            Message message;
            message.fixture = &from;
            message.width = width;
            message.lanes = lanes;
            message.first_lane = random.integer(2) == 0 ? 0 : random.integer(lanes);
            message.symbol_type = static_cast<KernelSymbolType>(types % kSymbolTypes);
            message.index_type = static_cast<KernelIndexType>(types / kSymbolTypes);
            const uint32_t escape_rates[] = {1, 5, 300};
            if (!draw(random, count, escape_rates[random.integer(3)], message)) continue;
            check_round_trip(message, random);
            ++messages;
            if (too_many_failures()) return;
          }
        }
      }
    }
  }
  CHECK(messages > 10000);
}

TEST(every_isa_finds_the_fault_that_scalar_finds) {
  Random random(22);
  std::array<uint64_t, 6> seen = {};
  const auto run = [&](const Message& message, const Stream& stream) {
    ++seen[static_cast<size_t>(compare_decoders(message, stream).status)];
  };
  for (const char* name : {"gaussian 14", "random 12", "random 13", "escape only 14", "one slot 14",
                           "crowded with escapes", "to 2^15 - 1", "at -2^15", "int32 ends",
                           "gaussian 16", "both ends of int16"}) {
    const Fixture& from = fixture(name);
    for (const uint32_t lanes : kLaneCounts) {
      for (int trial = 0; trial < 8; ++trial) {
        Message message;
        message.fixture = &from;
        message.width = from.view.precision > Narrow::kPrecision ? kWide : kNarrow;
        message.lanes = lanes;
        message.first_lane = random.integer(2) == 0 ? 0 : random.integer(lanes);
        message.symbol_type = static_cast<KernelSymbolType>(1 + random.integer(2));
        message.index_type = static_cast<KernelIndexType>(random.integer(kIndexTypes));
        const uint64_t count = 2 * lanes + random.integer(2 * lanes + 4);
        if (!draw(random, count, trial % 2 == 0 ? 3 : 40, message)) continue;
        const Stream intact = stream_of(encode(scalar_kernels(), message), random);

        // Truncated at every byte.
        Stream stream = intact;
        for (size_t size = 0; size < intact.bytes.size(); ++size) {
          stream.bytes.assign(intact.bytes.begin(),
                              intact.bytes.begin() + static_cast<std::ptrdiff_t>(size));
          run(message, stream);
        }
        // Escapes where none were announced.
        stream = intact;
        stream.escapes_allowed = false;
        run(message, stream);
        // Outputs that are too small.
        Message smaller = message;
        for (uint32_t type = 0; type < message.symbol_type; ++type) {
          smaller.symbol_type = static_cast<KernelSymbolType>(type);
          run(smaller, intact);
        }
        // Distances that leave int32, and codes that are too long, after some good ones.
        for (const bool too_long : {false, true}) {
          std::vector<std::pair<uint64_t, uint32_t>> escapes;
          for (uint32_t good = random.integer(6); good > 0; --good) {
            escapes.emplace_back(1 + random.integer(50), random.integer(2));
          }
          escapes.emplace_back((uint64_t{1} << 32) + random.integer(9), random.integer(2));
          auto section = escape_section(escapes);
          if (too_long) section.insert(section.begin(), 30, 0);
          if (too_long) std::fill(section.begin() + 20, section.begin() + 32, uint8_t{0});
          stream = intact;
          stream.escapes_allowed = true;
          stream.bytes.resize(intact.word_bytes);
          stream.bytes.insert(stream.bytes.end(), section.begin(), section.end());
          run(message, stream);
          run(smaller, stream);
        }
        if (too_many_failures()) return;
      }
    }
  }
  for (const uint64_t times : seen) CHECK(times > 100);
}

TEST(every_isa_takes_hostile_bytes_as_scalar_does) {
  Random random(23);
  std::array<uint64_t, 6> seen = {};
  const char* names[] = {"gaussian 14", "random 4",  "random 13",    "random closed 12",
                         "crowded",     "3900 rows", "many crowded", "both ends of int16"};
  for (int trial = 0; trial < 6000 && !too_many_failures(); ++trial) {
    Message message;
    message.fixture = &fixture(names[random.integer(std::size(names))]);
    message.lanes = kLaneCounts[random.integer(6)];
    message.first_lane = random.integer(message.lanes);
    message.index_type = static_cast<KernelIndexType>(random.integer(kIndexTypes));
    if (!draw(random, random.integer(400), 1, message)) continue;
    message.symbol_type = static_cast<KernelSymbolType>(random.integer(kSymbolTypes));
    Stream stream;
    stream.escapes_allowed = random.integer(4) != 0;
    stream.state.assign(message.state, message.state + message.lanes);
    stream.hash.assign(message.hash, message.hash + message.lanes);
    stream.bytes.resize(random.integer(900));
    for (uint8_t& byte : stream.bytes) byte = static_cast<uint8_t>(random.bits());
    ++seen[static_cast<size_t>(compare_decoders(message, stream).status)];
  }
  for (const Status status :
       {Status::kOk, Status::kTruncated, Status::kEscapeUnannounced, Status::kSymbolOutOfRange}) {
    CHECK(seen[static_cast<size_t>(status)] > 50);
  }
}

void check_all_see_a_fault(const Message& message) {
  for (const std::string& isa : available_isas()) {
    const KernelTable& kernels = kernels_of(isa);
    if (!encode(kernels, message).fault) report("encodes without a fault", kernels, message);
  }
}

// Where the arrays end in guarded memory, a row that is not there is a segmentation fault.
TEST(every_isa_refuses_indexes_that_name_no_row) {
  Random random(24);
  uint64_t messages = 0;
  const char* names[] = {"gaussian 14", "random 4",     "random closed 12", "gaussian 16",
                         "crowded",     "many crowded", "random closed 16", "5000 rows"};
  for (int trial = 0; trial < 3000 && !too_many_failures(); ++trial) {
    Message message;
    message.fixture = &fixture(names[random.integer(std::size(names))]);
    const TableView& view = message.fixture->view;
    message.width = view.precision > Narrow::kPrecision ? kWide : random.integer(2);
    message.lanes = kLaneCounts[random.integer(6)];
    message.first_lane = random.integer(2) == 0 ? 0 : random.integer(message.lanes);
    message.index_type = static_cast<KernelIndexType>(1 + random.integer(3));
    message.symbol_type = static_cast<KernelSymbolType>(random.integer(kSymbolTypes));
    const int64_t rows = static_cast<int64_t>(view.row_count);
    const int64_t limits[] = {0, 255, 65535, kInt32Max};
    const int64_t limit = limits[message.index_type];
    if (rows > limit) continue;
    if (!draw(random, 1 + random.integer(4 * message.lanes + 3), 5, message)) continue;
    const Stream stream = stream_of(encode(scalar_kernels(), message), random);
    std::vector<int64_t> bad = {rows, limit, random.between(rows, limit)};
    if (message.index_type == kIndexInt32) bad.insert(bad.end(), {-1, kInt32Min});
    const uint32_t count = static_cast<uint32_t>(message.indexes.size());
    uint64_t first = count;
    for (uint32_t faults = 1 + random.integer(2); faults > 0; --faults) {
      const uint32_t at = random.integer(count);
      message.indexes[at] =
          static_cast<int32_t>(bad[random.integer(static_cast<uint32_t>(bad.size()))]);
      first = std::min<uint64_t>(first, at);
    }
    check_all_see_a_fault(message);
    const Decoded decoded = compare_decoders(message, stream);
    CHECK(decoded.status == Status::kIndexOutOfRange && decoded.position == first);
    ++messages;
  }
  CHECK(messages > 1500);
}

TEST(every_isa_refuses_symbols_outside_the_rows_of_a_table_without_escapes) {
  Random random(25);
  uint64_t messages = 0;
  const char* names[] = {"random closed 12", "random closed 16", "crowded", "one slot 14",
                         "closed to 2^15 - 1"};
  for (int trial = 0; trial < 2000 && !too_many_failures(); ++trial) {
    Message message;
    message.fixture = &fixture(names[random.integer(std::size(names))]);
    const TableView& view = message.fixture->view;
    CHECK(view.escape == 0);
    message.width = view.precision > Narrow::kPrecision ? kWide : random.integer(2);
    message.lanes = kLaneCounts[random.integer(6)];
    message.first_lane = random.integer(2) == 0 ? 0 : random.integer(message.lanes);
    message.index_type = static_cast<KernelIndexType>(random.integer(kIndexTypes));
    message.symbol_type = static_cast<KernelSymbolType>(random.integer(kSymbolTypes));
    if (!draw(random, 1 + random.integer(4 * message.lanes + 3), 5, message)) continue;
    const uint32_t at = random.integer(static_cast<uint32_t>(message.symbols.size()));
    const size_t row =
        message.index_type == kIndexNone ? 0 : static_cast<size_t>(message.indexes[at]);
    const RowView& view_of_row = view.rows[row];
    const int64_t outside =
        random.integer(2) == 0
            ? int64_t{view_of_row.offset} - 1 - random.integer(9)
            : int64_t{view_of_row.offset} + view_of_row.symbols + random.integer(9);
    const Limits limits = limits_of(message.symbol_type);
    if (outside < limits.low || outside > limits.high) continue;
    message.symbols[at] = static_cast<int32_t>(outside);
    check_all_see_a_fault(message);
    ++messages;
  }
  CHECK(messages > 1000);
}

// ---- fast tables -----------------------------------------------------------------------------

void check_buckets(const Fixture& from) {
  const TableView& view = from.view;
  const FastView& fast = *view.fast;
  const uint32_t precision = view.precision <= 14 ? 14 : 16;
  const uint32_t scale = precision - view.precision;
  const uint32_t shift = precision - fast.bucket_bits;
  uint64_t wrong = 0;
  for (size_t r = 0; r < view.row_count; ++r) {
    const auto cdf = from.table->cdf(r);
    const RowView& row = view.rows[r];
    const uint64_t* entries = fast.buckets + (r << fast.bucket_bits) + (r << kRowPadBits);
    uint32_t slot = 0;        // the one that holds `value`
    uint32_t first_slot = 0;  // the one that holds the bucket's first value
    for (uint32_t value = 0; value < 1u << precision; ++value) {
      while (cdf[slot + 1] << scale <= value) ++slot;
      if ((value & ((1u << shift) - 1)) == 0) first_slot = slot;
      const uint64_t entry = entries[value >> shift];
      uint32_t start = static_cast<uint16_t>(entry);
      uint32_t frequency = static_cast<uint16_t>(entry >> 16);
      int32_t symbol = static_cast<int16_t>(entry >> 48);
      if (value - start >= frequency) {
        start += frequency;
        frequency = static_cast<uint16_t>(entry >> 32);
        ++symbol;
      }
      const bool open = value - start >= frequency;
      const bool whole = precision == 16 && row.slots == 1;
      if (slot >= row.symbols || slot > first_slot + 1 || whole) {
        wrong += !open;
      } else {
        wrong += open || start != cdf[slot] << scale || symbol != row.offset + int64_t{slot} ||
                 frequency != (cdf[slot + 1] - cdf[slot]) << scale;
      }
    }
  }
  if (wrong != 0) testing::fail(__FILE__, __LINE__, "buckets of " + from.name);
}

void check_dense(const Fixture& from) {
  const TableView& view = from.view;
  const FastView& fast = *view.fast;
  const uint32_t scale = (view.precision <= 14 ? 14 : 16) - view.precision;
  uint64_t wrong = fast.dense_stride < static_cast<uint32_t>(fast.dense_high - fast.dense_low + 1);
  for (size_t r = 0; r < view.row_count; ++r) {
    const auto cdf = from.table->cdf(r);
    const RowView& row = view.rows[r];
    for (int64_t symbol = fast.dense_low; symbol <= fast.dense_high; ++symbol) {
      const uint64_t slot = static_cast<uint64_t>(symbol - row.offset);
      const bool inside = slot < row.symbols;
      const uint32_t entry =
          fast.dense[r * fast.dense_stride + static_cast<uint64_t>(symbol - fast.dense_low)];
      const uint32_t expected =
          inside ? cdf[slot] << scale | (cdf[slot + 1] - cdf[slot]) << scale << 16 : 0;
      wrong += inside ? entry != expected : entry >> 16 != 0;
      // What clamping makes of everything further out must be outside every row.
      wrong += inside && (symbol == fast.dense_low || symbol == fast.dense_high);
    }
    wrong += row.symbols != 0 &&
             (row.offset <= fast.dense_low || int64_t{row.offset} + row.symbols > fast.dense_high);
  }
  if (wrong != 0) testing::fail(__FILE__, __LINE__, "dense rows of " + from.name);
}

TEST(fast_tables_decide_as_the_cdf_does) {
  size_t checked = 0;
  for (const Fixture& from : fixtures()) {
    if (from.view.fast == nullptr || from.view.row_count > 1000) continue;
    check_buckets(from);
    check_dense(from);
    ++checked;
  }
  check_dense(fixture("3900 rows"));
  CHECK(checked > 40);
}

TEST(fast_tables_of_hostile_tables_stay_small) {
  constexpr uint64_t kMost = uint64_t{1} << 20;
  Random random(41);
  const auto row = random_row(random, 8, 20);
  const auto rows_at = [&](uint32_t count, int32_t last_offset) {
    Rows rows;
    for (uint32_t r = 0; r + 1 < count; ++r) rows.add(row, 0);
    rows.add(row, last_offset);
    return rows.table(8, true);
  };
  for (const uint32_t count : {1u, 15u, 100u, 400u, 3971u}) {
    for (const int32_t offset : {0, 200, 2000, 32000, -32768}) {
      const Table table = rows_at(count, offset);
      const FastView* fast = table->coding_view().fast;
      const uint64_t width = static_cast<uint64_t>(offset < 0 ? 32768 + 21 : offset + 21);
      const bool fits = count * ((width + 15) / 16 | 1) * 16 <= kMost;
      CHECK_EQ(fast != nullptr, fits);
      if (fast == nullptr) continue;
      CHECK(count * ((uint64_t{1} << fast->bucket_bits) + 8) <= kMost);
      CHECK(uint64_t{count} * fast->dense_stride <= kMost);
    }
  }
  CHECK(rows_at(3972, 0)->coding_view().fast == nullptr);
  CHECK(rows_at(32, 32749)->coding_view().fast == nullptr);
}

}  // namespace
}  // namespace fastcoder
