// SPDX-License-Identifier: Apache-2.0
// Range-coded streams that arrive in pieces, with static and with adaptive rows.
#include <algorithm>

#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "pool.h"

namespace fastcoder::fuzz {
namespace {

struct Adaptive {
  std::vector<uint32_t> counts;
  std::vector<uint32_t> slots;
  std::vector<int32_t> offsets;
  uint32_t increment;
  uint32_t limit;
  bool escape;

  AdaptiveTable make() const { return {counts, slots, offsets, increment, limit, escape}; }
};

const std::vector<Adaptive>& adaptives() {
  static const std::vector<Adaptive> all = [] {
    std::vector<Adaptive> made;
    Random random(9);
    for (const bool escape : {false, true}) {
      for (const uint32_t limit : {64u, 1024u, 65536u}) {
        Adaptive one{{}, {}, {}, limit / 8, limit, escape};
        for (uint64_t rows = 1 + random.below(3); rows > 0; --rows) {
          const uint32_t slots = static_cast<uint32_t>(1 + random.below(20));
          one.counts.insert(one.counts.end(), slots, 1);
          one.slots.push_back(slots);
          one.offsets.push_back(-static_cast<int32_t>(random.below(9)));
        }
        made.push_back(std::move(one));
      }
    }
    return made;
  }();
  return all;
}

// Symbols with a static table, or with the adaptive one.
struct Step {
  TablePointer table;
  Message message;
};

struct Program {
  std::vector<Step> steps;
  const Adaptive* adaptive = nullptr;
  bool check = false;
  std::vector<uint8_t> stream;
};

Part part_of(const Step& step) {
  return {step.table.get(),
          {step.message.symbols.data(), ElementType::kInt32},
          {step.message.indexes.data(), ElementType::kInt64},
          step.message.count()};
}

Step draw_step(Random& random, const Adaptive& adaptive) {
  Step step;
  const uint64_t count = random.below(16) == 0 ? 100 + random.below(100) : random.below(30);
  if (random.below(2) == 0) {
    step.table = tables()[random.below(tables().size())];
    step.message = draw_message(random, step.table, count);
    return step;
  }
  for (uint64_t i = 0; i < count; ++i) {
    const size_t row = random.below(adaptive.slots.size());
    const uint64_t symbols = adaptive.slots[row] - adaptive.escape;
    step.message.indexes.push_back(static_cast<int64_t>(row));
    const bool outside = adaptive.escape && (symbols == 0 || random.below(16) == 0);
    const uint64_t slot = outside ? symbols + random.below(1000) : random.below(symbols);
    step.message.symbols.push_back(adaptive.offsets[row] + static_cast<int32_t>(slot));
  }
  return step;
}

const Program& program(uint64_t number) {
  static std::vector<std::unique_ptr<const Program>> all(512);
  std::unique_ptr<const Program>& place = all[number % all.size()];
  if (place) return *place;
  Random random(number % all.size() + 300);
  auto made = std::make_unique<Program>();
  made->adaptive = &adaptives()[random.below(adaptives().size())];
  made->check = random.below(2) == 0;
  RangeEncoder encoder(made->check);
  AdaptiveTable learned = made->adaptive->make();
  const auto take = [&](const std::vector<uint8_t>& bytes) {
    made->stream.insert(made->stream.end(), bytes.begin(), bytes.end());
  };
  for (uint64_t left = random.below(6); left > 0; --left) {
    made->steps.push_back(draw_step(random, *made->adaptive));
    const Step& step = made->steps.back();
    if (step.table) {
      encoder.push(part_of(step));
    } else {
      encoder.push(learned, part_of(step));
    }
    if (random.below(2) == 0) take(encoder.take());
  }
  take(encoder.finish());
  place = std::move(made);
  return *place;
}

std::vector<uint32_t> all_counts(const AdaptiveTable& table) {
  std::vector<uint32_t> counts;
  for (uint64_t row = 0; row < table.row_count(); ++row) {
    const std::vector<uint32_t> own = table.counts(row);
    counts.insert(counts.end(), own.begin(), own.end());
  }
  return counts;
}

// Feeds what the input says, until everything arrived.
class Feed {
 public:
  Feed(RangeDecoder& decoder, std::span<const uint8_t> stream, Input& input)
      : decoder_(decoder), stream_(stream), input_(input), slow_(input.u8() % 4 == 3) {}

  // False at the end.
  bool more() {
    static GuardedBytes memory(1 << 16);
    if (ended_) return false;
    const size_t asked = slow_ ? 1 + input_.u8() % 9u : stream_.size();
    const size_t size = std::min(asked, stream_.size());
    ended_ = size == stream_.size();
    decoder_.feed(memory.copy(stream_.first(size)), ended_);
    stream_ = stream_.subspan(size);
    return true;
  }

 private:
  RangeDecoder& decoder_;
  std::span<const uint8_t> stream_;
  Input& input_;
  bool slow_;
  bool ended_ = false;
};

// Pulls a piece; feeds as often as it asks for more.
Outcome pull(RangeDecoder& decoder, AdaptiveTable& learned, const Step& step, uint64_t first,
             uint64_t size, Feed& feed, ElementType type, std::vector<int64_t>& values) {
  static GuardedBytes memory(1 << 14);
  const IndexSpan indexes = {step.message.indexes.data() + first, ElementType::kInt64};
  for (;;) {
    void* out = memory.room(size * element_bytes(type));
    const uint64_t needed = decoder.needed();
    const std::vector<uint32_t> before = all_counts(learned);
    Outcome outcome = attempt([&] {
      if (step.table) {
        decoder.pull(*step.table, indexes, size, {out, type});
      } else {
        decoder.pull(learned, indexes, size, {out, type});
      }
    });
    if (!outcome.failed) {
      REQUIRE(size == 0 || needed == 0);
      for (uint64_t i = 0; i < size; ++i) values.push_back(element(out, type, i));
      return outcome;
    }
    REQUIRE(all_counts(learned) == before);
    REQUIRE(decoder.needed() == needed);
    if (outcome.kind != ErrorKind::kNeedMoreBytes) return outcome;
    REQUIRE(feed.more());
  }
}

FUZZ_TARGET(range_coder) {
  const uint16_t number = input.u16();
  const Program& one = program(number);
  const uint8_t how = input.u8();
  std::vector<uint8_t> bytes = one.stream;
  if (how >= 16) damage(input, bytes, program(number + 1u).stream);
  if (how >= 240) {
    bytes.resize(std::min<size_t>(bytes.size(), 1));
    for (uint8_t left = input.u8() % 96; left > 0; --left) bytes.push_back(input.u8());
  }
  const ElementType type = how % 8 == 7 ? kSymbolTypes[input.u8() % 8] : ElementType::kInt32;

  RangeDecoder decoder;
  AdaptiveTable learned = one.adaptive->make();
  Feed feed(decoder, bytes, input);
  std::vector<int64_t> values;
  std::vector<int64_t> expected;
  Outcome outcome = attempt([&] {
    for (const Step& step : one.steps) {
      const uint64_t count = step.message.count();
      for (uint64_t first = 0; first < count;) {
        const uint8_t piece = input.u8();
        const uint64_t size =
            piece < 128 ? count - first : std::min<uint64_t>(1 + piece % 32, count - first);
        const Outcome pulled = pull(decoder, learned, step, first, size, feed, type, values);
        if (pulled.failed) throw Error(pulled.kind, pulled.what);
        first += size;
      }
      expected.insert(expected.end(), step.message.symbols.begin(), step.message.symbols.end());
    }
    while (feed.more()) {
    }
    decoder.finish();
  });
  if (bytes == one.stream) {
    if (type == ElementType::kInt32 || type == ElementType::kInt64) REQUIRE(!outcome.failed);
    if (outcome.failed) REQUIRE(outcome.kind == ErrorKind::kSymbolRange);
  }
  if (outcome.failed) {
    REQUIRE(outcome.blames_stream() || type != ElementType::kInt32);
  } else if (bytes == one.stream) {
    REQUIRE(values == expected);
  }
}

}  // namespace
}  // namespace fastcoder::fuzz
