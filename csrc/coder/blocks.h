// SPDX-License-Identifier: Apache-2.0
// The customs between callers' arrays and kernels: a block of elements is converted if its type is
// not one that a kernel reads. Kernels check what they read; when they find a fault, the arrays are
// checked here once more, from the front, for a message that names the first one. A block and its
// scratch fit the L1 cache and a small thread's stack.
#pragma once

#include <cstdint>

#include "coder/spans.h"
#include "simd/kernel_table.h"

namespace fastcoder {

inline constexpr uint64_t kBlock = 2048;

// Room for one converted block of symbols and of indexes, of four bytes each or fewer.
struct BlockScratch {
  alignas(int32_t) unsigned char symbol_bytes[kBlock * sizeof(int32_t)];
  alignas(int32_t) unsigned char index_bytes[kBlock * sizeof(int32_t)];

  template <class Symbol>
  Symbol* symbols() {
    return reinterpret_cast<Symbol*>(symbol_bytes);
  }
  template <class Symbol>
  const Symbol* symbols() const {
    return reinterpret_cast<const Symbol*>(symbol_bytes);
  }
  int32_t* indexes() { return reinterpret_cast<int32_t*>(index_bytes); }
};

struct KernelSymbols {
  const void* data;
  KernelSymbolType type;
};

struct KernelIndexes {
  const void* data;
  KernelIndexType type;
};

struct Block {
  KernelSymbols symbols;
  KernelIndexes indexes;
};

// Indexes [first, first + count) of a span, for a kernel; count <= kBlock. They are not checked.
KernelIndexes load_indexes(const IndexSpan& span, uint64_t first, uint64_t count,
                           BlockScratch& scratch);

// The same for a block of a part. Only a symbol outside int32 is an error, Error(kSymbolRange): no
// kernel could see it.
Block load_block(const Part& part, uint64_t first, uint64_t count, BlockScratch& scratch);

// Symbols [first, first + count) of a parametric part.
void load_parametric(const Part& part, uint64_t first, uint64_t count, int32_t* symbols);

// Copies decoded symbols to [first, first + count) of the caller's array; one that does not fit its
// type is Error(kSymbolRange) with its position.
void store_decoded(const int32_t* symbols, const MutableSymbolSpan& span, uint64_t first,
                   uint64_t count);

// The same, but for the error: returns which is the first that does not fit, or `count`.
uint64_t store_fitting(const int32_t* symbols, const MutableSymbolSpan& span, uint64_t first,
                       uint64_t count);

// Checks a whole part, first element first: an index without a row is Error(kIndexRange), a symbol
// outside int32, or outside its row if the table has no escape, is Error(kSymbolRange).
void check_part(const Part& part);

// For a part in which a fault was found: says which is the first.
[[noreturn]] void throw_faults(const Part& part);

// For an index that a kernel refused.
[[noreturn]] void throw_index(const IndexSpan& span, uint64_t position, uint64_t rows);

// Element i of a loaded block.
int64_t symbol_at(const KernelSymbols& symbols, uint64_t i);
uint64_t index_at(const KernelIndexes& indexes, uint64_t i);

// The type that a kernel writes for a wanted element type, and the copy that follows where they
// differ. A symbol that does not fit is Error(kSymbolRange) with its position.
KernelSymbolType kernel_output_type(ElementType type);
bool is_kernel_type(ElementType type);
void store_symbols(const BlockScratch& scratch, const MutableSymbolSpan& span, uint64_t first,
                   uint64_t count);

// Address of element `first`.
void* element_address(const MutableSymbolSpan& span, uint64_t first);

[[noreturn]] void throw_symbol_outside_type(uint64_t position, int64_t symbol, ElementType type);

}  // namespace fastcoder
