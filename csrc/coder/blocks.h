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

struct CheckedBlock {
  KernelSymbols symbols;
  KernelIndexes indexes;
};

// Indexes [first, first + count) of a span, ready for a kernel; count <= kBlock. An index without a
// row is Error(kIndexRange); the message names its position in the span. What was checked is what a
// kernel reads, even if another thread writes to the caller's array: indexes are always copied.
KernelIndexes load_indexes(const IndexSpan& span, uint64_t first, uint64_t count, uint64_t rows,
                           BlockScratch& scratch);

// The same for a block of a part. A symbol outside int32, or outside its row if the table has no
// escape, is Error(kSymbolRange); in the latter case what was checked is a copy, too.
CheckedBlock load_checked(const Part& part, uint64_t first, uint64_t count, BlockScratch& scratch);

// Checks a whole part, first element first.
void check_part(const Part& part);

// Element i of a loaded block.
int64_t symbol_at(const KernelSymbols& symbols, uint64_t i);
uint64_t index_at(const KernelIndexes& indexes, uint64_t i);

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
