// SPDX-License-Identifier: Apache-2.0
// Messages of torchac: accepted if and only if they are what the encoder writes for the symbols.
#include <algorithm>
#include <bit>

#include "compat/binary_decoder.h"
#include "compat/binary_encoder.h"
#include "pool.h"
#include "simd/dispatch.h"

namespace fastcoder::fuzz {
namespace {

struct Case {
  std::vector<int16_t> integers;
  std::vector<float> floats;
  std::vector<double> doubles;
  BinaryRows rows;
  std::vector<int16_t> symbols;
  std::vector<uint8_t> bytes;
};

const Case& pool(uint64_t number) {
  static std::vector<std::unique_ptr<const Case>> all(512);
  std::unique_ptr<const Case>& place = all[number % all.size()];
  if (place) return *place;
  Random random(number / 2 + 90);
  auto made = std::make_unique<Case>();
  const uint64_t count = random.below(8) == 0 ? 200 + random.below(200) : random.below(40);
  const uint64_t length = 2 + random.below(random.below(4) == 0 ? 100 : 8);
  const bool one_row = random.below(4) == 0;
  for (uint64_t row = 0; row < (one_row ? 1 : count); ++row) {
    std::vector<double> cdf(length);
    for (double& value : cdf) value = static_cast<double>(random.below(65537)) * 0x1p-16;
    cdf.front() = 0.0;
    cdf.back() = 1.0;
    std::sort(cdf.begin(), cdf.end());
    for (uint64_t k = 0; k < length; ++k) {
      made->doubles.push_back(cdf[k]);
      made->floats.push_back(static_cast<float>(cdf[k]));
      made->integers.push_back(static_cast<int16_t>(
          std::min(65536 - static_cast<int64_t>(length - 1 - k),
                   static_cast<int64_t>(cdf[k] * (65537.0 - static_cast<double>(length))) +
                       static_cast<int64_t>(k))));
    }
  }
  made->rows.count = count;
  made->rows.length = length;
  made->rows.stride = one_row ? 0 : length;
  made->rows.element = static_cast<BinaryElement>(random.below(3));
  made->rows.data = made->rows.element == BinaryElement::kInt16 ? made->integers.data()
                    : made->rows.element == BinaryElement::kFloat32
                        ? static_cast<const void*>(made->floats.data())
                        : made->doubles.data();
  Random own(number + 11);
  for (uint64_t i = 0; i < count; ++i) {
    made->symbols.push_back(static_cast<int16_t>(own.below(length - 1)));
  }
  made->bytes = encode_binary(made->rows, made->symbols.data());
  place = std::move(made);
  return *place;
}

void decode_damaged(Input& input) {
  static GuardedBytes memory(1 << 15);
  static GuardedBytes symbol_memory(1 << 12);
  const uint16_t number = input.u16();
  const Case& one = pool(number);
  std::vector<uint8_t> bytes = one.bytes;
  const Isas isas = choose_isas(input);
  if (input.u8() >= 16) damage(input, bytes, pool(number ^ 1u).bytes);
  const std::span<const uint8_t> message = memory.copy(bytes);
  int16_t* symbols = reinterpret_cast<int16_t*>(symbol_memory.room(2 * one.rows.count));
  use_isa(*isas.first);
  const Outcome outcome = attempt([&] { decode_binary(one.rows, message, symbols); });
  use_isa(*isas.second);
  std::vector<int16_t> again(one.rows.count);
  REQUIRE(attempt([&] { decode_binary(one.rows, message, again.data()); }) == outcome);
  REQUIRE(outcome.failed || std::equal(again.begin(), again.end(), symbols));
  if (outcome.failed) {
    REQUIRE(outcome.blames_stream());
    REQUIRE(bytes != one.bytes);
    return;
  }
  if (bytes == one.bytes) {
    REQUIRE(std::equal(one.symbols.begin(), one.symbols.end(), symbols));
  }
  REQUIRE(encode_binary(one.rows, symbols) == bytes);
}

template <class Element>
bool never_decreases(const std::vector<Element>& entries, const BinaryRows& rows) {
  for (uint64_t i = 0; i < rows.count; ++i) {
    const Element* row = entries.data() + i * rows.stride;
    for (uint64_t k = 1; k < rows.slots(); ++k) {
      if (static_cast<uint16_t>(row[k]) < static_cast<uint16_t>(row[k - 1])) return false;
    }
  }
  return true;
}

// Rows of any numbers: refused, or good for coding.
template <class Element>
void code_with_any_rows(Input& input, BinaryElement type) {
  BinaryRows rows;
  rows.element = type;
  rows.count = input.u8() % 6;
  rows.length = input.u8() % 6;
  rows.stride = input.u8() % 2 == 0 ? 0 : rows.length;
  rows.normalize = input.u8() % 2 == 0;
  rows.check = input.u8() % 4 != 0;
  std::vector<Element> entries(std::max<uint64_t>(1, rows.count * rows.length + rows.length));
  for (Element& entry : entries) {
    if constexpr (sizeof(Element) == 2) {
      entry = static_cast<int16_t>(input.u16());
    } else {
      const uint8_t how = input.u8();
      entry = how < 200   ? static_cast<Element>(input.u16()) / static_cast<Element>(65535)
              : how < 228 ? static_cast<Element>(std::bit_cast<float>(input.u32()))
                          : static_cast<Element>(std::bit_cast<double>(input.u64()));
    }
  }
  if (input.u8() % 4 != 0)
    std::sort(entries.begin(), entries.end(), [](Element a, Element b) {
      return std::bit_cast<
                 std::conditional_t<sizeof(Element) == 2, int16_t,
                                    std::conditional_t<sizeof(Element) == 4, int32_t, int64_t>>>(
                 a) <
             std::bit_cast<
                 std::conditional_t<sizeof(Element) == 2, int16_t,
                                    std::conditional_t<sizeof(Element) == 4, int32_t, int64_t>>>(b);
    });
  rows.data = entries.data();
  int16_t symbols[8];
  for (int16_t& symbol : symbols) symbol = static_cast<int16_t>(input.u8() % 8);
  const Outcome outcome = attempt([&] {
    const std::vector<uint8_t> bytes = encode_binary(rows, symbols);
    int16_t decoded[8] = {};
    decode_binary(rows, bytes, decoded);
    // Slots of rows that decrease overlap; which of them is meant, nobody can know. Floats are
    // looked at only if that is asked for.
    if (sizeof(Element) == 2 ? !never_decreases(entries, rows) : !rows.check) return;
    REQUIRE(std::equal(symbols, symbols + rows.count, decoded));
  });
  if (!outcome.failed) return;
  std::vector<uint8_t> noise;
  for (uint8_t left = input.u8() % 16; left > 0; --left) noise.push_back(input.u8());
  attempt([&] { decode_binary(rows, noise, symbols); });
}

FUZZ_TARGET(torchac) {
  const uint8_t what = input.u8();
  if (what < 180) return decode_damaged(input);
  if (what < 200) return code_with_any_rows<int16_t>(input, BinaryElement::kInt16);
  if (what < 230) return code_with_any_rows<float>(input, BinaryElement::kFloat32);
  code_with_any_rows<double>(input, BinaryElement::kFloat64);
}

}  // namespace
}  // namespace fastcoder::fuzz
