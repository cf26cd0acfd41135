// SPDX-License-Identifier: Apache-2.0
// The customs between callers' arrays and kernels: a block of elements is checked and, if its type
// is not one a kernel reads, converted. A block and its scratch fit the L1 cache and a small
// thread's stack, so that a check costs no pass over memory.
#pragma once

#include <cstdint>

#include "coder/spans.h"
#include "simd/kernel_table.h"

namespace fastcoder {

inline constexpr uint64_t kBlock = 2048;

// Room for one converted block of symbols and of indexes.
struct BlockScratch {
  int32_t symbols[kBlock];
  int32_t indexes[kBlock];
};

struct KernelSymbols {
  const void* data;
  KernelSymbolType type;
};

struct KernelIndexes {
  const void* data;
  KernelIndexType type;
};

// Elements [first, first + count) of a span, ready for a kernel; count <= kBlock. An index without
// a row is Error(kIndexRange), a symbol outside int32 Error(kSymbolRange). The message names the
// position in the span. What was checked is what a kernel reads, even if another thread writes to
// the caller's arrays: indexes are always copied, symbols if `copy` says that they will be checked.
KernelIndexes load_indexes(const IndexSpan& span, uint64_t first, uint64_t count, uint64_t rows,
                           BlockScratch& scratch);
KernelSymbols load_symbols(const SymbolSpan& span, uint64_t first, uint64_t count, bool copy,
                           BlockScratch& scratch);

// Element i of a loaded block.
int64_t symbol_at(const KernelSymbols& symbols, uint64_t i);
uint64_t index_at(const KernelIndexes& indexes, uint64_t i);

// Checks a block against a table without escapes: every symbol must lie in its row.
void check_symbols_in_rows(const KernelSymbols& symbols, const KernelIndexes& indexes,
                           uint64_t first, uint64_t count, const TableView& table);

// All of the above over whole spans, first element first.
void check_part(const Part& part);

// The type that a kernel writes for a wanted element type, and the copy that follows where they
// differ. A symbol that does not fit is Error(kSymbolRange) with its position.
KernelSymbolType kernel_output_type(ElementType type);
bool is_kernel_type(ElementType type);
void store_symbols(const int32_t* symbols, const MutableSymbolSpan& span, uint64_t first,
                   uint64_t count);

// Address of element `first`.
void* element_address(const MutableSymbolSpan& span, uint64_t first);

[[noreturn]] void throw_symbol_outside_type(uint64_t position, int64_t symbol, ElementType type);

}  // namespace fastcoder
