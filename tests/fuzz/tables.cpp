// SPDX-License-Identifier: Apache-2.0
// Tables from bytes, damaged or forged with the right fingerprint, and coding with what was read.
#include "base/little_endian.h"
#include "coder/decoder.h"
#include "coder/siphash.h"
#include "pool.h"
#include "simd/dispatch.h"

namespace fastcoder::fuzz {
namespace {

const std::vector<std::vector<uint8_t>>& table_bytes() {
  static const std::vector<std::vector<uint8_t>> all = [] {
    std::vector<std::vector<uint8_t>> made;
    for (const TablePointer& table : tables()) made.push_back(table->to_bytes());
    return made;
  }();
  return all;
}

void seal(std::vector<uint8_t>& bytes) {
  if (bytes.size() < 8) bytes.resize(8);
  const std::span<const uint8_t> content(bytes.data(), bytes.size() - 8);
  const uint64_t fingerprint = siphash_2_4(content);
  store_u32(bytes.data() + content.size(), static_cast<uint32_t>(fingerprint));
  store_u32(bytes.data() + content.size() + 4, static_cast<uint32_t>(fingerprint >> 32));
}

void code_with(const TablePointer& table, Input& input) {
  Random random(input.u16());
  const Message message = draw_message(random, table, 1 + input.u8() % 40);
  const Part part = {table.get(),
                     {message.symbols.data(), ElementType::kInt32},
                     {message.indexes.data(), ElementType::kInt64},
                     message.count()};
  const Isas isas = choose_isas(input);
  use_isa(*isas.first);
  const std::vector<uint8_t> stream = encode_one_shot(part, {}).bytes();
  use_isa(*isas.second);
  std::vector<int32_t> symbols(message.count());
  decode_one_shot(stream, *table, part.indexes, message.count(),
                  {symbols.data(), ElementType::kInt32}, 1);
  REQUIRE(symbols == message.symbols);
}

FUZZ_TARGET(tables) {
  static GuardedBytes memory(1 << 17);
  const uint8_t how = input.u8();
  std::vector<uint8_t> bytes;
  if (how < 160) {
    const auto& all = table_bytes();
    const uint8_t number = input.u8();
    bytes = all[number % all.size()];
    damage(input, bytes, all[(number + 1u) % all.size()]);
  } else if (how < 170) {
    const std::span<const uint8_t> rest = input.rest();
    bytes.assign(rest.begin(), rest.end());
  } else {  // a head that is right, then anything
    bytes = {'F', 'C', 'T', 1, static_cast<uint8_t>(how % 18), static_cast<uint8_t>(how % 2)};
    for (uint8_t left = input.u8() % 64; left > 0; --left) bytes.push_back(input.u8());
    bytes.insert(bytes.end(), 8, uint8_t{0});
  }
  if (how % 8 != 0) seal(bytes);

  const std::span<const uint8_t> data = memory.copy(bytes);
  TablePointer table;
  reset_allocated();
  const Outcome outcome = attempt([&] { table = CdfTable::from_bytes(data); });
  REQUIRE(allocated() <= 4096 + 100 * bytes.size());
  if (outcome.failed) {
    REQUIRE(outcome.kind == ErrorKind::kTable);
    return;
  }
  REQUIRE(table->to_bytes() == bytes);
  if (input.one_in(64)) code_with(table, input);  // its view for coding takes a while
}

}  // namespace
}  // namespace fastcoder::fuzz
