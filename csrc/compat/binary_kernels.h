// SPDX-License-Identifier: Apache-2.0
// The decoder's inner loops, one object per instruction set that gains by it. They call nothing and
// give the same symbols.
#pragma once

#include <stdint.h>

#include "compat/binary_step.h"

namespace fastcoder {

// The upper half of `code` is how far the message's value is above the interval's low end; then
// follow `spare` bits that were read already.
struct BinaryDecodeState {
  uint64_t code = 0;
  uint64_t span = kBinarySpan;
  uint32_t last = 0xFFFFFFFF;  // less than the span by 2^18 at most, and soon known
  uint32_t low = 0;            // modulo 2^32
  uint32_t spare = 0;
  const uint8_t* in = nullptr;
};

// Where rows of integers are, one after the other.
struct BinaryBlock {
  const uint16_t* rows;
  uint64_t stride;
  uint64_t count;
};

// Decodes a block of rows of `slots`.
//   Requires  kBinaryMostShift bits behind `state.in` for each row, and 4 bytes.
//   Reads     the rows, and the next ones until kBinaryReach entries of a row are read.
//   Returns   how many symbols were found; fewer than there are rows if the value is in no slot, or
//             in one that no int16 names.
using BinaryDecodeFunction = uint64_t (*)(const BinaryBlock& block, uint64_t slots,
                                          BinaryDecodeState& state, int16_t* symbols);

// Rows of at most 16, 32 and 64 slots, and of more.
constexpr uint32_t kBinaryKernels = 4;
constexpr uint64_t kBinaryReach[kBinaryKernels] = {17, 33, 65, 0};

struct BinaryDecodeKernels {
  BinaryDecodeFunction decode[kBinaryKernels];
};

}  // namespace fastcoder
