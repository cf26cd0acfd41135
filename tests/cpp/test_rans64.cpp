// SPDX-License-Identifier: Apache-2.0
// CompressAI's coder where sanitizers look: exact division, round trips of any table in any number
// of chains, and hostile bytes.
#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "check.h"
#include "compat/rans64_decoder.h"
#include "compat/rans64_encoder.h"
#include "compat/rans64_step.h"
#include "compat/rans64_table.h"

namespace fastcoder {
namespace {

using Random = std::mt19937_64;

TEST(every_push_is_the_division) {
  Random random(1);
  for (uint32_t frequency = 1; frequency < kRans64Whole; ++frequency) {
    const uint32_t start = static_cast<uint32_t>(random() % (kRans64Whole - frequency + 1));
    const Rans64Push push = make_push(start, frequency);
    const uint64_t limit = uint64_t{frequency} << kRans64LimitShift;
    CHECK(!gives_word(limit - 1, push));
    CHECK(gives_word(limit, push));
    const uint64_t multiple = (random() % (limit / frequency - 1) + 1) * frequency;
    for (const uint64_t x : {multiple - 1, multiple, limit - 1, kRans64Lower, random() % limit}) {
      const uint64_t expected = ((x / frequency) << kRans64Precision) + x % frequency + start;
      if (x >= kRans64Lower) CHECK_EQ(push_state(x, push), expected);
    }
  }
}

Rans64TablePtr random_table(Random& random) {
  Rans64Content content;
  for (uint32_t row = 0; row < 3; ++row) {
    const uint32_t inner = static_cast<uint32_t>(random() % (row == 2 ? 400 : 6));
    std::vector<int32_t> cdf = {0, 65536};
    for (uint32_t k = 0; k < inner; ++k) cdf.push_back(static_cast<int32_t>(random() % 65537));
    std::sort(cdf.begin(), cdf.end());
    content.sizes.push_back(static_cast<int32_t>(cdf.size()));
    content.offsets.push_back(static_cast<int32_t>(random() % 20) - 10);
    content.cdf.insert(content.cdf.end(), cdf.begin(), cdf.end());
  }
  return rans64_table(std::move(content));
}

struct Message {
  std::vector<int32_t> symbols;
  std::vector<int32_t> indexes;
};

// Symbols whose slots are not empty.
Message random_message(Random& random, const Rans64Table& table, size_t count) {
  Message message;
  while (message.symbols.size() < count) {
    const uint32_t index = static_cast<uint32_t>(random() % 3);
    const Rans64Row& row = table.rows()[index];
    const uint32_t slot = static_cast<uint32_t>(random() % (row.plain + 1));
    const std::span<const int32_t> cdf = table.cdf(index);
    if (cdf[slot] == cdf[slot + 1]) continue;
    const int32_t far = slot == row.plain ? static_cast<int32_t>(random() % 100000) : 0;
    message.symbols.push_back(row.offset + static_cast<int32_t>(slot) + far);
    message.indexes.push_back(static_cast<int32_t>(index));
  }
  return message;
}

IndexSpan span_of(const std::vector<int32_t>& indexes) {
  return {indexes.data(), ElementType::kInt32};
}

std::vector<uint8_t> bytes_of(const Rans64Stream& stream) {
  std::vector<uint8_t> bytes(stream.size());
  stream.write(bytes.data());
  return bytes;
}

TEST(chains_give_the_streams_of_one) {
  Random random(2);
  for (int trial = 0; trial < 40; ++trial) {
    const Rans64TablePtr table = random_table(random);
    std::vector<Message> messages;
    for (int i = 0; i < 7; ++i) {
      messages.push_back(random_message(random, *table, random() % 1500));
    }
    std::vector<Rans64Part> parts;
    for (const Message& message : messages) {
      parts.push_back({{message.symbols.data(), ElementType::kInt32},
                       span_of(message.indexes),
                       message.symbols.size()});
    }
    const std::vector<Rans64Stream> streams = encode_rans64_many(parts, *table);
    std::vector<std::vector<uint8_t>> bytes;
    std::vector<std::vector<int32_t>> out;
    for (size_t i = 0; i < parts.size(); ++i) {
      bytes.push_back(bytes_of(streams[i]));
      CHECK(bytes[i] == bytes_of(encode_rans64(parts[i], *table)));
      Rans64Buffer buffer;
      buffer.push(parts[i], *table);
      CHECK(bytes[i] == bytes_of(buffer.encode()));
      out.emplace_back(parts[i].count);
    }
    std::vector<Rans64Message> pulls;
    for (size_t i = 0; i < parts.size(); ++i) {
      pulls.push_back(
          {bytes[i], {parts[i].indexes, {out[i].data(), ElementType::kInt32}, parts[i].count}});
    }
    CHECK(decode_rans64_many(pulls, *table));
    for (size_t i = 0; i < parts.size(); ++i) CHECK(out[i] == messages[i].symbols);
  }
}

TEST(hostile_bytes_end_with_an_error_or_symbols) {
  Random random(3);
  int errors = 0;
  for (int trial = 0; trial < 400; ++trial) {
    const Rans64TablePtr table = random_table(random);
    const Message message = random_message(random, *table, 200);
    std::vector<uint8_t> bytes = bytes_of(encode_rans64(
        {{message.symbols.data(), ElementType::kInt32}, span_of(message.indexes), 200}, *table));
    if (trial % 2 == 0) bytes.resize(random() % bytes.size());
    if (!bytes.empty()) bytes[random() % bytes.size()] ^= static_cast<uint8_t>(1 + random() % 255);
    // A vector of its own size: reading past its end is an error of the sanitizer.
    const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    std::vector<int64_t> out(200);
    try {
      Rans64Reader reader = read_rans64(exact);
      const Rans64Pull pull{
          span_of(message.indexes),
          {out.data(), trial % 3 == 0 ? ElementType::kInt64 : ElementType::kInt32},
          200};
      if (decode_rans64(reader, pull, *table)) finish_rans64(reader);
    } catch (const Error& error) {
      ++errors;
      CHECK(error.kind() == ErrorKind::kTruncated || error.kind() == ErrorKind::kCorrupt);
    }
  }
  CHECK(errors > 200);
}

}  // namespace
}  // namespace fastcoder
