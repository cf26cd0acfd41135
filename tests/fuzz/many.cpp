// SPDX-License-Identifier: Apache-2.0
// Batches of which some streams are damaged: each must end as it does alone.
#include "coder/many.h"

#include <array>

#include "coder/decoder.h"
#include "pool.h"
#include "simd/dispatch.h"

namespace fastcoder::fuzz {
namespace {

struct Batch {
  TablePointer table;
  std::vector<Message> messages;
  std::vector<std::vector<uint8_t>> streams;
};

// Both sides of a batch, made once.
const Batch& batch(uint64_t number) {
  static std::vector<std::unique_ptr<const Batch>> all(256);
  std::unique_ptr<const Batch>& place = all[number % all.size()];
  if (place) return *place;
  Random random(number + 77);
  auto made = std::make_unique<Batch>();
  made->table = tables()[random.below(tables().size())];
  std::vector<Part> parts;
  for (uint64_t left = 1 + random.below(12); left > 0; --left) {
    const uint64_t count = random.below(4) == 0 ? draw_count(random) : 10 + random.below(60);
    made->messages.push_back(draw_message(random, made->table, count));
  }
  for (const Message& message : made->messages) {
    parts.push_back({made->table.get(),
                     {message.symbols.data(), ElementType::kInt32},
                     {message.indexes.data(), ElementType::kInt64},
                     message.count()});
  }
  EncodeOptions options;
  options.lanes = std::array<uint32_t, 4>{0, 1, 2, 4}[random.below(4)];
  options.threads = 1;
  made->streams = encode_many(parts, options);
  for (size_t i = 0; i < parts.size(); ++i) {
    REQUIRE(made->streams[i] == encode_one_shot(parts[i], options).bytes());
  }
  place = std::move(made);
  return *place;
}

FUZZ_TARGET(many) {
  const Batch& one = batch(input.u8());
  const CdfTable& table = *one.table;
  use_isa(*choose_isas(input).first);
  const size_t size = one.messages.size();
  std::vector<std::vector<uint8_t>> streams = one.streams;
  std::vector<std::vector<int64_t>> indexes;
  for (const Message& message : one.messages) indexes.push_back(message.indexes);
  std::vector<ElementType> types(size, ElementType::kInt32);
  for (uint8_t left = input.u8() % 4; left > 0; --left) {
    const size_t which = input.u8() % size;
    switch (input.u8() % 4) {
      case 0:
        if (indexes[which].empty()) break;
        indexes[which][input.u16() % indexes[which].size()] = static_cast<int64_t>(input.u64());
        break;
      case 1:
        types[which] = kSymbolTypes[input.u8() % 8];
        break;
      default:
        damage(input, streams[which], one.streams[input.u8() % size]);
    }
  }
  std::vector<std::vector<int64_t>> together(size);
  std::vector<std::vector<int64_t>> alone(size);
  std::vector<StreamPart> parts;
  Outcome first;
  for (size_t i = 0; i < size; ++i) {
    together[i].resize(indexes[i].size());
    alone[i].resize(indexes[i].size());
    const IndexSpan span = {indexes[i].data(), ElementType::kInt64};
    parts.push_back({streams[i], span, {together[i].data(), types[i]}, indexes[i].size()});
    const Outcome outcome = attempt([&] {
      decode_one_shot(streams[i], table, span, indexes[i].size(), {alone[i].data(), types[i]}, 1);
    });
    if (outcome.failed && !first.failed) {
      first = outcome;
      first.what += " (message " + std::to_string(i) + ")";
    }
  }
  const Outcome all = attempt([&] { decode_many(parts, table, 1); });
  REQUIRE(all == first);
  if (!all.failed) REQUIRE(together == alone);
}

}  // namespace
}  // namespace fastcoder::fuzz
