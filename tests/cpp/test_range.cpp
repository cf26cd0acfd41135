// SPDX-License-Identifier: Apache-2.0
// The range coder where sanitizers look: round trips in pieces, and hostile bytes, with tables that
// have lookup tables and those that do not, and adaptive ones.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "coder/adaptive_table.h"
#include "coder/cdf_table.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"

namespace fastcoder {
namespace {

using Random = std::mt19937_64;

uint32_t below(Random& random, uint64_t limit) { return static_cast<uint32_t>(random() % limit); }

std::shared_ptr<const CdfTable> random_table(Random& random) {
  const int precision = 1 + static_cast<int>(below(random, 16));
  const bool escape = below(random, 2) != 0;
  const uint32_t most = std::min(1u << precision, 40u);
  std::vector<uint32_t> cdf;
  std::vector<uint32_t> slots;
  std::vector<int32_t> offsets;
  for (uint32_t row = 0; row < 3; ++row) {
    slots.push_back(1 + below(random, most));
    // Every third table lies far outside int16: it has no lookup tables.
    offsets.push_back(below(random, 3) == 0 ? 100000 : -static_cast<int32_t>(slots.back() / 2));
    std::vector<uint32_t> cuts = {0, 1u << precision};
    while (cuts.size() < slots.back() + 1) {
      const uint32_t cut = 1 + below(random, (1u << precision) - 1);
      if (std::find(cuts.begin(), cuts.end(), cut) == cuts.end()) cuts.push_back(cut);
    }
    std::sort(cuts.begin(), cuts.end());
    cdf.insert(cdf.end(), cuts.begin(), cuts.end());
  }
  return CdfTable::from_cdf(cdf, slots, offsets, precision, escape);
}

AdaptiveTable random_adaptive(Random& random) {
  const uint32_t slots = 1 + below(random, 20);
  const std::vector<uint32_t> counts(size_t{3} * slots, 1);
  const std::vector<uint32_t> sizes(3, slots);
  return {counts, sizes, std::vector<int32_t>(3, -4), 1 + below(random, 30), 60, true};
}

struct Message {
  std::vector<int32_t> symbols;
  std::vector<uint8_t> indexes;

  Part part(const CdfTable* table, size_t first, size_t count) const {
    return {table,
            {symbols.data() + first, ElementType::kInt32},
            {indexes.data() + first, ElementType::kUint8},
            count};
  }
};

// Symbols of the rows, and beyond them where there are escapes.
template <class SymbolsOfRow>
Message random_message(Random& random, size_t size, bool escape, SymbolsOfRow&& symbols_of_row) {
  Message message;
  for (size_t i = 0; i < size; ++i) {
    const uint32_t row = below(random, 3);
    const auto [offset, symbols] = symbols_of_row(row);
    int32_t symbol = offset + static_cast<int32_t>(below(random, std::max(symbols, 1u)));
    if (escape && (symbols == 0 || below(random, 20) == 0)) symbol = static_cast<int32_t>(random());
    message.symbols.push_back(symbol);
    message.indexes.push_back(static_cast<uint8_t>(row));
  }
  return message;
}

TEST(range_roundtrip_in_pieces) {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    const auto table = random_table(random);
    const AdaptiveTable first = random_adaptive(random);
    AdaptiveTable encoder_table(first);
    AdaptiveTable decoder_table(first);
    const bool adaptive = round % 2 != 0;
    const size_t size = below(random, 2) != 0 ? below(random, 100) : below(random, 6000);
    const Message message =
        adaptive ? random_message(random, size, true,
                                  [&](uint64_t row) {
                                    return std::pair(first.row(row).offset, first.row(row).symbols);
                                  })
                 : random_message(random, size, table->escape(), [&](uint64_t row) {
                     const RowView& view = table->view().rows[row];
                     return std::pair(view.offset, view.symbols);
                   });
    RangeEncoder encoder(round % 3 == 0);
    RangeDecoder decoder;
    std::vector<uint8_t> stream;
    std::vector<int32_t> found(size);
    size_t done = 0;
    // As far as bytes reach; then one symbol at a time until they end.
    const auto pull = [&] {
      for (size_t step = 500; step > 0 && done < size;) {
        const size_t count = std::min(step, size - done);
        const IndexSpan indexes = {message.indexes.data() + done, ElementType::kUint8};
        const MutableSymbolSpan out = {found.data() + done, ElementType::kInt32};
        try {
          if (adaptive) {
            decoder.pull(decoder_table, indexes, count, out);
          } else {
            decoder.pull(*table, indexes, count, out);
          }
          done += count;
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::kNeedMoreBytes) throw;
          step = step == 1 ? 0 : 1;
        }
      }
    };
    for (size_t begin = 0; begin < size;) {
      const size_t count = std::min<size_t>(1 + below(random, 3000), size - begin);
      if (adaptive) {
        encoder.push(encoder_table, message.part(nullptr, begin, count));
      } else {
        encoder.push(message.part(table.get(), begin, count));
      }
      begin += count;
      const std::vector<uint8_t> taken = encoder.take();
      stream.insert(stream.end(), taken.begin(), taken.end());
      decoder.feed(taken, false);
      pull();
    }
    const std::vector<uint8_t> rest = encoder.finish();
    decoder.feed(rest, true);
    pull();
    CHECK_EQ(done, size);
    CHECK(found == message.symbols);
    decoder.finish();
    for (uint64_t row = 0; adaptive && row < 3; ++row) {
      CHECK(encoder_table.counts(row) == decoder_table.counts(row));
    }
  }
}

// It has no buffer yet: a place in it would be an offset to a null pointer.
TEST(range_decoder_that_was_fed_nothing_asks_for_bytes) {
  const auto table = CdfTable::from_cdf(std::vector<uint32_t>{0, 5, 16}, std::vector<uint32_t>{2},
                                        std::vector<int32_t>{0}, 4, false);
  RangeDecoder decoder;
  int32_t symbol = 7;
  const MutableSymbolSpan out = {&symbol, ElementType::kInt32};
  CHECK_ERROR(ErrorKind::kNeedMoreBytes, "symbols[0]", decoder.pull(*table, {}, 1, out));
  decoder.feed({}, false);
  CHECK_ERROR(ErrorKind::kNeedMoreBytes, "symbols[0]", decoder.pull(*table, {}, 1, out));
  CHECK_EQ(decoder.needed(), uint64_t{9});
  CHECK_EQ(symbol, 7);
}

TEST(range_decoder_survives_any_bytes) {
  Random random(2);
  uint64_t refused = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto table = random_table(random);
    AdaptiveTable adaptive = random_adaptive(random);
    std::vector<uint8_t> bytes(1 + below(random, 60));
    for (uint8_t& byte : bytes)
      byte = static_cast<uint8_t>(below(random, 4) == 0 ? 0xFF : random());
    bytes[0] = round % 2 != 0 ? 0x0F : 0x4F;
    std::vector<uint8_t> indexes(100);
    for (uint8_t& index : indexes) index = static_cast<uint8_t>(below(random, 3));
    std::vector<int32_t> symbols(100);
    const MutableSymbolSpan out = {symbols.data(), ElementType::kInt32};
    RangeDecoder decoder;
    try {
      const size_t cut = below(random, bytes.size());
      decoder.feed(std::span(bytes).first(cut), false);
      decoder.feed(std::span(bytes).subspan(cut), true);
      decoder.pull(*table, {indexes.data(), ElementType::kUint8}, 1 + below(random, 100), out);
      decoder.pull(adaptive, {indexes.data(), ElementType::kUint8}, 1 + below(random, 100), out);
      decoder.finish();
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kTruncated || error.kind() == ErrorKind::kCorrupt);
      ++refused;
    }
  }
  CHECK(refused > 2900);
}

TEST(range_rows_and_symbols_are_checked_where_they_are_used) {
  const std::vector<uint32_t> cdf = {0, 5, 16};
  const auto table =
      CdfTable::from_cdf(cdf, std::vector<uint32_t>{2}, std::vector<int32_t>{0}, 4, false);
  for (const size_t size : {size_t{10}, size_t{3000}}) {
    Message message = {std::vector<int32_t>(size, 1), std::vector<uint8_t>(size, 0)};
    RangeEncoder encoder(false);
    encoder.push(message.part(table.get(), 0, size));
    message.indexes[size - 2] = 1;
    CHECK_ERROR(ErrorKind::kIndexRange, "indexes[" + std::to_string(size - 2) + "] = 1",
                encoder.push(message.part(table.get(), 0, size)));
    message.indexes[size - 2] = 0;
    message.symbols[size - 1] = 2;
    CHECK_ERROR(ErrorKind::kSymbolRange, "symbols[" + std::to_string(size - 1) + "] = 2",
                encoder.push(message.part(table.get(), 0, size)));
    RangeDecoder decoder;
    decoder.feed(encoder.finish(), true);
    message.indexes[size - 2] = 1;
    const MutableSymbolSpan out = {message.symbols.data(), ElementType::kInt32};
    const IndexSpan indexes = {message.indexes.data(), ElementType::kUint8};
    CHECK_ERROR(ErrorKind::kIndexRange, "indexes[" + std::to_string(size - 2) + "] = 1",
                decoder.pull(*table, indexes, size, out));
    message.indexes[size - 2] = 0;
    decoder.pull(*table, indexes, size, out);
    CHECK(message.symbols == std::vector<int32_t>(size, 1));
    decoder.finish();
  }
}

}  // namespace
}  // namespace fastcoder
