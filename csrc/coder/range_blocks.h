// SPDX-License-Identifier: Apache-2.0
// What range_encoder.cpp and range_decoder.cpp share.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "coder/blocks.h"

namespace fastcoder {

// A push or pull of fewer symbols does without the lookup tables of CdfTable::coding_view, so that
// a codec may bring a new table for every symbol.
inline constexpr uint64_t kFewSymbols = 64;

// Row of symbol i; `void` stands for row 0 of every symbol.
template <class Index>
uint64_t row_at(const void* indexes, uint64_t i) {
  return static_cast<uint64_t>(static_cast<const Index*>(indexes)[i]);
}
template <>
inline uint64_t row_at<void>(const void*, uint64_t) {
  return 0;
}

// A kernel for every type of symbol and index, in the order of the enums in simd/kernel_table.h.
#define FASTCODER_RANGE_KERNELS_OF(function, precision, Symbol)             \
  {function<precision, Symbol, void>, function<precision, Symbol, uint8_t>, \
   function<precision, Symbol, uint16_t>, function<precision, Symbol, int32_t>}
#define FASTCODER_RANGE_KERNELS(function, precision)         \
  {FASTCODER_RANGE_KERNELS_OF(function, precision, int8_t),  \
   FASTCODER_RANGE_KERNELS_OF(function, precision, int16_t), \
   FASTCODER_RANGE_KERNELS_OF(function, precision, int32_t)}

// Kernels check rows and symbols as they code them: whatever the caller's array holds at the moment
// when it is read is safe, and a fault is found at the first symbol that has one.
// Writes element i of an array of the caller's type, or throws if it cannot hold the symbol.
inline void put_symbol(const MutableSymbolSpan& span, uint64_t i, int64_t symbol) {
  visit_elements(span.data, span.type, [&](const auto* data) {
    using Symbol = std::remove_cvref_t<decltype(*data)>;
    const Symbol stored = static_cast<Symbol>(symbol);
    if (static_cast<int64_t>(stored) != symbol) throw_symbol_outside_type(i, symbol, span.type);
    static_cast<Symbol*>(span.data)[i] = stored;
  });
}

[[noreturn]] inline void throw_outside_row(uint64_t position, int32_t symbol, uint64_t row,
                                           int32_t offset, uint32_t symbols) {
  throw Error(ErrorKind::kSymbolRange,
              "symbols[" + std::to_string(position) + "] = " + std::to_string(symbol) +
                  ", expected " + std::to_string(offset) +
                  " <= symbol <= " + std::to_string(int64_t{offset} + symbols - 1) + " (row " +
                  std::to_string(row) + " has no escape)");
}

}  // namespace fastcoder
