// SPDX-License-Identifier: Apache-2.0
// Little-endian loads and stores at any alignment, whatever the byte order of the machine. Written
// byte by byte: compilers turn each into one instruction on a little-endian machine; but for the
// store of a word in an encoder's loop, where GCC 12 does not.
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
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  const uint16_t word = static_cast<uint16_t>(value);
  __builtin_memcpy(bytes, &word, sizeof word);
#else
  bytes[0] = static_cast<uint8_t>(value);
  bytes[1] = static_cast<uint8_t>(value >> 8);
#endif
}

static FASTCODER_ALWAYS_INLINE void store_u32(uint8_t* bytes, uint32_t value) {
  store_u16(bytes, value);
  store_u16(bytes + 2, value >> 16);
}

}  // namespace fastcoder
