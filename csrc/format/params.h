// SPDX-License-Identifier: Apache-2.0
// Numbers that are part of the bitstream (docs/format.md). They are the same on every ISA, so no
// vector width may appear here. Included behind the ISA wall: no STL.
#pragma once

#include <stdint.h>

namespace fastcoder {

// Of streams, tables and range-coded streams. What version 1 wrote is read for ever.
constexpr uint32_t kFormatVersion = 1;
constexpr uint32_t kMaxLanes = 32;
constexpr uint32_t kMaxLog2Lanes = 5;
constexpr uint32_t kWordBits = 16;
constexpr uint32_t kMinLog2Segment = 4;
constexpr uint32_t kMaxLog2Segment = 30;  // so that 35 bits hold the bytes of any segment
constexpr uint64_t kMaxCount = (uint64_t{1} << 35) - 1;  // what five varint bytes hold

// Flags, one byte before every segment.
constexpr uint32_t kLog2LanesMask = 0x07;
constexpr uint32_t kEscapesFlag = 0x08;
constexpr uint32_t kWideFlag = 0x10;
constexpr uint32_t kMoreFlag = 0x20;  // another segment follows
constexpr uint32_t kHashFlag = 0x40;
constexpr uint32_t kReservedFlag = 0x80;

// The two widths of a state. kLower <= state < kLower << kWordBits, and a row's total is
// 2^kPrecision. Why two: a 32-bit state at precision 16 loses 0.16 % of the rate, because
// state >> precision is then a small number; at 14 it loses about 0.01-0.02 %. 48 bits at 16 lose
// nothing and cost speed when encoding (docs/performance.md).
struct Narrow {
  using State = uint32_t;
  static constexpr uint32_t kPrecision = 14;
  static constexpr uint32_t kStateBits = 32;
  static constexpr uint32_t kStateBytes = 4;
  static constexpr State kLower = State{1} << 16;
};

struct Wide {
  using State = uint64_t;
  static constexpr uint32_t kPrecision = 16;
  static constexpr uint32_t kStateBits = 48;
  static constexpr uint32_t kStateBytes = 6;
  static constexpr State kLower = State{1} << 32;
};

}  // namespace fastcoder
