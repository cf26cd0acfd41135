// SPDX-License-Identifier: Apache-2.0
// Streams of CompressAI's coder, which carry no hash: a decoder returns symbols or an error. And
// tables as a caller may hand them over.
#include <algorithm>
#include <bit>

#include "compat/quantized_cdf.h"
#include "compat/rans64_decoder.h"
#include "compat/rans64_encoder.h"
#include "compat/rans64_table.h"
#include "pool.h"

namespace fastcoder::fuzz {
namespace {

struct Case {
  Rans64Content content;
  std::shared_ptr<const Rans64Table> prepared;
  std::vector<int64_t> indexes;
  std::vector<int64_t> symbols;
  std::vector<uint8_t> stream;
};

std::vector<uint8_t> bytes_of(const Rans64Stream& stream) {
  std::vector<uint8_t> bytes(stream.size());
  stream.write(bytes.data());
  return bytes;
}

Rans64Content draw_content(Random& random) {
  Rans64Content content;
  for (uint64_t rows = 1 + random.below(4); rows > 0; --rows) {
    const uint64_t slots = 1 + random.below(random.below(2) == 0 ? 4 : 40);
    std::vector<int32_t> cdf = {0};
    for (uint64_t i = 1; i < slots; ++i) cdf.push_back(static_cast<int32_t>(random.below(65537)));
    cdf.push_back(random.below(8) == 0 ? static_cast<int32_t>(random.below(65537)) : 65536);
    std::sort(cdf.begin(), cdf.end());
    content.sizes.push_back(static_cast<int32_t>(cdf.size()));
    content.offsets.push_back(random.below(16) == 0 ? static_cast<int32_t>(random())
                                                    : -static_cast<int32_t>(random.below(9)));
    content.cdf.insert(content.cdf.end(), cdf.begin(), cdf.end());
  }
  return content;
}

Rans64Part part_of(const std::vector<int64_t>& symbols, const std::vector<int64_t>& indexes) {
  return {
      {symbols.data(), ElementType::kInt64}, {indexes.data(), ElementType::kInt64}, symbols.size()};
}

// Symbols that the table can code: those whose slots have a width.
void draw_symbols(Random& random, Case& made) {
  for (uint64_t left = random.below(8) == 0 ? 600 : random.below(50); left > 0; --left) {
    const int64_t index = static_cast<int64_t>(random.below(made.content.sizes.size()));
    const std::span<const int32_t> cdf = made.prepared->cdf(static_cast<uint64_t>(index));
    const int64_t value = static_cast<int64_t>(random.below(65536));
    const auto above = std::upper_bound(cdf.begin(), cdf.end(), value);
    if (above == cdf.begin() || above == cdf.end()) continue;
    const int64_t slot = above - cdf.begin() - 1;
    int64_t symbol = made.content.offsets[static_cast<size_t>(index)] + slot;
    if (slot == static_cast<int64_t>(cdf.size()) - 2) {
      symbol +=
          static_cast<int64_t>(random.below(4) == 0 ? random.below(1u << 30) : random.below(100));
    }
    if (symbol != static_cast<int32_t>(symbol)) continue;
    made.indexes.push_back(index);
    made.symbols.push_back(symbol);
  }
}

const Case& pool(uint64_t number) {
  static std::vector<std::unique_ptr<const Case>> all(512);
  std::unique_ptr<const Case>& place = all[number % all.size()];
  if (place) return *place;
  Random random(number / 2 + 40);
  auto made = std::make_unique<Case>();
  made->content = draw_content(random);
  made->prepared = std::make_shared<const Rans64Table>(made->content);
  made->prepared->bucket_rows(1 << 20);
  made->prepared->push_rows(1 << 20);
  Random own(number + 7000);
  draw_symbols(own, *made);
  const Rans64Part part = part_of(made->symbols, made->indexes);
  made->stream = bytes_of(encode_rans64(part, *made->prepared));
  Rans64Buffer buffer;
  buffer.push(part, *made->prepared);
  REQUIRE(bytes_of(buffer.encode()) == made->stream);
  const std::vector<Rans64Part> parts(3, part);
  for (const Rans64Stream& stream : encode_rans64_many(parts, *made->prepared)) {
    REQUIRE(bytes_of(stream) == made->stream);
  }
  place = std::move(made);
  return *place;
}

struct Decoded {
  Outcome outcome;
  bool fits = true;
  std::vector<int64_t> symbols;
  bool operator==(const Decoded&) const = default;
};

// In pieces of `piece` symbols.
Decoded decode(std::span<const uint8_t> stream, const Rans64Table& table,
               const std::vector<int64_t>& indexes, ElementType type, uint64_t piece) {
  static GuardedBytes memory(1 << 14);
  Decoded result;
  uint8_t* out = static_cast<uint8_t*>(memory.room(indexes.size() * element_bytes(type)));
  result.outcome = attempt([&] {
    Rans64Reader reader = read_rans64(stream);
    for (uint64_t first = 0; first < indexes.size(); first += piece) {
      const uint64_t size = std::min(piece, indexes.size() - first);
      const Rans64Pull pull = {{indexes.data() + first, ElementType::kInt64},
                               {out + first * element_bytes(type), type},
                               size};
      const Rans64Reader before = reader;
      if (decode_rans64(reader, pull, table)) continue;
      result.fits = false;
      REQUIRE(reader.words == before.words && reader.state == before.state);
      return;
    }
    finish_rans64(reader);
  });
  if (result.outcome.failed || !result.fits) return result;
  for (uint64_t i = 0; i < indexes.size(); ++i) result.symbols.push_back(element(out, type, i));
  return result;
}

void decode_damaged(Input& input) {
  static GuardedBytes memory(1 << 15);
  const uint16_t number = input.u16();
  const Case& one = pool(number);
  std::vector<uint8_t> bytes = one.stream;
  const uint8_t how = input.u8();
  if (how >= 16) damage(input, bytes, pool(number ^ 1u).stream);
  if (how >= 200) bytes.resize(bytes.size() / 4 * 4);
  std::vector<int64_t> indexes = one.indexes;
  if (how % 16 == 1 && !indexes.empty()) {
    indexes[input.u16() % indexes.size()] = static_cast<int64_t>(input.u64() >> input.u8() % 64);
  }
  const std::span<const uint8_t> stream = memory.copy(bytes);
  const ElementType type = how % 2 == 0 ? ElementType::kInt32 : ElementType::kInt64;
  const Decoded whole = decode(stream, *one.prepared, indexes, type, 4096);
  const Rans64Table plain(one.content);
  const Decoded again = decode(stream, plain, indexes, type, 4096);
  REQUIRE(again == whole);
  const Decoded pieces = decode(stream, plain, indexes, type, 1 + input.u8() % 40u);
  REQUIRE(pieces.outcome.failed == whole.outcome.failed);
  REQUIRE(pieces.symbols == whole.symbols);
  if (whole.outcome.failed) {
    REQUIRE(whole.outcome.blames_stream() || whole.outcome.kind == ErrorKind::kIndexRange);
    REQUIRE(bytes != one.stream || indexes != one.indexes);
    return;
  }
  if (!whole.fits) return;
  if (bytes == one.stream && indexes == one.indexes) REQUIRE(whole.symbols == one.symbols);
  const bool narrow = std::all_of(whole.symbols.begin(), whole.symbols.end(),
                                  [](int64_t symbol) { return fits(symbol, ElementType::kInt32); });
  // Nothing else is accepted than what the encoder writes.
  if (narrow) {
    REQUIRE(bytes_of(encode_rans64(part_of(whole.symbols, indexes), *one.prepared)) == bytes);
  }
}

// Several messages with one call, some of them damaged: each ends as it does alone.
void decode_batch(Input& input) {
  const uint16_t number = input.u16();
  const Case& one = pool(number);
  const Case* const both[] = {&one, &pool(number ^ 1u)};
  std::vector<std::vector<uint8_t>> streams;
  std::vector<std::vector<int64_t>> indexes;
  for (uint8_t left = 1 + input.u8() % 10; left > 0; --left) {
    const Case& own = *both[input.u8() % 2];
    streams.push_back(own.stream);
    indexes.push_back(own.indexes);
    if (input.u8() % 8 == 0) damage(input, streams.back(), both[1]->stream);
  }
  std::vector<std::vector<int32_t>> together;
  std::vector<std::vector<int64_t>> alone;
  std::vector<Rans64Message> messages;
  Outcome first;
  bool fit = true;
  for (size_t i = 0; i < streams.size(); ++i) {
    Decoded decoded = decode(streams[i], *one.prepared, indexes[i], ElementType::kInt32, 4096);
    fit = fit && (first.failed || decoded.fits);
    if (decoded.outcome.failed && !first.failed && fit) {
      first = decoded.outcome;
      first.what += " (message " + std::to_string(i) + ")";
    }
    alone.push_back(std::move(decoded.symbols));
    together.emplace_back(indexes[i].size());
  }
  for (size_t i = 0; i < streams.size(); ++i) {
    messages.push_back({streams[i],
                        {{indexes[i].data(), ElementType::kInt64},
                         {together[i].data(), ElementType::kInt32},
                         indexes[i].size()}});
  }
  bool good = true;
  const Outcome outcome = attempt([&] { good = decode_rans64_many(messages, *one.prepared); });
  REQUIRE(outcome == first);
  if (outcome.failed) return;
  REQUIRE(good == fit);
  for (size_t i = 0; good && i < streams.size(); ++i) {
    REQUIRE(std::equal(together[i].begin(), together[i].end(), alone[i].begin(), alone[i].end()));
  }
}

// Anything as a table: refused, or good for coding.
void code_with_any_table(Input& input) {
  Random random(input.u16());
  Rans64Content content = draw_content(random);
  for (uint8_t left = input.u8() % 4; left > 0; --left) {
    const uint32_t value = input.u8() < 128 ? input.u16() : input.u32();
    // Not the sizes: who gathers the rows has counted them.
    std::vector<int32_t>& changed = input.u8() % 4 == 0 ? content.offsets : content.cdf;
    changed[input.u8() % changed.size()] = static_cast<int32_t>(value);
  }
  const Outcome outcome = attempt([&] {
    const Rans64Table table(content);
    const uint64_t prepared = input.u8() % 2 == 0 ? 0 : 1 << 20;
    table.bucket_rows(prepared);
    table.push_rows(prepared);
    std::vector<int64_t> indexes;
    std::vector<int64_t> symbols;
    for (uint8_t left = input.u8() % 16; left > 0; --left) {
      indexes.push_back(input.u8() % 5);
      symbols.push_back(static_cast<int64_t>(input.u64()) >> input.u8() % 64);
    }
    const std::vector<uint8_t> stream = bytes_of(encode_rans64(part_of(symbols, indexes), table));
    const Decoded decoded = decode(stream, table, indexes, ElementType::kInt64, 4096);
    REQUIRE(!decoded.outcome.failed && decoded.symbols == symbols);
  });
  if (!outcome.failed) return;
  REQUIRE(outcome.kind == ErrorKind::kTable || outcome.kind == ErrorKind::kIndexRange ||
          outcome.kind == ErrorKind::kSymbolRange);
}

void quantize_anything(Input& input) {
  std::vector<double> pmf;
  for (uint8_t left = input.u8() % 24; left > 0; --left) {
    const uint64_t bits = input.u64();
    pmf.push_back(bits % 4 == 0 ? std::bit_cast<double>(bits)
                                : static_cast<double>(bits >> 40) * 0x1p-24);
  }
  const int64_t precision = static_cast<int64_t>(input.u8()) - 3;
  const Outcome outcome = attempt([&] {
    const std::vector<uint32_t> cdf = quantized_cdf(pmf, precision);
    REQUIRE(cdf.size() == pmf.size() + 1 && cdf.front() == 0);
    REQUIRE(cdf.back() == uint32_t{1} << precision);
    for (size_t i = 0; i < pmf.size(); ++i) REQUIRE(cdf[i] < cdf[i + 1]);
  });
  if (outcome.failed) {
    REQUIRE(outcome.kind == ErrorKind::kTable || outcome.kind == ErrorKind::kValue);
  }
}

FUZZ_TARGET(compressai) {
  const uint8_t what = input.u8();
  if (what < 160) return decode_damaged(input);
  if (what < 200) return decode_batch(input);
  if (what < 240) return code_with_any_table(input);
  quantize_anything(input);
}

}  // namespace
}  // namespace fastcoder::fuzz
