// SPDX-License-Identifier: Apache-2.0
// Randomness that two machines share (docs/random.md): Philox4x32-10 of Salmon, Moraes, Dror and
// Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011), with a counter made of the position,
// so that any element of any candidate is found without those before it.
//
// Integer arithmetic only, the normal variates included: no rounding mode, fused multiply-add or
// libm can change a bit.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace fastcoder {

using PhiloxBlock = std::array<uint32_t, 4>;

// Ten rounds on `counter` with a 64-bit key, low word first.
PhiloxBlock philox(PhiloxBlock counter, uint64_t key);

// Word `element` of a candidate is word element mod 4 of the block whose counter is
// {element div 4, candidate}, 64 bits each, low word first; the seed is the key.
struct RandomPlace {
  uint64_t seed = 0;
  uint64_t candidate = 0;
  uint64_t element = 0;  // the first; those after it must not pass 2^64
};

// What elements [place.element, place.element + out.size()) are made into:
void random_words(const RandomPlace& place, std::span<uint32_t> out);
// (w + 1/2) / 2^32 as double, (w div 2^9 + 1/2) / 2^23 as float: exact, inside (0, 1).
void random_uniforms(const RandomPlace& place, std::span<double> out);
void random_uniforms(const RandomPlace& place, std::span<float> out);
// normal_variate(w) / 2^32; exact as double, rounded once as float.
void random_normals(const RandomPlace& place, std::span<double> out);
void random_normals(const RandomPlace& place, std::span<float> out);

// A cubic per cell: z 2^32 = c0 + f (c1 + f (c2 + f c3)) for f in [0, 1), by Hermite's rule from
// correctly rounded values and slopes of z = -Phi^-1(p). Cell 64 e + j begins at
// p = 2^e (1 + j / 64) / 2^33, so that the cells shrink with the tail.
inline constexpr uint32_t kNormalCells = 2048;
using NormalCell = std::array<int64_t, 4>;
const std::array<NormalCell, kNormalCells>& normal_cells();

// Phi^-1((w + 1/2) / 2^32) in units of 2^-32, off by less than 5 of them.
int64_t normal_variate(uint32_t word);

}  // namespace fastcoder
