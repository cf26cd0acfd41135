// SPDX-License-Identifier: Apache-2.0
// Streams without a header, pulled in pieces of any size: tables, intervals, integers, parametric
// symbols; snapshots and positions on the way.
#include <algorithm>

#include "format/params.h"
#include "programs.h"
#include "simd/dispatch.h"

namespace fastcoder::fuzz {
namespace {

// All that a caller can see of a decoder.
struct Transcript {
  std::vector<int64_t> values;
  std::vector<Outcome> outcomes;
  std::vector<double> positions;
  bool whole = true;  // nothing failed, finish included
  bool operator==(const Transcript&) const = default;
};

double position_of(const Decoder& decoder) {
  double position = -1.0;
  attempt([&] { position = decoder.tell(); });
  return position;
}

// `plan` says in which pieces; a piece that fails is tried in the next step's place again.
Transcript transcribe(std::span<const uint8_t> stream, const std::vector<Step>& steps, Input plan,
                      const std::string& isa) {
  use_isa(isa);
  Transcript seen;
  const auto note = [&](Outcome outcome) {
    if (!outcome.failed) return;
    seen.whole = false;
    // Whole pulls may need memory of their own, tables of integers; an error needs none.
    seen.outcomes.push_back(std::move(outcome));
  };
  // In a damaged segment words and escape bits may overlap until its end shows that.
  const double end = 16.0 * static_cast<double>(stream.size());
  try {
    Decoder decoder(stream);
    for (const Step& step : steps) {
      const uint64_t count = step.indexes.size();
      for (uint64_t first = 0; first < count;) {
        const uint8_t how = plan.u8();
        uint64_t size = how < 128 ? count - first : 1 + how % 32;
        size = divisible(step) ? std::min(size, count - first) : count;
        const Decoder before = decoder;
        const double position = position_of(decoder);
        const size_t known = seen.values.size();
        Outcome outcome = attempt([&] { pull(decoder, step, first, size, seen.values); });
        const double after = position_of(decoder);
        if (outcome.failed) {
          REQUIRE(seen.values.size() == known);
          REQUIRE(after == position);
          note(std::move(outcome));
          break;
        }
        REQUIRE(position < 0 || after < 0 || (after >= position && after <= end));
        seen.positions.push_back(after);
        if (how % 8 == 7) {  // once more from where it stood
          std::vector<int64_t> again;
          Decoder copy = before;
          pull(copy, step, first, size, again);
          REQUIRE(std::equal(again.begin(), again.end(),
                             seen.values.begin() + static_cast<std::ptrdiff_t>(known)));
          REQUIRE(position_of(copy) == after);
          decoder = copy;
        }
        first += size;
      }
    }
    note(attempt([&] { decoder.finish(); }));
  } catch (const Error& error) {  // the first flags
    note({true, error.kind(), error.what()});
  }
  return seen;
}

FUZZ_TARGET(pulls) {
  static GuardedBytes memory(1 << 16);
  const uint16_t number = input.u16();
  const Program& one = program(number);
  const Program& other = program(number ^ 1u);
  const Isas isas = choose_isas(input);
  const uint8_t how = input.u8();
  std::vector<uint8_t> bytes = one.stream;
  if (how >= 240) {  // nothing that anybody wrote
    const uint8_t plan = input.u8();
    for (uint8_t left = plan % 128; left > 0; --left) bytes.push_back(input.u8());
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(one.stream.size()));
  } else if (how >= 16) {
    damage(input, bytes, other.stream);
  }
  // The steps of another stream, sometimes.
  const Program& steps = how % 16 == 15 ? program(number + 2u + input.u8()) : one;
  const std::span<const uint8_t> stream = memory.copy(bytes);
  const Transcript first = transcribe(stream, steps.steps, input, *isas.first);
  REQUIRE(first == transcribe(stream, steps.steps, input, *isas.second));
  if (&steps != &one) return;

  const auto expected_values = [](const Program& from) {
    std::vector<int64_t> values;
    for (const Step& step : from.steps) {
      values.insert(values.end(), step.values.begin(), step.values.end());
    }
    return values;
  };
  if (bytes == one.stream) {
    REQUIRE(first.whole);
    REQUIRE(first.values == expected_values(one));
    return;
  }
  // With the symbol hash at the end, another stream that is accepted has another hash.
  if (!first.whole || (bytes[0] & kHashFlag) == 0) return;
  for (const Program* expected : {&one, &other}) {
    if (expected->check && std::equal(bytes.end() - 4, bytes.end(), expected->stream.end() - 4)) {
      const std::vector<int64_t> values = expected_values(*expected);
      REQUIRE(
          hash_may_agree(std::span<const int64_t>(first.values), std::span<const int64_t>(values)));
      return;
    }
  }
}

}  // namespace
}  // namespace fastcoder::fuzz
