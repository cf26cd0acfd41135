// SPDX-License-Identifier: Apache-2.0
#include "pool.h"

#include <algorithm>
#include <array>

#include "base/varint.h"
#include "coder/stream_layout.h"
#include "format/symbol_hash.h"

namespace fastcoder::fuzz {
namespace {

TablePointer draw_table(Random& random, int precision, bool escape) {
  const uint32_t total = uint32_t{1} << precision;
  std::vector<uint32_t> cdf;
  std::vector<uint32_t> slots;
  std::vector<int32_t> offsets;
  for (uint64_t rows = 1 + random.below(6); rows > 0; --rows) {
    const uint64_t most = std::array<uint64_t, 4>{1, 3, 20, 600}[random.below(4)];
    const uint32_t size = static_cast<uint32_t>(1 + random.below(std::min<uint64_t>(most, total)));
    std::vector<uint32_t> cuts;  // size - 1 different ones; half of them close to each other
    while (cuts.size() + 1 < size) {
      const uint64_t range = random.below(2) == 0 ? total : std::min(total, 2 * size);
      const uint32_t cut = static_cast<uint32_t>(random.below(range));
      if (cut != 0 && std::find(cuts.begin(), cuts.end(), cut) == cuts.end()) cuts.push_back(cut);
    }
    std::sort(cuts.begin(), cuts.end());
    cdf.push_back(0);
    cdf.insert(cdf.end(), cuts.begin(), cuts.end());
    cdf.push_back(total);
    slots.push_back(size);
    const uint64_t place = random.below(16);
    offsets.push_back(place == 0   ? INT32_MIN
                      : place == 1 ? INT32_MAX - static_cast<int32_t>(size)
                                   : -static_cast<int32_t>(random.below(size + 1)));
  }
  return CdfTable::from_cdf(cdf, slots, offsets, precision, escape);
}

std::vector<std::unique_ptr<const OneShot>>& one_shots() {
  static std::vector<std::unique_ptr<const OneShot>> all(kPool);
  return all;
}

}  // namespace

const std::vector<TablePointer>& tables() {
  static const std::vector<TablePointer> all = [] {
    std::vector<TablePointer> made;
    Random random(1);
    for (const int precision : {14, 16, 12, 15, 1, 8, 13, 11, 14, 16}) {
      for (const bool escape : {false, true}) {
        made.push_back(draw_table(random, precision, escape));
        made.back()->coding_view();
      }
    }
    return made;
  }();
  return all;
}

std::vector<int32_t> draw_symbols(Random& random, const CdfTable& table,
                                  std::span<const int64_t> indexes) {
  std::vector<int32_t> symbols;
  for (const int64_t index : indexes) {
    const std::span<const uint32_t> cdf = table.cdf(static_cast<size_t>(index));
    const int64_t offset = table.offsets()[static_cast<size_t>(index)];
    const uint32_t value = static_cast<uint32_t>(random.below(cdf.back()));
    const int64_t slot = std::upper_bound(cdf.begin(), cdf.end(), value) - cdf.begin() - 1;
    const int64_t last = static_cast<int64_t>(cdf.size()) - 2;
    if (table.escape() && (slot == last || random.below(64) == 0)) {
      const uint64_t far = random.below(4) == 0 ? random() : random.below(100);
      symbols.push_back(
          static_cast<int32_t>(static_cast<uint32_t>(offset + last) + static_cast<uint32_t>(far)));
    } else {
      symbols.push_back(static_cast<int32_t>(offset + slot));
    }
  }
  return symbols;
}

Message draw_message(Random& random, TablePointer table, uint64_t count) {
  Message message{std::move(table), {}, {}};
  for (uint64_t i = 0; i < count; ++i) {
    message.indexes.push_back(static_cast<int64_t>(random.below(message.table->rows())));
  }
  message.symbols = draw_symbols(random, *message.table, message.indexes);
  return message;
}

uint64_t draw_count(Random& random) {
  switch (random.below(32)) {
    case 0:
    case 1:
      return random.below(4);
    case 2:
    case 3:
    case 4:
    case 5:
      return 65 + random.below(240);
    case 6:
      return 300 + random.below(900);
    case 7:
      return 2040 + random.below(60);
    default:
      return 1 + random.below(64);
  }
}

EncodeOptions draw_options(Random& random) {
  EncodeOptions options;
  options.lanes = random.below(4) == 0 ? 0 : 1u << random.below(6);
  options.segment = random.below(3) == 0 ? uint64_t{16} << random.below(5) : 0;
  return options;
}

const OneShot& one_shot(uint64_t number) {
  number %= kPool;
  std::unique_ptr<const OneShot>& place = one_shots()[number];
  if (!place) {
    Random random(number / 2);
    auto made = std::make_unique<OneShot>();
    TablePointer table = tables()[random.below(tables().size())];
    made->message = draw_message(random, table, draw_count(random));
    Random own(number + (uint64_t{1} << 32));
    made->message.symbols = draw_symbols(own, *table, made->message.indexes);
    const Message& message = made->message;
    const Part part = {table.get(),
                       {message.symbols.data(), ElementType::kInt32},
                       {message.indexes.data(), ElementType::kInt64},
                       message.count()};
    made->stream = encode_one_shot(part, draw_options(own)).bytes();
    place = std::move(made);
  }
  return *place;
}

uint32_t hash_of(std::span<const uint8_t> stream, std::span<const int32_t> symbols) {
  SegmentWalker walker{ByteReader(stream)};
  uint32_t hash = 0;
  while (!symbols.empty() && !walker.at_end()) {
    const uint32_t lanes = 1u << (walker.next().flags & kLog2LanesMask);
    const size_t size = std::min<uint64_t>(symbols.size(), walker.segment_symbols());
    for (uint32_t lane = 0; lane < lanes; ++lane) {
      uint32_t own = kHashSeed;
      for (size_t i = lane; i < size; i += lanes) own = hash_symbol(own, symbols[i]);
      hash = fold_lane_hash(hash, own);
    }
    symbols = symbols.subspan(size);
  }
  return hash;
}

std::vector<uint8_t> with_header(std::span<const uint8_t> stream, const CdfTable& table,
                                 uint32_t hash, uint64_t count) {
  std::vector<uint8_t> bytes;
  append_one_shot_header(bytes, {static_cast<uint32_t>(table.fingerprint()), hash, count});
  bytes.insert(bytes.end(), stream.begin(), stream.end());
  return bytes;
}

size_t header_bytes(std::span<const uint8_t> one_shot) {
  ByteReader reader(one_shot);
  read_one_shot_header(reader);
  return reader.position();
}

}  // namespace fastcoder::fuzz
