// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson and Bernstein, 2012) with the key 0: names tables, guards their bytes. It
// detects damage; it does not authenticate, since everybody knows the key.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fastcoder {

struct SipHashKey {
  uint64_t low = 0;
  uint64_t high = 0;
};

// The key is an argument only so that the published vectors can be checked.
inline uint64_t siphash_2_4(std::span<const uint8_t> bytes, SipHashKey key = {}) {
  uint64_t v0 = key.low ^ 0x736f6d6570736575;
  uint64_t v1 = key.high ^ 0x646f72616e646f6d;
  uint64_t v2 = key.low ^ 0x6c7967656e657261;
  uint64_t v3 = key.high ^ 0x7465646279746573;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto absorb = [&](uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  };
  const auto little_endian = [&](size_t position, size_t count) {
    uint64_t word = 0;
    for (size_t i = 0; i < count; ++i) word |= uint64_t{bytes[position + i]} << (8 * i);
    return word;
  };
  const size_t whole = bytes.size() / 8 * 8;
  for (size_t position = 0; position < whole; position += 8) absorb(little_endian(position, 8));
  absorb(little_endian(whole, bytes.size() - whole) | uint64_t{bytes.size() & 0xff} << 56);
  v2 ^= 0xff;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace fastcoder
