// SPDX-License-Identifier: Apache-2.0
// Varints (docs/format.md): seven bits per byte, low bits first, as short as possible.
#pragma once

#include <cstdint>
#include <vector>

namespace fastcoder {

inline void append_varint(std::vector<uint8_t>& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<uint8_t>(value | 0x80));
  bytes.push_back(static_cast<uint8_t>(value));
}

}  // namespace fastcoder
