// SPDX-License-Identifier: Apache-2.0
// Little-endian loads and stores at any alignment, whatever the byte order of the machine. Written
// byte by byte: compilers turn each into one instruction on a little-endian machine.
#pragma once

#include <stdint.h>

#include "base/attributes.h"

namespace fastcoder {

static FASTCODER_ALWAYS_INLINE uint32_t load_u16(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8;
}

static FASTCODER_ALWAYS_INLINE uint32_t load_u32(const uint8_t* bytes) {
  return load_u16(bytes) | load_u16(bytes + 2) << 16;
}

static FASTCODER_ALWAYS_INLINE void store_u16(uint8_t* bytes, uint32_t value) {
  bytes[0] = static_cast<uint8_t>(value);
  bytes[1] = static_cast<uint8_t>(value >> 8);
}

static FASTCODER_ALWAYS_INLINE void store_u32(uint8_t* bytes, uint32_t value) {
  store_u16(bytes, value);
  store_u16(bytes + 2, value >> 16);
}

}  // namespace fastcoder
