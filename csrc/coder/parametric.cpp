// SPDX-License-Identifier: Apache-2.0
#include "coder/parametric.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "base/error.h"
#include "coder/blocks.h"
#include "coder/interruption.h"
#include "coder/numeric.h"
#include "coder/parametric_tables.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

constexpr uint64_t kPiece = 512;
static_assert(kPiece <= kBlock);

void take_count(uint64_t found, uint64_t& count) {
  if (found == 1 || found == count) return;
  if (count != 1) {
    throw Error(ErrorKind::kValue, "len(parameters) = " + std::to_string(found) +
                                       ", expected 1 or " + std::to_string(count));
  }
  count = found;
}

template <class To>
SymbolSpan copy_inside(const SymbolSpan& symbols, uint64_t count, int64_t low, int64_t high,
                       ElementType type, std::vector<uint8_t>& out) {
  out.resize(count * sizeof(To));
  To* copy = reinterpret_cast<To*>(out.data());
  visit_elements(symbols.data, symbols.type, [&](const auto* values) {
    bool bad = false;
    for_pieces(count, [&](uint64_t first, uint64_t size) {
      for (uint64_t i = first; i < first + size; ++i) {
        const int64_t symbol = static_cast<int64_t>(values[i]);
        const bool outside = symbol < low || symbol > high;
        bad |= outside;
        copy[i] = static_cast<To>(outside ? low : symbol);
      }
    });
    for (uint64_t i = 0; bad && i < count; ++i) {
      const int64_t symbol = static_cast<int64_t>(values[i]);
      if (symbol >= low && symbol <= high) continue;
      throw Error(ErrorKind::kSymbolRange,
                  "symbols[" + std::to_string(i) + "] = " + std::to_string(symbol) + ", expected " +
                      std::to_string(low) + " <= symbol <= " + std::to_string(high));
    }
  });
  return {out.data(), type};
}

// Calls visit(first, size, starts, nexts) for pieces of checked symbols.
template <class Visit>
void for_intervals(const ParametricModel& model, const SymbolSpan& symbols, uint64_t count,
                   Visit&& visit) {
  model.check_count(count);
  std::vector<uint8_t> copy;
  Part part;
  part.symbols = model.copy_symbols(symbols, count, copy);
  int32_t piece[kPiece];
  int64_t starts[kPiece];
  int64_t nexts[kPiece];
  for (uint64_t first = 0; first < count; first += kPiece) {
    const uint64_t size = std::min(kPiece, count - first);
    load_parametric(part, first, size, piece);
    active_kernels().parametric.starts({&model.view(), piece, first, size, 0}, starts, nexts);
    visit(first, size, starts, nexts);
    check_interruption(size * kParametricWork * model.view().curve_count);
  }
}

}  // namespace

ParametricModel::ParametricModel(int64_t low, int64_t high, std::vector<Component> components)
    : components_(std::move(components)) {
  if (low < -kParametricLimit || low >= kParametricLimit) {
    throw Error(ErrorKind::kValue,
                "support[0] = " + std::to_string(low) + ", expected -2**19 <= support[0] < 2**19");
  }
  const int64_t most = std::min<int64_t>(low + kMostParametricSymbols, kParametricLimit) - 1;
  if (high < low || high > most) {
    throw Error(ErrorKind::kValue, "support[1] = " + std::to_string(high) + ", expected " +
                                       std::to_string(low) +
                                       " <= support[1] <= " + std::to_string(most));
  }
  if (components_.empty() || components_.size() > kMostComponents) {
    throw Error(ErrorKind::kValue, "len(components) = " + std::to_string(components_.size()) +
                                       ", expected 1 <= len(components) <= 64");
  }
  for (const Component& component : components_) {
    take_count(component.means.count, count_);
    take_count(component.scales.count, count_);
    if (components_.size() > 1) take_count(component.weights.count, count_);
    curves_.push_back({cdf_lines(component.family).data(), &guess_table(component.family),
                       component.means.values.get(), component.scales.values.get(),
                       component.weights.values.get(), component.means.count != 1,
                       component.scales.count != 1, component.weights.count != 1,
                       line_shift(component.family)});
  }
  view_ = {curves_.data(), kReciprocals.data(), static_cast<uint32_t>(curves_.size()),
           static_cast<int32_t>(low), static_cast<uint32_t>(high - low + 1)};
}

void ParametricModel::check_count(uint64_t count) const {
  if (count_ == 1 || count == count_) return;
  throw Error(ErrorKind::kValue,
              "symbols.size = " + std::to_string(count) + ", expected " + std::to_string(count_));
}

SymbolSpan ParametricModel::copy_symbols(const SymbolSpan& symbols, uint64_t count,
                                         std::vector<uint8_t>& out) const {
  if (low() >= INT8_MIN && high() <= INT8_MAX) {
    return copy_inside<int8_t>(symbols, count, low(), high(), ElementType::kInt8, out);
  }
  if (low() >= INT16_MIN && high() <= INT16_MAX) {
    return copy_inside<int16_t>(symbols, count, low(), high(), ElementType::kInt16, out);
  }
  return copy_inside<int32_t>(symbols, count, low(), high(), ElementType::kInt32, out);
}

void ParametricModel::intervals(const SymbolSpan& symbols, uint64_t count, uint32_t* starts,
                                uint32_t* frequencies) const {
  for_intervals(*this, symbols, count,
                [&](uint64_t first, uint64_t size, const int64_t* from, const int64_t* to) {
                  for (uint64_t i = 0; i < size; ++i) {
                    starts[first + i] = static_cast<uint32_t>(from[i]);
                    frequencies[first + i] = static_cast<uint32_t>(to[i] - from[i]);
                  }
                });
}

double ParametricModel::cost(const SymbolSpan& symbols, uint64_t count) const {
  double bits = 0.0;
  for_intervals(
      *this, symbols, count, [&](uint64_t, uint64_t size, const int64_t* from, const int64_t* to) {
        for (uint64_t i = 0; i < size; ++i) {
          bits += kParametricPrecision - numeric::log2(static_cast<double>(to[i] - from[i]));
        }
      });
  return bits;
}

void ParametricModel::find(std::span<const uint32_t> values, int32_t* symbols) const {
  check_count(values.size());
  uint32_t copied[kPiece];
  for (uint64_t first = 0; first < values.size(); first += kPiece) {
    const uint64_t size = std::min(kPiece, values.size() - first);
    for (uint64_t i = 0; i < size; ++i) {
      copied[i] = values[first + i];
      if (copied[i] >> kParametricPrecision != 0) {
        throw Error(ErrorKind::kValue, "values[" + std::to_string(first + i) +
                                           "] = " + std::to_string(copied[i]) +
                                           ", expected 0 <= value < 2**24");
      }
    }
    active_kernels().parametric.find({&view_, symbols + first, first, size, 0}, copied);
    check_interruption(size * kParametricWork * view_.curve_count);
  }
}

}  // namespace fastcoder
