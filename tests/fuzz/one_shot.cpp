// SPDX-License-Identifier: Apache-2.0
// Whole one-shot streams: damaged by accident, or forged so that the header is right.
#include <optional>

#include "coder/decoder.h"
#include "format/params.h"
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
               uint64_t count, ElementType type, const std::string& isa) {
  static GuardedBytes memory(1 << 16);
  use_isa(isa);
  Decoded result;
  void* out = memory.room(count * element_bytes(type));
  reset_allocated();
  result.outcome = attempt([&] { decode_one_shot(stream, table, indexes, count, {out, type}, 1); });
  // A batch of segments, the symbols once more where the type is too narrow, a message.
  REQUIRE(allocated() <= 4096 + 1024 * stream.size() + 4 * count);
  if (result.outcome.failed) return result;
  for (uint64_t i = 0; i < count; ++i) {
    result.symbols.push_back(static_cast<int32_t>(element(out, type, i)));
  }
  return result;
}

// What a decoder without a header, and without a hash, makes of the same segments.
std::optional<std::vector<int32_t>> decode_headless(std::span<const uint8_t> stream,
                                                    const CdfTable& table, const IndexSpan& indexes,
                                                    uint64_t count) {
  std::vector<int32_t> symbols(count);
  const Outcome outcome = attempt([&] {
    Decoder decoder(stream);
    decoder.pull(table, indexes, count, {symbols.data(), ElementType::kInt32});
    decoder.finish();
  });
  if (outcome.failed) return std::nullopt;
  return symbols;
}

// Indexes as the caller gives them: right, one of them changed, one too many or too few, or none of
// any row.
std::vector<int64_t> change_indexes(Input& input, const Message& message) {
  std::vector<int64_t> indexes = message.indexes;
  const uint8_t how = input.u8();
  if (how < 200 || indexes.empty()) return indexes;
  int64_t& changed = indexes[input.u16() % indexes.size()];
  if (how < 230) {
    changed = static_cast<int64_t>(input.below(message.table->rows()));
  } else if (how < 235) {
    indexes.pop_back();
  } else if (how < 240) {
    indexes.push_back(0);
  } else {
    changed = static_cast<int64_t>(input.u64());
  }
  return indexes;
}

bool all_fit(std::span<const int32_t> symbols, ElementType type) {
  for (const int32_t symbol : symbols) {
    if (!fits(symbol, type)) return false;
  }
  return true;
}

FUZZ_TARGET(one_shot) {
  static GuardedBytes stream_memory(1 << 16);
  static GuardedBytes index_memory(1 << 16);
  const uint16_t number = input.u16();
  const OneShot& one = one_shot(number);
  const OneShot& other = one_shot(number ^ 1u);
  const CdfTable& table = *one.message.table;
  const Isas isas = choose_isas(input);
  const uint8_t how = input.u8();
  const ElementType type = kSymbolTypes[how % 8];
  const ElementType index_type = kIndexTypes[how / 8 % 4];
  const bool forge = how >= 192;

  const std::vector<int64_t> indexes = change_indexes(input, one.message);
  const uint64_t count = indexes.size();
  const IndexSpan span = {copy_elements(index_memory, indexes, index_type), index_type};
  bool legal = true;
  bool same = count == one.message.count();
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t index = element(span.data, index_type, i);
    legal = legal && index >= 0 && index < static_cast<int64_t>(table.rows());
    same = same && index == one.message.indexes[i];
  }

  std::vector<uint8_t> bytes = one.stream;
  damage(input, bytes, other.stream);
  std::optional<std::vector<int32_t>> expected;
  if (forge) {
    const size_t header = std::min(header_bytes(one.stream), bytes.size());
    const std::span<const uint8_t> body(bytes.data() + header, bytes.size() - header);
    if (legal) expected = decode_headless(stream_memory.copy(body), table, span, count);
    const bool narrow = table.precision() <= static_cast<int>(Narrow::kPrecision);
    if (expected && ((body[0] & kHashFlag) != 0 || (narrow && (body[0] & kWideFlag) != 0))) {
      expected.reset();
    }
    bytes = with_header(body, table, expected ? hash_of(body, *expected) : 0, count);
  }

  const std::span<const uint8_t> stream = stream_memory.copy(bytes);
  const Decoded first = decode(stream, table, span, count, type, *isas.first);
  const Decoded second = decode(stream, table, span, count, type, *isas.second);
  REQUIRE(first == second);
  if (forge) {
    // The hash of what it did not decode cannot be 0 by chance often enough to be seen.
    REQUIRE(first.outcome.failed == !(expected && all_fit(*expected, type)));
    if (!first.outcome.failed) REQUIRE(first.symbols == *expected);
    return;
  }
  const bool original = bytes == one.stream || bytes == other.stream;
  const std::vector<int32_t>& symbols =
      bytes == one.stream ? one.message.symbols : other.message.symbols;
  if (original && same) {
    REQUIRE(first.outcome.failed == !all_fit(symbols, type));
    if (first.outcome.failed) REQUIRE(first.outcome.kind == ErrorKind::kSymbolRange);
  }
  // Symbols or an error, never other symbols: unless somebody computed the hash anew.
  Decoded symbols_of = first;
  if (first.outcome.failed && first.outcome.kind == ErrorKind::kSymbolRange) {
    symbols_of = decode(stream, table, span, count, ElementType::kInt32, *isas.first);
    REQUIRE(!symbols_of.outcome.failed);  // damage would be the stream's fault, not the type's
  } else if (first.outcome.failed) {
    REQUIRE(first.outcome.blames_stream() || !legal);
    return;
  }
  for (const OneShot* message : {&one, &other}) {
    if (!std::equal(bytes.begin() + 7, bytes.begin() + 11, message->stream.begin() + 7)) continue;
    const std::span<const int32_t> found(symbols_of.symbols);
    REQUIRE(hash_may_agree(found, std::span<const int32_t>(message->message.symbols)));
    return;
  }
}

}  // namespace
}  // namespace fastcoder::fuzz
