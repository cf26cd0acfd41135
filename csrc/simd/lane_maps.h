// SPDX-License-Identifier: Apache-2.0
// Which word goes to which lane, for every mask of lanes: tables for instruction sets that cannot
// expand or compress by a mask.
#pragma once

#include <stdint.h>

namespace fastcoder::FASTCODER_ISA {
namespace {

// 1 less 2^-21: see quotient_below in vec_sse41.h.
constexpr float kJustBelowOne = 1.0f - 0x1p-21f;

// For eight lanes, a byte for each lane: the word that lane takes, counted from the low lanes.
struct LaneMaps8 {
  uint64_t map[256];
  constexpr uint64_t operator[](uint32_t mask) const { return map[mask]; }
};

constexpr LaneMaps8 make_expand8() {
  LaneMaps8 maps{};
  for (uint32_t mask = 0; mask < 256; ++mask) {
    uint64_t word = 0;
    for (uint32_t lane = 0; lane < 8; ++lane) {
      if (mask >> lane & 1) maps.map[mask] |= word++ << 8 * lane;
    }
  }
  return maps;
}

// A byte for each place: the lane moved there. The taken lanes keep their order and end at place 7.
constexpr LaneMaps8 make_compress_up8() {
  LaneMaps8 maps{};
  for (uint32_t mask = 0; mask < 256; ++mask) {
    uint32_t place = 8;
    for (uint32_t lane = 8; lane-- > 0;) {
      if (mask >> lane & 1) maps.map[mask] |= uint64_t{lane} << 8 * --place;
    }
  }
  return maps;
}

// For four lanes, byte shuffles (0x80: a zero): words to the low halves of the lanes that take one,
// and low halves of the taken lanes to the top of eight bytes.
struct ByteMaps4 {
  uint8_t map[16][16];
  constexpr const uint8_t* operator[](uint32_t mask) const { return map[mask]; }
};

constexpr ByteMaps4 make_spread4() {
  ByteMaps4 maps{};
  for (uint32_t mask = 0; mask < 16; ++mask) {
    for (uint32_t byte = 0; byte < 16; ++byte) maps.map[mask][byte] = 0x80;
    uint8_t source = 0;
    for (uint32_t lane = 0; lane < 4; ++lane) {
      if (!(mask >> lane & 1)) continue;
      maps.map[mask][4 * lane] = source++;
      maps.map[mask][4 * lane + 1] = source++;
    }
  }
  return maps;
}

constexpr ByteMaps4 make_pack_up4() {
  ByteMaps4 maps{};
  for (uint32_t mask = 0; mask < 16; ++mask) {
    for (uint32_t byte = 0; byte < 16; ++byte) maps.map[mask][byte] = 0x80;
    uint32_t place = 8;
    for (uint32_t lane = 4; lane-- > 0;) {
      if (!(mask >> lane & 1)) continue;
      maps.map[mask][--place] = static_cast<uint8_t>(4 * lane + 1);
      maps.map[mask][--place] = static_cast<uint8_t>(4 * lane);
    }
  }
  return maps;
}

constexpr LaneMaps8 kExpand8 = make_expand8();
constexpr LaneMaps8 kCompressUp8 = make_compress_up8();
constexpr ByteMaps4 kSpread4 = make_spread4();
constexpr ByteMaps4 kPackUp4 = make_pack_up4();

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
