// SPDX-License-Identifier: Apache-2.0
// From blocks to groups, written once for all kernels: the symbols before the first lane 0 and
// after the last whole group go to the generic kernel, the groups between them to `Groups`, which
// has
//
//   fits<Width>(table)                                        whether it can code with a table
//   decode<Width, Symbol, Index>(block, lanes, first, last)   symbols [first, last): whole groups,
//                                                             false for a fault
//   encode<Width, Symbol, Index>(block, lanes, first, last)
#pragma once

#include <stdint.h>

#include "simd/generic-inl.h"
#include "simd/kernel_table.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

template <class Groups, class Width, class Symbol, class Index>
KernelResult decode_block(const DecodeBlock& block, DecodeLanes& lanes) {
  const uint64_t first = (lanes.lanes - block.first_lane) & (lanes.lanes - 1);
  const bool fits = Groups::template fits<Width>(*block.table);
  if (!fits || block.count < first + lanes.lanes) {
    return decode_generic<Width, Symbol, Index>(block, lanes);
  }
  const auto decode_rest = [&](uint64_t begin, uint64_t end) -> KernelResult {
    KernelResult result = decode_generic<Width, Symbol, Index>(
        part_of<DecodeBlock, Symbol*, Index>(block, lanes.lanes, begin, end), lanes);
    result.position += begin;
    return result;
  };
  const uint64_t last = block.count - (block.count - first) % lanes.lanes;
  const KernelResult head = decode_rest(0, first);
  if (head.status != Status::kOk) return head;
  const EscapeReader escapes = lanes.escapes;
  if (!Groups::template decode<Width, Symbol, Index>(block, lanes, first, last)) {
    // A group sees its faults in another order than its symbols, and the end of the words only
    // after it. The generic kernel finds the first fault and its position.
    lanes.escapes = escapes;
    return decode_rest(first, block.count);
  }
  return decode_rest(last, block.count);
}

template <class Groups, class Width, class Symbol, class Index>
void encode_block(const EncodeBlock& block, EncodeLanes& lanes) {
  const uint64_t first = (lanes.lanes - block.first_lane) & (lanes.lanes - 1);
  const bool fits = Groups::template fits<Width>(*block.table);
  if (!fits || block.count < first + lanes.lanes) {
    return encode_generic<Width, Symbol, Index>(block, lanes);
  }
  const uint64_t last = block.count - (block.count - first) % lanes.lanes;
  const auto encode_rest = [&](uint64_t begin, uint64_t end) {
    encode_part<Width, Symbol, Index>(block, lanes, begin, end);
  };
  encode_rest(last, block.count);
  Groups::template encode<Width, Symbol, Index>(block, lanes, first, last);
  encode_rest(0, first);
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
