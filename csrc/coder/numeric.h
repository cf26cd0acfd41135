// SPDX-License-Identifier: Apache-2.0
// Elementary functions that give the same bits on every machine. Tables are made from them, and a
// table that differs by one count between two machines cannot decode; libm promises no bits.
//
// Only + - * / and integer operations on the bits, in a fixed order, compiled with
// -ffp-contract=off. No function returns a subnormal: results below the smallest normal number are
// 0, so a host program that flushes subnormals changes nothing.
#pragma once

#include <bit>
#include <cfloat>
#include <cstdint>
#include <limits>
#include <string>

namespace fastcoder::numeric {

static_assert(FLT_EVAL_METHOD == 0, "doubles must be rounded after every operation (no x87)");
static_assert(std::numeric_limits<double>::is_iec559);

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// x is neither NaN nor infinite; decided on the bits, so that no compiler flag can remove it.
constexpr bool is_finite(double x) { return (std::bit_cast<uint64_t>(x) >> 52 & 0x7ff) != 0x7ff; }

// Measured against long double in tests/cpp/test_tables.cpp, which fails above these bounds:
double exp(double x);   // relative error < 4e-16 wherever the result is normal
double log(double x);   // x > 0 and normal; relative error < 6e-16
double log2(double x);  // x > 0 and normal; relative error < 6e-16; exact at powers of two
double erfc(double x);  // relative error < 4e-15 up to x = 26.5, where it becomes 0

// log2(1 + 1 / n) for n >= 1: what one more count is worth. Relative error < 6e-16, and strictly
// decreasing in n up to 2^16, on which the optimality of pmf_quantizer.cpp rests.
double log2_step(uint32_t n);

// The value for an error message: the fewest of 6, 15 or 17 digits that read back as it; "nan" for
// every NaN.
std::string text_of(double value);

}  // namespace fastcoder::numeric
