// SPDX-License-Identifier: Apache-2.0
// Last in, first out: symbols are pushed onto and popped from one and the same state, for bits-back
// coding. A pop of what was never pushed decodes the bits that are there, and pushing the result
// back restores them. One lane of the steps of a wide stream; bytes in docs/codes.md 3.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "coder/cdf_table.h"
#include "coder/intervals.h"
#include "coder/large_table.h"
#include "coder/spans.h"

namespace fastcoder {

class Stack {
 public:
  // Content to pop from: any bytes. None give the empty stack.
  explicit Stack(std::span<const uint8_t> initial);

  // The stack that to_bytes wrote; throws if the bytes are none.
  static Stack from_bytes(std::span<const uint8_t> bytes);
  std::vector<uint8_t> to_bytes() const;

  // The bytes that the stack was made of. Throws Error(kCorrupt) unless all that was pushed has
  // been popped, and all that was popped pushed.
  std::vector<uint8_t> initial() const;

  // Content in bits: 16 for a word, and the state's logarithm less its least, 32.
  double bits() const;

  // An array is pushed last element first, so that a pop of as many returns it. A failing push or
  // pop changes nothing.
  void push(const Part& part);
  void pop(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
           const MutableSymbolSpan& symbols);
  void push(std::span<const PackedInterval> intervals);
  void pop(const LargeTable& table, const IndexSpan& indexes, uint64_t count,
           const MutableSymbolSpan& symbols);
  void pop_bits(uint32_t width, std::span<uint64_t> values);

  // As Decoder::peek and advance.
  uint32_t peek(uint32_t precision) {
    peeked_precision_ = precision;
    return peek_interval(state_, precision);
  }
  void advance(uint32_t start, uint32_t frequency) {
    uint64_t state = pop_interval(state_, start, frequency, peeked_precision_);
    uint64_t top = top_;
    while (state < Wide::kLower) {
      if (FASTCODER_UNLIKELY(top == 0)) throw_empty();
      state = state << kWordBits | words_[--top];
    }
    state_ = state;
    top_ = top;
    peeked_precision_ = 0;
  }
  uint32_t peeked_precision() const { return peeked_precision_; }

  // Runs a task that pops; if it throws, the stack is what it was before. Words that were popped
  // still stand above the top: nothing but a push overwrites them.
  template <class Task>
  void guarded(Task&& task) {
    const uint64_t state = state_;
    const uint64_t top = top_;
    const uint32_t precision = peeked_precision_;
    try {
      task();
    } catch (...) {
      state_ = state;
      top_ = top;
      peeked_precision_ = precision;
      throw;
    }
  }

 private:
  [[noreturn]] static void throw_empty();
  template <class PullSymbol>
  void pop_blocks(const IndexSpan& indexes, uint64_t rows, uint64_t count,
                  const MutableSymbolSpan& symbols, PullSymbol&& pull_symbol);

  uint64_t state_ = Wide::kLower;
  uint64_t top_ = 0;  // words in use
  uint32_t peeked_precision_ = 0;
  std::vector<uint16_t> words_;
};

}  // namespace fastcoder
