// SPDX-License-Identifier: Apache-2.0
// Messages of torchac where sanitizers and other processors look: the bytes of a coder that goes
// bit by bit, round trips of rows of every kind of search, hostile rows and bytes.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "compat/binary_decoder.h"
#include "compat/binary_encoder.h"

namespace fastcoder {
namespace {

using Random = std::mt19937_64;
using Bytes = std::vector<uint8_t>;

uint32_t below(Random& random, uint64_t limit) { return static_cast<uint32_t>(random() % limit); }

// As it was published: one doubling after the other, and pending bits are counted.
class BitByBit {
 public:
  void push(uint32_t start, uint32_t end) {
    const uint64_t span = uint64_t{high_} - low_ + 1;
    high_ = static_cast<uint32_t>(low_ + (span * end >> 16) - 1);
    low_ = static_cast<uint32_t>(low_ + (span * start >> 16));
    for (;;) {
      if (high_ < kHalf || low_ >= kHalf) {
        give(low_ >= kHalf);
        low_ <<= 1;
        high_ = high_ << 1 | 1;
      } else if (low_ >= kQuarter && high_ < 3 * kQuarter) {
        ++pending_;
        low_ = low_ << 1 & (kHalf - 1);
        high_ = high_ << 1 | kHalf | 1;
      } else {
        return;
      }
    }
  }

  Bytes finish() {
    ++pending_;
    give(low_ >= kQuarter);
    Bytes bytes((bits_.size() + 7) / 8);
    for (size_t i = 0; i < bits_.size(); ++i) {
      bytes[i / 8] = static_cast<uint8_t>(bytes[i / 8] | bits_[i] << (7 - i % 8));
    }
    return bytes;
  }

 private:
  static constexpr uint32_t kHalf = uint32_t{1} << 31;
  static constexpr uint32_t kQuarter = uint32_t{1} << 30;

  void give(bool bit) {
    bits_.push_back(bit);
    for (; pending_ > 0; --pending_) bits_.push_back(!bit);
  }

  uint32_t low_ = 0;
  uint32_t high_ = ~uint32_t{0};
  uint64_t pending_ = 0;
  std::vector<uint8_t> bits_;
};

struct Message {
  std::vector<uint16_t> entries;  // no entry more than there are, so that a read behind is seen
  std::vector<int16_t> symbols;
  BinaryRows rows;

  Message(uint64_t count, uint64_t length) : entries(count * length), symbols(count) {
    rows.data = entries.data();
    rows.count = count;
    rows.length = length;
    rows.stride = length;
  }
  uint32_t end(uint64_t i, uint32_t slot) const {
    return slot + 2 == rows.length ? 65536 : entries[i * rows.length + slot + 1];
  }
};

// Rows that do not decrease, and a symbol of each that has room: any, or the likeliest.
Message random_message(Random& random, uint64_t count, uint64_t length) {
  Message message(count, length);
  const uint32_t most = below(random, 2) == 0 ? 65536 : 200;
  const bool likely = below(random, 2) == 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t* row = message.entries.data() + i * length;
    for (uint64_t k = 1; k + 1 < length; ++k) row[k] = static_cast<uint16_t>(below(random, most));
    std::sort(row, row + length - 1);
    row[0] = 0;
    uint32_t widest = 0;
    for (uint32_t k = 0; k < length - 1; ++k) {
      const uint32_t width = message.end(i, k) - row[k];
      if (width == 0 || (!likely && widest != 0 && below(random, 4) != 0)) continue;
      if (likely && width < widest) continue;
      widest = width;
      message.symbols[i] = static_cast<int16_t>(k);
    }
  }
  return message;
}

constexpr uint64_t kLengths[] = {2, 3, 9, 16, 17, 18, 33, 34, 65, 66, 130, 257, 300, 1000};

TEST(bytes_are_those_of_a_coder_that_goes_bit_by_bit) {
  Random random(1);
  for (const uint64_t length : kLengths) {
    for (const uint64_t count : {0u, 1u, 2u, 33u, 64u, 65u, 500u}) {
      const Message message = random_message(random, count, length);
      BitByBit reference;
      for (uint64_t i = 0; i < count; ++i) {
        const uint32_t slot = static_cast<uint32_t>(message.symbols[i]);
        reference.push(message.entries[i * length + slot], message.end(i, slot));
      }
      const Bytes bytes = encode_binary(message.rows, message.symbols.data());
      CHECK(bytes == reference.finish());
      std::vector<int16_t> decoded(count);
      decode_binary(message.rows, bytes, decoded.data());
      CHECK(decoded == message.symbols);
    }
  }
}

// Accepted bytes are those of what they decode to.
void decode_hostile(const BinaryRows& rows, const Bytes& bytes) {
  std::vector<int16_t> decoded(rows.count);
  try {
    decode_binary(rows, bytes, decoded.data());
  } catch (const Error&) {
    return;
  }
  CHECK(encode_binary(rows, decoded.data()) == bytes);
}

TEST(damage_is_an_error_or_another_message) {
  Random random(2);
  for (const uint64_t length : kLengths) {
    const Message message = random_message(random, 100, length);
    const Bytes bytes = encode_binary(message.rows, message.symbols.data());
    for (size_t size = 0; size < bytes.size(); ++size) {
      decode_hostile(message.rows,
                     Bytes(bytes.begin(), bytes.begin() + static_cast<int64_t>(size)));
    }
    for (int round = 0; round < 100; ++round) {
      Bytes damaged = bytes;
      damaged[below(random, damaged.size())] ^= static_cast<uint8_t>(1u << below(random, 8));
      decode_hostile(message.rows, damaged);
      Bytes other(below(random, 60));
      for (uint8_t& byte : other) byte = static_cast<uint8_t>(random());
      decode_hostile(message.rows, other);
    }
  }
}

TEST(hostile_rows_are_errors_or_symbols) {
  Random random(3);
  for (const uint64_t length : kLengths) {
    for (int round = 0; round < 40; ++round) {
      Message message(1 + below(random, 70), length);
      const uint32_t kind = below(random, 3);
      for (uint16_t& entry : message.entries) {
        entry = kind == 0 ? static_cast<uint16_t>(random()) : kind == 1 ? 0 : 65535;
      }
      for (int16_t& symbol : message.symbols) symbol = static_cast<int16_t>(random());
      Bytes bytes(below(random, 100));
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
      try {
        encode_binary(message.rows, message.symbols.data());
      } catch (const Error&) {
      }
      std::vector<int16_t> decoded(message.rows.count);
      try {
        decode_binary(message.rows, bytes, decoded.data());
        for (const int16_t symbol : decoded) CHECK(symbol >= 0 && symbol < int64_t(length) - 1);
      } catch (const Error&) {
      }
    }
  }
}

// Any bits of a float, unchecked: whatever they are, the row is one of integers.
TEST(floats_of_any_bits_are_rows) {
  Random random(4);
  for (int round = 0; round < 200; ++round) {
    const uint64_t length = kLengths[below(random, std::size(kLengths))];
    std::vector<float> floats(20 * length);
    for (float& x : floats) x = std::bit_cast<float>(static_cast<uint32_t>(random()));
    BinaryRows rows;
    rows.data = floats.data();
    rows.element = BinaryElement::kFloat32;
    rows.count = 20;
    rows.length = rows.stride = length;
    rows.check = false;
    Bytes bytes(below(random, 60));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    std::vector<int16_t> symbols(20);
    try {
      decode_binary(rows, bytes, symbols.data());
    } catch (const Error&) {
    }
    try {
      encode_binary(rows, symbols.data());
    } catch (const Error&) {
    }
    rows.check = true;
    CHECK_ERROR(ErrorKind::kTable, "cdf_float[", encode_binary(rows, symbols.data()));
  }
}

}  // namespace
}  // namespace fastcoder
