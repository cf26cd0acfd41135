// SPDX-License-Identifier: Apache-2.0
#include "coder/blocks.h"

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "coder/cdf_table.h"
#include "coder/interruption.h"

namespace fastcoder {
namespace {

int64_t element_at(const void* data, ElementType type, uint64_t i) {
  return visit_elements(data, type, [&](const auto* values) -> int64_t { return values[i]; });
}

// No loop below leaves early: compilers make vectors of it.
template <class To, class From>
void convert(const From* from, uint64_t count, To* to) {
  for (uint64_t i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
}

}  // namespace

void throw_index(const IndexSpan& span, uint64_t position, uint64_t rows) {
  throw Error(ErrorKind::kIndexRange,
              "indexes[" + std::to_string(position) +
                  "] = " + std::to_string(element_at(span.data, span.type, position)) +
                  ", expected 0 <= index < " + std::to_string(rows));
}

KernelIndexes load_indexes(const IndexSpan& span, uint64_t first, uint64_t count,
                           BlockScratch& scratch) {
  switch (span.type) {
    case ElementType::kNone:
      return {nullptr, kIndexNone};
    case ElementType::kUint8:
      return {static_cast<const uint8_t*>(span.data) + first, kIndexUint8};
    case ElementType::kUint16:
      return {static_cast<const uint16_t*>(span.data) + first, kIndexUint16};
    case ElementType::kInt64:
      break;
    default:
      return {static_cast<const int32_t*>(span.data) + first, kIndexInt32};
  }
  // A table has at most 2^31 rows: an index outside int32 has none, and neither has -1.
  const int64_t* block = static_cast<const int64_t*>(span.data) + first;
  int32_t* indexes = scratch.indexes();
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t index = block[i];
    const int32_t narrow = static_cast<int32_t>(index);
    indexes[i] = narrow == index ? narrow : -1;
  }
  return {indexes, kIndexInt32};
}

int64_t symbol_at(const KernelSymbols& symbols, uint64_t i) {
  switch (symbols.type) {
    case kSymbolInt8:
      return static_cast<const int8_t*>(symbols.data)[i];
    case kSymbolInt16:
      return static_cast<const int16_t*>(symbols.data)[i];
    default:
      return static_cast<const int32_t*>(symbols.data)[i];
  }
}

uint64_t index_at(const KernelIndexes& indexes, uint64_t i) {
  switch (indexes.type) {
    case kIndexUint8:
      return static_cast<const uint8_t*>(indexes.data)[i];
    case kIndexUint16:
      return static_cast<const uint16_t*>(indexes.data)[i];
    case kIndexInt32:
      return static_cast<uint64_t>(static_cast<const int32_t*>(indexes.data)[i]);
    default:
      return 0;
  }
}

namespace {

[[noreturn]] void throw_symbol_outside_int32(uint64_t position, int64_t symbol) {
  throw Error(ErrorKind::kSymbolRange, "symbols[" + std::to_string(position) +
                                           "] = " + std::to_string(symbol) +
                                           ", expected -2147483648 <= symbol <= 2147483647");
}

KernelSymbols load_symbols(const SymbolSpan& span, uint64_t first, uint64_t count,
                           BlockScratch& scratch) {
  return visit_elements(span.data, span.type, [&](const auto* data) -> KernelSymbols {
    using Symbol = std::remove_cvref_t<decltype(*data)>;
    const Symbol* block = data + first;
    if constexpr (std::is_same_v<Symbol, int8_t>) {
      return {block, kSymbolInt8};
    } else if constexpr (std::is_same_v<Symbol, int16_t>) {
      return {block, kSymbolInt16};
    } else if constexpr (std::is_same_v<Symbol, int32_t>) {
      return {block, kSymbolInt32};
    } else if constexpr (std::is_same_v<Symbol, uint8_t>) {
      int16_t* copy = scratch.symbols<int16_t>();
      convert(block, count, copy);
      return {copy, kSymbolInt16};
    } else {
      int32_t* copy = scratch.symbols<int32_t>();
      bool fits = true;
      for (uint64_t i = 0; i < count; ++i) {
        const Symbol symbol = block[i];
        copy[i] = static_cast<int32_t>(symbol);
        fits &= static_cast<int64_t>(symbol) == copy[i];
      }
      for (uint64_t i = 0; !fits && i < count; ++i) {
        const int64_t symbol = block[i];
        if (symbol != static_cast<int32_t>(symbol)) throw_symbol_outside_int32(first + i, symbol);
      }
      return {copy, kSymbolInt32};
    }
  });
}

void check_symbol_in_row(uint64_t position, int64_t symbol, uint64_t index, const RowView& row) {
  if (static_cast<uint64_t>(symbol - row.offset) < row.symbols) return;
  throw Error(ErrorKind::kSymbolRange,
              "symbols[" + std::to_string(position) + "] = " + std::to_string(symbol) +
                  ", expected " + std::to_string(row.offset) +
                  " <= symbol <= " + std::to_string(int64_t{row.offset} + row.symbols - 1) +
                  " (row " + std::to_string(index) + " has no escape)");
}

}  // namespace

Block load_block(const Part& part, uint64_t first, uint64_t count, BlockScratch& scratch) {
  return {load_symbols(part.symbols, first, count, scratch),
          load_indexes(part.indexes, first, count, scratch)};
}

void load_parametric(const Part& part, uint64_t first, uint64_t count, int32_t* symbols) {
  visit_elements(part.symbols.data, part.symbols.type, [&](const auto* values) {
    for (uint64_t i = 0; i < count; ++i) {
      symbols[i] = static_cast<int32_t>(values[first + i]);
    }
  });
}

void check_part(const Part& part) {
  const TableView& table = part.table->view();
  BlockScratch scratch;
  for (uint64_t first = 0; first < part.count; first += kBlock) {
    const uint64_t count = std::min(kBlock, part.count - first);
    const KernelIndexes indexes = load_indexes(part.indexes, first, count, scratch);
    for (uint64_t i = 0; i < count; ++i) {
      if (index_at(indexes, i) >= table.row_count) {
        throw_index(part.indexes, first + i, table.row_count);
      }
    }
    const KernelSymbols symbols = load_symbols(part.symbols, first, count, scratch);
    for (uint64_t i = 0; table.escape == 0 && i < count; ++i) {
      // Read again, so checked again: another thread may write.
      const uint64_t index = std::min(index_at(indexes, i), table.row_count - 1);
      check_symbol_in_row(first + i, symbol_at(symbols, i), index, table.rows[index]);
    }
    check_interruption(count);
  }
}

void throw_faults(const Part& part) {
  check_part(part);
  throw Error(ErrorKind::kIndexRange, "indexes = changing, expected an array at rest");
}

KernelSymbolType kernel_output_type(ElementType type) {
  if (type == ElementType::kInt8) return kSymbolInt8;
  if (type == ElementType::kInt16 || type == ElementType::kUint8) return kSymbolInt16;
  return kSymbolInt32;
}

bool is_kernel_type(ElementType type) {
  return type == ElementType::kInt8 || type == ElementType::kInt16 || type == ElementType::kInt32;
}

void* element_address(const MutableSymbolSpan& span, uint64_t first) {
  return visit_elements(span.data, span.type, [&](const auto* data) -> void* {
    using Symbol = std::remove_cvref_t<decltype(*data)>;
    return static_cast<Symbol*>(span.data) + first;
  });
}

namespace {

// Not 0 if a symbol does not fit.
template <class To>
int32_t misfit(int32_t symbol) {
  if constexpr (std::is_signed_v<To>) {
    return static_cast<int32_t>(static_cast<To>(symbol)) ^ symbol;
  } else {
    constexpr uint64_t kMost = std::min<uint64_t>(std::numeric_limits<To>::max(), INT32_MAX);
    return symbol & ~static_cast<int32_t>(kMost);
  }
}

// No branch in the first loop: compilers make vectors of it.
template <class From, class To>
uint64_t store_as(const From* symbols, To* out, uint64_t count) {
  int32_t outside = 0;
  for (uint64_t i = 0; i < count; ++i) {
    outside |= misfit<To>(symbols[i]);
    out[i] = static_cast<To>(symbols[i]);
  }
  if (outside == 0) return count;
  uint64_t i = 0;
  while (misfit<To>(symbols[i]) == 0) ++i;
  return i;
}

}  // namespace

uint64_t store_fitting(const int32_t* symbols, const MutableSymbolSpan& span, uint64_t first,
                       uint64_t count) {
  return visit_elements(span.data, span.type, [&](const auto* data) {
    using Symbol = std::remove_cvref_t<decltype(*data)>;
    return store_as(symbols, static_cast<Symbol*>(span.data) + first, count);
  });
}

void store_decoded(const int32_t* symbols, const MutableSymbolSpan& span, uint64_t first,
                   uint64_t count) {
  const uint64_t fitting = store_fitting(symbols, span, first, count);
  if (fitting < count) throw_symbol_outside_type(first + fitting, symbols[fitting], span.type);
}

void store_symbols(const BlockScratch& scratch, const MutableSymbolSpan& span, uint64_t first,
                   uint64_t count) {
  if (span.type != ElementType::kUint8) {
    return store_decoded(scratch.symbols<int32_t>(), span, first, count);
  }
  const int16_t* symbols = scratch.symbols<int16_t>();
  const uint64_t fitting = store_as(symbols, static_cast<uint8_t*>(span.data) + first, count);
  if (fitting < count) throw_symbol_outside_type(first + fitting, symbols[fitting], span.type);
}

void throw_symbol_outside_type(uint64_t position, int64_t symbol, ElementType type) {
  const std::string interval = visit_elements(nullptr, type, [](const auto* data) {
    using Limits = std::numeric_limits<std::remove_cvref_t<decltype(*data)>>;
    return std::to_string(Limits::min()) + " <= symbol <= " + std::to_string(Limits::max());
  });
  throw Error(ErrorKind::kSymbolRange, "symbols[" + std::to_string(position) +
                                           "] = " + std::to_string(symbol) + ", expected " +
                                           interval + " (the dtype asked for)");
}

}  // namespace fastcoder
