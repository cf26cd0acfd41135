// SPDX-License-Identifier: Apache-2.0
// Large tables from bytes: damaged ones, and intervals that form no table.
#include "coder/decoder.h"
#include "coder/large_table.h"
#include "programs.h"

namespace fastcoder::fuzz {
namespace {

const std::vector<std::vector<uint8_t>>& table_bytes() {
  static const std::vector<std::vector<uint8_t>> all = [] {
    std::vector<std::vector<uint8_t>> made;
    for (const auto& table : large_tables()) made.push_back(large_table_to_bytes(*table));
    return made;
  }();
  return all;
}

// A table as a stream of its own: by default one without a hash, so that damage goes deep.
std::vector<uint8_t> stream_of(const LargeTable& table, uint8_t how) {
  Encoder encoder;
  encoder.push_intervals(pack_table(table));
  EncodeOptions options;
  options.lanes = 1u << how % 6;
  return encoder.finish(options).bytes();
}

// Intervals of an integer code where the numbers of a table should be.
std::vector<uint8_t> noise(Input& input) {
  Encoder encoder;
  std::vector<PackedInterval> intervals;
  const auto push = [&](PackedInterval interval) { intervals.push_back(interval); };
  bits_to_intervals(input.u8() % 32, 5, push);
  for (uint8_t left = input.u8() % 100; left > 0; --left) {
    const uint8_t size = input.u8();
    exp_golomb_to_intervals(size < 200 ? size % 8 : input.u64() >> size % 64, size % 4, push);
  }
  encoder.push_intervals(std::move(intervals));
  return encoder.finish({}).bytes();
}

FUZZ_TARGET(large_tables) {
  static GuardedBytes memory(1 << 16);
  const uint8_t how = input.u8();
  const auto& all = table_bytes();
  const size_t number = input.u8() % all.size();
  std::shared_ptr<const LargeTable> table;
  if (how < 64) {
    std::vector<uint8_t> bytes = all[number];
    damage(input, bytes, all[(number + 1) % all.size()]);
    const std::span<const uint8_t> data = memory.copy(bytes);
    reset_allocated();
    const Outcome outcome = attempt([&] { table = large_table_from_bytes(data); });
    REQUIRE(allocated() <= (1 << 16) + 2048 * bytes.size());
    if (outcome.failed) {
      REQUIRE(outcome.kind == ErrorKind::kTable);
      REQUIRE(bytes != all[number]);
    } else {
      REQUIRE(large_table_to_bytes(*table) == bytes);
    }
    return;
  }
  static std::vector<std::vector<uint8_t>> streams(6 * large_tables().size());
  std::vector<uint8_t>& made = streams[6 * number + how % 6];
  if (made.empty()) made = stream_of(*large_tables()[number], how);
  std::vector<uint8_t> bytes = how < 160 ? made : noise(input);
  damage(input, bytes, all[number]);
  const std::span<const uint8_t> data = memory.copy(bytes);
  reset_allocated();
  const Outcome outcome = attempt([&] {
    Decoder decoder(data);
    table = pull_table(decoder);
  });
  REQUIRE(allocated() <= (1 << 16) + 2048 * bytes.size());
  if (outcome.failed) return;
  const std::vector<uint8_t> canonical = large_table_to_bytes(*table);
  REQUIRE(large_table_to_bytes(*large_table_from_bytes(canonical)) == canonical);
}

}  // namespace
}  // namespace fastcoder::fuzz
