// SPDX-License-Identifier: Apache-2.0
// Pulls, ranges and positions without Python, so that the sanitizers see them: every size of pull
// at every place, pulls that fail, and hostile bytes.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "coder/cdf_table.h"
#include "coder/decode_range.h"
#include "coder/decoder.h"
#include "coder/distributions.h"
#include "coder/encoder.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

using TablePointer = std::shared_ptr<const CdfTable>;

struct Message {
  TablePointer table;
  std::vector<uint8_t> indexes;
  std::vector<int32_t> symbols;

  IndexSpan indexes_from(uint64_t first) const {
    return {indexes.data() + first, ElementType::kUint8};
  }
};

// Gaussian rows; one symbol in 50 is an escape.
Message draw(uint64_t count, int precision, uint64_t seed) {
  const std::vector<double> scales = {0.2, 1.0, 5.0, 25.0};
  Message message{gaussian_table(scales, precision, 0x1p-12), {}, {}};
  std::mt19937_64 random(seed);
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t row = static_cast<uint32_t>(random() % scales.size());
    std::normal_distribution<double> normal(0.0, scales[row]);
    message.indexes.push_back(static_cast<uint8_t>(row));
    const bool outlier = random() % 50 == 0;
    message.symbols.push_back(outlier ? static_cast<int32_t>(random() % 4000) - 2000
                                      : static_cast<int32_t>(normal(random)));
  }
  return message;
}

std::vector<uint8_t> stream_of(const Message& message, uint32_t lanes, uint64_t segment) {
  Encoder encoder;
  encoder.push(message.table, {message.symbols.data(), ElementType::kInt32},
               message.indexes_from(0), message.symbols.size());
  return encoder.finish({lanes, segment, 1, true}).bytes();
}

template <class Run>
void on_every_isa(Run&& run) {
  const std::string former = active_kernels().name;
  for (const std::string& isa : available_isas()) {
    use_isa(isa);
    run();
  }
  use_isa(former);
}

void pull_in_random_pieces(const Message& message, const std::vector<uint8_t>& stream,
                           std::mt19937_64& random) {
  const uint64_t count = message.symbols.size();
  std::vector<int32_t> out(count);
  std::vector<int8_t> narrow(count);
  Decoder decoder(stream);
  double used = decoder.tell();
  for (uint64_t first = 0; first < count;) {
    const uint64_t size = std::min<uint64_t>(random() % 90, count - first);
    const Decoder before = decoder;
    // A type that is too narrow fails in the middle of a pull: nothing may have changed.
    try {
      decoder.pull(*message.table, message.indexes_from(first), size,
                   {narrow.data() + first, ElementType::kInt8});
      decoder = before;
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kSymbolRange);
    }
    CHECK_EQ(decoder.tell(), used);
    decoder.pull(*message.table, message.indexes_from(first), size,
                 {out.data() + first, ElementType::kInt32});
    CHECK(decoder.tell() >= used);
    used = decoder.tell();
    first += size;
  }
  CHECK(out == message.symbols);
  CHECK(used <= 8.0 * static_cast<double>(stream.size() - 4));
  CHECK(used > 8.0 * static_cast<double>(stream.size() - 5));
  decoder.finish();
}

TEST(pulls_of_any_size_give_the_symbols_and_failing_ones_change_nothing) {
  std::mt19937_64 random(1);
  on_every_isa([&] {
    for (const int precision : {12, 16}) {
      const Message message = draw(1500, precision, random());
      for (uint32_t lanes = 1; lanes <= 32; lanes *= 2) {
        for (const uint64_t segment : {uint64_t{16}, uint64_t{256}, uint64_t{2048}}) {
          pull_in_random_pieces(message, stream_of(message, lanes, segment), random);
        }
      }
    }
  });
}

TEST(every_size_of_pull_at_every_lane_gives_the_symbols) {
  const Message message = draw(140, 14, 2);
  on_every_isa([&] {
    for (uint32_t lanes = 1; lanes <= 32; lanes *= 2) {
      const std::vector<uint8_t> stream = stream_of(message, lanes, 0);
      for (uint64_t first = 0; first < lanes; ++first) {
        for (uint64_t size = 0; size <= 70; ++size) {
          std::vector<int32_t> out(first + size);
          Decoder decoder(stream);
          decoder.pull(*message.table, message.indexes_from(0), first,
                       {out.data(), ElementType::kInt32});
          decoder.pull(*message.table, message.indexes_from(first), size,
                       {out.data() + first, ElementType::kInt32});
          CHECK(std::equal(out.begin(), out.end(), message.symbols.begin()));
        }
      }
    }
  });
}

TEST(ranges_are_parts_of_the_message) {
  const Message message = draw(700, 14, 3);
  const Part part = {message.table.get(),
                     {message.symbols.data(), ElementType::kInt32},
                     message.indexes_from(0),
                     message.symbols.size()};
  const std::vector<uint8_t> stream = encode_one_shot(part, {4, 64, 1, false}).bytes();
  CHECK_EQ(symbols_claimed(stream, *message.table), uint64_t{700});
  std::mt19937_64 random(4);
  for (int i = 0; i < 300; ++i) {
    const uint64_t first = random() % 701;
    const uint64_t count = random() % (701 - first);
    std::vector<int32_t> out(count);
    decode_range(stream, *message.table, message.indexes_from(0), {first, count, true},
                 {out.data(), ElementType::kInt32});
    CHECK(
        std::equal(out.begin(), out.end(), message.symbols.begin() + static_cast<int64_t>(first)));
    const uint64_t begin = first / 64 * 64;
    decode_range(stream, *message.table, message.indexes_from(begin), {begin, count, false},
                 {out.data(), ElementType::kInt32});
    CHECK(
        std::equal(out.begin(), out.end(), message.symbols.begin() + static_cast<int64_t>(begin)));
  }
  std::vector<int32_t> out(8);
  CHECK_ERROR(ErrorKind::kValue, "first = 37, expected 0",
              decode_range(stream, *message.table, message.indexes_from(37), {37, 8, false},
                           {out.data(), ElementType::kInt32}));
  CHECK_ERROR(ErrorKind::kValue, "first + count = 693 + 8, expected at most the 700",
              decode_range(stream, *message.table, message.indexes_from(0), {693, 8, true},
                           {out.data(), ElementType::kInt32}));
}

TEST(hostile_bytes_give_symbols_or_errors) {
  std::mt19937_64 random(5);
  const Message message = draw(300, 14, 6);
  const Part part = {message.table.get(),
                     {message.symbols.data(), ElementType::kInt32},
                     message.indexes_from(0),
                     message.symbols.size()};
  std::vector<int32_t> out(300);
  on_every_isa([&] {
    for (int i = 0; i < 3000; ++i) {
      const uint32_t lanes = 1u << random() % 6;
      const bool one_shot = i % 2 == 0;
      std::vector<uint8_t> stream = one_shot ? encode_one_shot(part, {lanes, 64, 1, false}).bytes()
                                             : stream_of(message, lanes, 64);
      for (uint64_t flips = 1 + random() % 3; flips > 0; --flips) {
        stream[random() % stream.size()] ^= static_cast<uint8_t>(1u << random() % 8);
      }
      if (random() % 4 == 0) stream.resize(random() % stream.size());
      // Exactly as long as it is: a read behind it is a sanitizer's to find.
      const std::vector<uint8_t> bytes(stream.begin(), stream.end());
      try {
        if (one_shot) {
          const uint64_t first = random() % 300;
          decode_range(bytes, *message.table, message.indexes_from(0),
                       {first, random() % (301 - first), true}, {out.data(), ElementType::kInt32});
        } else {
          Decoder decoder(bytes);
          for (uint64_t first = 0; first < 300;) {
            const uint64_t size = std::min<uint64_t>(1 + random() % 60, 300 - first);
            decoder.pull(*message.table, message.indexes_from(first), size,
                         {out.data() + first, ElementType::kInt32});
            (void)decoder.tell();
            first += size;
          }
          decoder.finish();
        }
      } catch (const Error&) {
        continue;
      }
    }
  });
}

}  // namespace
}  // namespace fastcoder
