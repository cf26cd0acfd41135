// SPDX-License-Identifier: Apache-2.0
// Parts of one-shot streams, whole or damaged.
#include "coder/decode_range.h"
#include "coder/decoder.h"
#include "pool.h"
#include "simd/dispatch.h"

namespace fastcoder::fuzz {
namespace {

struct Decoded {
  Outcome outcome;
  std::vector<int32_t> symbols;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::span<const uint8_t> stream, const CdfTable& table, const IndexSpan& indexes,
               const SymbolRange& range, const std::string& isa) {
  static GuardedBytes memory(1 << 16);
  use_isa(isa);
  // A range that the stream does not have is refused before its symbols are written.
  const size_t room = std::min<uint64_t>(range.count, 1 << 14);
  uint8_t* out = memory.room(4 * room);
  reset_allocated();
  Decoded result;
  result.outcome =
      attempt([&] { decode_range(stream, table, indexes, range, {out, ElementType::kInt32}); });
  REQUIRE(allocated() <= 4096);
  if (result.outcome.failed) return result;
  REQUIRE(room == range.count);
  for (size_t i = 0; i < room; ++i) {
    result.symbols.push_back(static_cast<int32_t>(element(out, ElementType::kInt32, i)));
  }
  return result;
}

FUZZ_TARGET(ranges) {
  static GuardedBytes stream_memory(1 << 16);
  static GuardedBytes index_memory(1 << 16);
  const uint16_t number = input.u16();
  const OneShot& one = one_shot(number);
  const CdfTable& table = *one.message.table;
  const uint64_t count = one.message.count();
  const Isas isas = choose_isas(input);
  const uint8_t how = input.u8();

  std::vector<uint8_t> bytes = one.stream;
  if (how >= 32) damage(input, bytes, one_shot(number ^ 1u).stream);
  const std::span<const uint8_t> stream = stream_memory.copy(bytes);

  SymbolRange range;
  range.whole_indexes = how % 2 == 0;
  if (how % 16 == 15) {
    range.first = input.u64();
    range.count = input.u64();
    // So many symbols would need memory that a caller has; such a call asks for none.
    if (range.count > 1 << 14 && range.first < count) range.count = UINT64_MAX;
  } else {
    range.first = input.below(count + 2);
    range.count = input.below(count + 2);
    if (how % 4 == 3) range = {0, count, range.whole_indexes};
  }
  // The indexes that belong to the range; past the message's end there are none, and none are read
  // where the stream's count is right. A damaged count may ask for more: an array has them.
  const uint64_t first = range.whole_indexes ? 0 : std::min(range.first, count);
  std::vector<int64_t> indexes(one.message.indexes.begin() + static_cast<std::ptrdiff_t>(first),
                               one.message.indexes.end());
  // As many as the function's contract asks for: the caller compares with symbols_claimed.
  const Outcome claim = attempt([&] {
    const uint64_t claimed = symbols_claimed(stream, table);
    const uint64_t wanted = range.whole_indexes ? claimed : range.count;
    indexes.resize(std::min<uint64_t>(wanted, 1 << 13), 0);
    if (wanted > indexes.size()) throw Error(ErrorKind::kValue, "more than there is memory for");
  });
  if (claim.failed) return;
  const ElementType type = kIndexTypes[how / 4 % 4];
  const IndexSpan span = {copy_elements(index_memory, indexes, type), type};

  const Decoded part = decode(stream, table, span, range, *isas.first);
  REQUIRE(part == decode(stream, table, span, range, *isas.second));
  const bool inside = range.first <= count && range.count <= count - range.first;
  if (bytes == one.stream) {
    const bool aligned = range.whole_indexes || table.rows() == 1 || range.first == 0;
    if (inside && aligned) REQUIRE(!part.outcome.failed);
    if (!inside) REQUIRE(part.outcome.failed);
    if (!part.outcome.failed) {
      REQUIRE(std::equal(part.symbols.begin(), part.symbols.end(),
                         one.message.symbols.begin() + static_cast<std::ptrdiff_t>(range.first)));
    }
    return;
  }
  if (!range.whole_indexes || symbols_claimed(stream, table) != count) return;
  // The whole has the hash of all its symbols, so what it accepts a part of it must, too.
  const Decoded whole = decode(stream, table, span, {0, count, true}, *isas.first);
  std::vector<int32_t> symbols(count);
  const Outcome one_shot_outcome = attempt([&] {
    decode_one_shot(stream, table, span, count, {symbols.data(), ElementType::kInt32}, 1);
  });
  if (count > 0) REQUIRE(whole.outcome.failed == one_shot_outcome.failed);
  if (whole.outcome.failed || !inside) return;
  REQUIRE(whole.symbols == symbols);
  REQUIRE(!part.outcome.failed);
  REQUIRE(std::equal(part.symbols.begin(), part.symbols.end(),
                     symbols.begin() + static_cast<std::ptrdiff_t>(range.first)));
}

}  // namespace
}  // namespace fastcoder::fuzz
