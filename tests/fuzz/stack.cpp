// SPDX-License-Identifier: Apache-2.0
// Stacks of any content: what was popped and is pushed back leaves the bytes as they were.
#include "coder/stack.h"

#include <algorithm>

#include "programs.h"

namespace fastcoder::fuzz {
namespace {

std::vector<PackedInterval> pack(const Step& step, const std::vector<int64_t>& values) {
  const std::vector<uint64_t> integers(values.begin(), values.end());
  return step.code->pack(integers);
}

FUZZ_TARGET(stack) {
  static GuardedBytes memory(1 << 12);
  const uint8_t how = input.u8();
  Random random(input.u16());
  std::vector<uint8_t> bytes;
  for (uint8_t left = input.u8() % 64; left > 0; --left) {
    bytes.push_back(how % 2 == 0 ? static_cast<uint8_t>(random()) : input.u8());
  }
  const std::span<const uint8_t> content = memory.copy(bytes);
  Stack stack({});
  if (how % 4 < 2) {
    stack = Stack(content);
    REQUIRE(stack.initial() == bytes);
  } else {
    const Outcome outcome = attempt([&] { stack = Stack::from_bytes(content); });
    if (outcome.failed) {
      REQUIRE(outcome.blames_stream());
      return;
    }
    REQUIRE(stack.to_bytes() == bytes);
  }
  struct Popped {
    const Step* step;
    std::vector<int64_t> values;
    std::vector<uint8_t> before;
  };
  std::vector<Popped> popped;
  for (uint8_t left = input.u8() % 6; left > 0; --left) {
    const Program& from = program(input.u16());
    const Step& step = from.steps[input.u8() % from.steps.size()];
    const uint64_t count = std::min<uint64_t>(input.u8() % 16, step.indexes.size());
    const std::vector<uint8_t> before = stack.to_bytes();
    const double bits = stack.bits();
    const IndexSpan indexes = {step.indexes.data(), ElementType::kInt64};
    std::vector<int64_t> values(count);
    const MutableSymbolSpan symbols = {values.data(), ElementType::kInt64};
    const Outcome outcome = attempt([&] {
      switch (step.kind) {
        case Step::Kind::kTable:
          return stack.pop(*step.table, indexes, count, symbols);
        case Step::Kind::kLargeTable:
          return stack.pop(*step.large, indexes, count, symbols);
        case Step::Kind::kInteger: {
          std::vector<uint64_t> integers(count);
          step.code->pop(stack, integers);
          return values.assign(integers.begin(), integers.end());
        }
        default:
          return values.clear();
      }
    });
    if (outcome.failed) {
      REQUIRE(outcome.blames_stream());
      REQUIRE(stack.to_bytes() == before);
      REQUIRE(stack.bits() == bits);
    } else if (!values.empty()) {
      REQUIRE(stack.bits() <= bits);
      popped.push_back({&step, values, before});
    }
  }
  for (; !popped.empty(); popped.pop_back()) {
    const auto& [step, values, before] = popped.back();
    const IndexSpan indexes = {step->indexes.data(), ElementType::kInt64};
    const SymbolSpan symbols = {values.data(), ElementType::kInt64};
    if (step->kind == Step::Kind::kTable) {
      stack.push({step->table.get(), symbols, indexes, values.size()});
    } else if (step->kind == Step::Kind::kLargeTable) {
      stack.push(pack_symbols(*step->large, symbols, indexes, values.size()));
    } else {
      stack.push(pack(*step, values));
    }
    REQUIRE(stack.to_bytes() == before);
  }
}

}  // namespace
}  // namespace fastcoder::fuzz
