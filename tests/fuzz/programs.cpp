// SPDX-License-Identifier: Apache-2.0
#include "programs.h"

#include <algorithm>
#include <array>

namespace fastcoder::fuzz {
namespace {

std::shared_ptr<const ParametricModel> draw_model(Random& random, uint64_t count) {
  std::vector<Component> components;
  const uint64_t size = random.below(3) == 0 ? 2 : 1;
  for (uint64_t i = 0; i < size; ++i) {
    std::vector<int32_t> means;
    std::vector<uint16_t> scales;
    for (uint64_t k = 0; k < count; ++k) {
      means.push_back(static_cast<int32_t>(random.below(40000)) - 20000);
      scales.push_back(static_cast<uint16_t>(random.below(kMostFixedScale + 1)));
    }
    Component component;
    component.family = static_cast<Family>(random.below(kFamilies));
    component.means = copy_means(means);
    component.scales = copy_scales(scales);
    components.push_back(component);
  }
  if (size == 2) {
    const double left = static_cast<double>(random.below(65537)) / 65536.0;
    const std::array<double, 2> weights = {left, 1.0 - left};
    const std::array<std::span<const double>, 2> spans = {std::span(&weights[0], 1),
                                                          std::span(&weights[1], 1)};
    const std::vector<FixedWeights> fixed = fix_weights(spans, 1);
    for (size_t i = 0; i < 2; ++i) components[i].weights = fixed[i];
  }
  const int64_t low = -static_cast<int64_t>(random.below(300));
  const int64_t high = low + static_cast<int64_t>(1 + random.below(2000));
  return std::make_shared<const ParametricModel>(low, high, std::move(components));
}

std::shared_ptr<const IntegerCode> draw_code(Random& random) {
  static const std::vector<std::shared_ptr<const IntegerCode>> all = [] {
    std::vector<std::shared_ptr<const IntegerCode>> made;
    for (const int width : {1, 7, 16, 17, 33, 64}) {
      made.push_back(std::make_shared<const IntegerCode>(IntegerCode::bits(width)));
    }
    for (const int k : {0, 3, 40, 63}) {
      made.push_back(std::make_shared<const IntegerCode>(IntegerCode::exp_golomb(k)));
    }
    made.push_back(std::make_shared<const IntegerCode>(IntegerCode::elias_gamma()));
    made.push_back(std::make_shared<const IntegerCode>(IntegerCode::zipf(1.1, 1000)));
    made.push_back(std::make_shared<const IntegerCode>(IntegerCode::zipf(0.0, UINT64_MAX)));
    return made;
  }();
  return all[random.below(all.size())];
}

Step draw_step(Random& random, Step::Kind kind, bool narrow) {
  Step step;
  step.kind = kind;
  const uint64_t count = random.below(20) == 0 ? 60 + random.below(200) : random.below(40);
  switch (kind) {
    case Step::Kind::kTable:
      do {
        step.table = tables()[random.below(tables().size())];
      } while (narrow && step.table->precision() > 14);
      for (uint64_t i = 0; i < count; ++i) {
        step.indexes.push_back(static_cast<int64_t>(random.below(step.table->rows())));
      }
      break;
    case Step::Kind::kLargeTable:
      step.large = large_tables()[random.below(large_tables().size())];
      for (uint64_t i = 0; i < count; ++i) {
        step.indexes.push_back(static_cast<int64_t>(random.below(step.large->rows())));
      }
      break;
    case Step::Kind::kParametric:
      step.model = draw_model(random, random.below(2) == 0 ? 1 : count + (count == 0));
      step.indexes.resize(count);
      break;
    case Step::Kind::kIntervals:
      step.precision = static_cast<uint32_t>(1 + random.below(24));
      step.log2_width = static_cast<uint32_t>(random.below(step.precision + 1));
      step.indexes.resize(count);
      break;
    case Step::Kind::kInteger:
      step.code = draw_code(random);
      step.indexes.resize(count);
      break;
  }
  return step;
}

void draw_values(Random& random, Step& step) {
  step.values.clear();
  if (step.kind == Step::Kind::kTable) {
    const std::vector<int32_t> symbols = draw_symbols(random, *step.table, step.indexes);
    step.values.assign(symbols.begin(), symbols.end());
    return;
  }
  for (const int64_t index : step.indexes) {
    switch (step.kind) {
      case Step::Kind::kLargeTable: {
        const size_t row = static_cast<size_t>(index);
        step.values.push_back(step.large->offset(row) +
                              static_cast<int64_t>(random.below(step.large->slots(row))));
        break;
      }
      case Step::Kind::kParametric: {
        const uint64_t symbols = static_cast<uint64_t>(step.model->high() - step.model->low()) + 1;
        step.values.push_back(step.model->low() + static_cast<int64_t>(random.below(symbols)));
        break;
      }
      case Step::Kind::kIntervals:
        step.values.push_back(
            static_cast<int64_t>(random.below(uint64_t{1} << (step.precision - step.log2_width))));
        break;
      default:
        step.values.push_back(static_cast<int64_t>(draw_integer(random, *step.code)));
    }
  }
}

void push(Encoder& encoder, const Step& step) {
  const uint64_t count = step.values.size();
  const SymbolSpan symbols = {step.values.data(), ElementType::kInt64};
  const IndexSpan indexes = {step.indexes.data(), ElementType::kInt64};
  switch (step.kind) {
    case Step::Kind::kTable:
      return encoder.push(step.table, symbols, indexes, count);
    case Step::Kind::kLargeTable:
      return encoder.push_intervals(pack_symbols(*step.large, symbols, indexes, count));
    case Step::Kind::kParametric:
      return encoder.push_parametric(step.model, symbols, count);
    case Step::Kind::kIntervals: {
      std::vector<PackedInterval> intervals;
      for (const int64_t value : step.values) {
        intervals.push_back(pack_interval(static_cast<uint32_t>(value) << step.log2_width,
                                          1u << step.log2_width, step.precision));
      }
      return encoder.push_intervals(std::move(intervals));
    }
    case Step::Kind::kInteger:
      return encoder.push_intervals(
          step.code->pack(std::vector<uint64_t>(step.values.begin(), step.values.end())));
  }
}

}  // namespace

uint64_t draw_integer(Random& random, const IntegerCode& code) {
  const uint64_t span = code.highest() - code.lowest();
  const uint64_t value = random() >> random.below(64);
  return code.lowest() + (span == UINT64_MAX ? value : value % (span + 1));
}

std::vector<std::shared_ptr<const LargeTable>>& large_tables() {
  static std::vector<std::shared_ptr<const LargeTable>> all = [] {
    std::vector<std::shared_ptr<const LargeTable>> made;
    Random random(3);
    for (const int precision : {16, 24, 1, 8, 20}) {
      std::vector<double> weights;
      std::vector<uint32_t> slots;
      std::vector<int32_t> offsets;
      for (uint64_t rows = 1 + random.below(3); rows > 0; --rows) {
        const uint64_t size = 1 + random.below(std::min<uint64_t>(uint64_t{1} << precision, 300));
        for (uint64_t i = 0; i < size; ++i) {
          weights.push_back(static_cast<double>(random.below(1000)));
        }
        weights.back() += 1.0;
        slots.push_back(static_cast<uint32_t>(size));
        offsets.push_back(static_cast<int32_t>(random.below(100)) - 50);
      }
      made.push_back(LargeTable::from_pmf(weights, slots, offsets, precision));
    }
    return made;
  }();
  return all;
}

const Program& program(uint64_t number) {
  static std::vector<std::unique_ptr<const Program>> all(kPrograms);
  number %= kPrograms;
  std::unique_ptr<const Program>& place = all[number];
  if (place) return *place;
  Random random(number / 2 + 1000);
  Random own(number + 5000);
  auto made = std::make_unique<Program>();
  const bool only_tables = random.below(2) == 0;
  const bool narrow = random.below(2) == 0;
  for (uint64_t left = 1 + random.below(6); left > 0; --left) {
    const Step::Kind kind =
        only_tables ? Step::Kind::kTable : static_cast<Step::Kind>(random.below(5));
    made->steps.push_back(draw_step(random, kind, narrow));
  }
  EncodeOptions options = draw_options(own);
  made->check = options.check = own.below(2) == 0;
  Encoder encoder;
  for (Step& step : made->steps) {
    draw_values(own, step);
    push(encoder, step);
  }
  made->stream = encoder.finish(options).bytes();
  place = std::move(made);
  return *place;
}

bool divisible(const Step& step) {
  return step.kind != Step::Kind::kParametric || step.model->count() == 1;
}

void pull(Decoder& decoder, const Step& step, uint64_t first, uint64_t count,
          std::vector<int64_t>& values) {
  const IndexSpan indexes = {step.indexes.data() + first, ElementType::kInt64};
  std::vector<int32_t> symbols(count);
  const MutableSymbolSpan span = {symbols.data(), ElementType::kInt32};
  switch (step.kind) {
    case Step::Kind::kTable:
      decoder.pull(*step.table, indexes, count, span);
      break;
    case Step::Kind::kLargeTable:
      pull_symbols(decoder, *step.large, indexes, count, span);
      break;
    case Step::Kind::kParametric:
      decoder.pull_parametric(*step.model, count, span);
      break;
    case Step::Kind::kIntervals:
      decoder.guarded([&] {
        for (int32_t& symbol : symbols) {
          const uint32_t slot = decoder.peek(step.precision) >> step.log2_width;
          checked_advance(decoder, int64_t{slot} << step.log2_width, int64_t{1} << step.log2_width);
          symbol = static_cast<int32_t>(slot);
        }
      });
      break;
    case Step::Kind::kInteger: {
      std::vector<uint64_t> integers(count);
      step.code->pull(decoder, integers);
      values.insert(values.end(), integers.begin(), integers.end());
      return;
    }
  }
  values.insert(values.end(), symbols.begin(), symbols.end());
}

}  // namespace fastcoder::fuzz
