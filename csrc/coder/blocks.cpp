// SPDX-License-Identifier: Apache-2.0
#include "coder/blocks.h"

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "coder/cdf_table.h"

namespace fastcoder {
namespace {

[[noreturn]] void throw_index(uint64_t position, int64_t index, uint64_t rows) {
  throw Error(ErrorKind::kIndexRange, "indexes[" + std::to_string(position) +
                                          "] = " + std::to_string(index) +
                                          ", expected 0 <= index < " + std::to_string(rows));
}

// Copies a block and tells whether 0 <= index < rows for all of it. Nothing below this line reads
// the caller's indexes again: another thread may write to them while we work. No branch in the
// loop, and nothing that baseline instruction sets lack (SSE2 has no 32-bit unsigned maximum):
// index and rows - 1 - index are both non-negative, or one of them has its sign bit set.
template <class Index, class Copy>
bool copy_indexes(const Index* indexes, uint64_t count, uint64_t rows, Copy* copy) {
  using Unsigned = std::make_unsigned_t<Index>;
  constexpr Unsigned kAll = std::numeric_limits<Unsigned>::max();
  const Unsigned last = rows - 1 >= kAll ? kAll : static_cast<Unsigned>(rows - 1);
  if constexpr (std::is_signed_v<Index>) {
    Unsigned signs = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const Unsigned index = static_cast<Unsigned>(indexes[i]);
      signs |= index | (last - index);
      copy[i] = static_cast<Copy>(index);
    }
    return static_cast<Index>(signs) >= 0;
  } else {
    Unsigned largest = 0;
    for (uint64_t i = 0; i < count; ++i) {
      largest = std::max(largest, indexes[i]);
      copy[i] = indexes[i];
    }
    return largest <= last;
  }
}

}  // namespace

KernelIndexes load_indexes(const IndexSpan& span, uint64_t first, uint64_t count, uint64_t rows,
                           BlockScratch& scratch) {
  if (span.type == ElementType::kNone) return {nullptr, kIndexNone};
  return visit_elements(span.data, span.type, [&](const auto* data) -> KernelIndexes {
    using Index = std::remove_cvref_t<decltype(*data)>;
    // A table has at most 2^31 rows, so a checked index fits int32.
    using Copy = std::conditional_t<std::is_unsigned_v<Index>, Index, int32_t>;
    const Index* block = data + first;
    Copy* copy = reinterpret_cast<Copy*>(scratch.indexes);
    if (!copy_indexes(block, count, rows, copy)) {
      for (uint64_t i = 0; i < count; ++i) {
        const Index index = block[i];
        if (static_cast<std::make_unsigned_t<Index>>(index) >= rows) {
          throw_index(first + i, static_cast<int64_t>(index), rows);
        }
      }
      throw Error(ErrorKind::kIndexRange, "indexes = changing, expected an array at rest");
    }
    if constexpr (std::is_same_v<Copy, uint8_t>) return {copy, kIndexUint8};
    if constexpr (std::is_same_v<Copy, uint16_t>) return {copy, kIndexUint16};
    return {copy, kIndexInt32};
  });
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

// `copy`: also where a kernel could read the caller's symbols as they are.
KernelSymbols load_symbols(const SymbolSpan& span, uint64_t first, uint64_t count, bool copy,
                           BlockScratch& scratch) {
  return visit_elements(span.data, span.type, [&](const auto* data) -> KernelSymbols {
    using Symbol = std::remove_cvref_t<decltype(*data)>;
    const Symbol* block = data + first;
    if (!copy) {
      if constexpr (std::is_same_v<Symbol, int8_t>) return {block, kSymbolInt8};
      if constexpr (std::is_same_v<Symbol, int16_t>) return {block, kSymbolInt16};
      if constexpr (std::is_same_v<Symbol, int32_t>) return {block, kSymbolInt32};
    }
    for (uint64_t i = 0; i < count; ++i) {
      const Symbol symbol = block[i];
      scratch.symbols[i] = static_cast<int32_t>(symbol);
      if constexpr (sizeof(Symbol) >= 4) {
        if (static_cast<int64_t>(symbol) != scratch.symbols[i]) {
          throw Error(ErrorKind::kSymbolRange,
                      "symbols[" + std::to_string(first + i) + "] = " + std::to_string(symbol) +
                          ", expected -2147483648 <= symbol <= 2147483647");
        }
      }
    }
    return {scratch.symbols, kSymbolInt32};
  });
}

// Every symbol must lie in its row.
void check_symbols_in_rows(const KernelSymbols& symbols, const KernelIndexes& indexes,
                           uint64_t first, uint64_t count, const TableView& table) {
  for (uint64_t i = 0; i < count; ++i) {
    const RowView& row = table.rows[index_at(indexes, i)];
    const int64_t symbol = symbol_at(symbols, i);
    if (static_cast<uint64_t>(symbol - row.offset) < row.symbols) continue;
    throw Error(ErrorKind::kSymbolRange,
                "symbols[" + std::to_string(first + i) + "] = " + std::to_string(symbol) +
                    ", expected " + std::to_string(row.offset) +
                    " <= symbol <= " + std::to_string(int64_t{row.offset} + row.symbols - 1) +
                    " (row " + std::to_string(index_at(indexes, i)) + " has no escape)");
  }
}

}  // namespace

CheckedBlock load_checked(const Part& part, uint64_t first, uint64_t count, BlockScratch& scratch) {
  const TableView& table = part.table->view();
  const KernelIndexes indexes = load_indexes(part.indexes, first, count, table.row_count, scratch);
  const KernelSymbols symbols = load_symbols(part.symbols, first, count, !table.escape, scratch);
  if (!table.escape) check_symbols_in_rows(symbols, indexes, first, count, table);
  return {symbols, indexes};
}

void check_part(const Part& part) {
  BlockScratch scratch;
  for (uint64_t first = 0; first < part.count; first += kBlock) {
    (void)load_checked(part, first, std::min(kBlock, part.count - first), scratch);
  }
}

KernelSymbolType kernel_output_type(ElementType type) {
  if (type == ElementType::kInt8) return kSymbolInt8;
  if (type == ElementType::kInt16) return kSymbolInt16;
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

void store_symbols(const int32_t* symbols, const MutableSymbolSpan& span, uint64_t first,
                   uint64_t count) {
  visit_elements(span.data, span.type, [&](const auto* data) {
    using Symbol = std::remove_cvref_t<decltype(*data)>;
    Symbol* out = static_cast<Symbol*>(span.data) + first;
    for (uint64_t i = 0; i < count; ++i) {
      out[i] = static_cast<Symbol>(symbols[i]);
      if (static_cast<int64_t>(out[i]) != symbols[i]) {
        throw_symbol_outside_type(first + i, symbols[i], span.type);
      }
    }
  });
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
