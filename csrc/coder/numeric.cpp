// SPDX-License-Identifier: Apache-2.0
#include "coder/numeric.h"

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace fastcoder::numeric {
namespace {

constexpr double kLog2E = 0x1.71547652b82fep+0;    // 1 / ln 2
constexpr double kLn2High = 0x1.62e42feep-1;       // 32 bits: an exponent times it is exact
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;  // ln 2 - kLn2High
constexpr double kPi = 0x1.921fb54442d18p+1;
constexpr double kTwoOverSqrtPi = 0x1.20dd750429b6dp+0;
constexpr double kSqrtTwo = 0x1.6a09e667f3bcdp+0;

// Horner's rule; coefficients from the constant term upwards.
template <size_t N>
constexpr double polynomial(const std::array<double, N>& coefficients, double x) {
  double sum = coefficients[N - 1];
  for (size_t i = N - 1; i-- > 0;) sum = sum * x + coefficients[i];
  return sum;
}

// 2^n for a normal result.
constexpr double power_of_two(int n) {
  return std::bit_cast<double>(static_cast<uint64_t>(n + 1023) << 52);
}

// 1 / n! for n = 0..13: |r| <= ln(2) / 2 leaves r^14 / 14! < 5e-18.
constexpr std::array<double, 14> kExpSeries = [] {
  std::array<double, 14> series{};
  double factorial = 1.0;
  for (size_t n = 0; n < series.size(); ++n) {
    if (n > 0) factorial *= static_cast<double>(n);
    series[n] = 1.0 / factorial;
  }
  return series;
}();

// exp = 2^k * exp(r) with r = x - k ln 2.
constexpr double exp_impl(double x) {
  if (x > 709.782712893384) return kInfinity;
  if (x < -708.39) return 0.0;
  if (x != x) return x;
  const double scaled = x * kLog2E;
  const int k = static_cast<int>(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  const double series = polynomial(kExpSeries, r);
  return k > 1023 ? series * power_of_two(1023) * power_of_two(k - 1023) : series * power_of_two(k);
}

// 2 / (2 n + 1): the series of 2 atanh(s) / s in s^2. |s| <= 0.1716 leaves s^24 / 25 < 2e-20.
constexpr std::array<double, 12> kAtanhSeries = [] {
  std::array<double, 12> series{};
  for (size_t n = 0; n < series.size(); ++n) series[n] = 2.0 / static_cast<double>(2 * n + 1);
  return series;
}();

// x = mantissa * 2^exponent with mantissa in [sqrt(1/2), sqrt(2)).
struct Split {
  double mantissa;
  int exponent;
};

constexpr Split split(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double mantissa = std::bit_cast<double>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (mantissa >= kSqrtTwo) {
    mantissa *= 0.5;
    ++exponent;
  }
  return {mantissa, exponent};
}

constexpr double log_mantissa(double mantissa) {
  const double s = (mantissa - 1.0) / (mantissa + 1.0);
  return s * polynomial(kAtanhSeries, s * s);
}

// erfc, x < 1: 1 - erf with the Maclaurin series of erf(x) / x in x^2,
// 2 / sqrt(pi) * (-1)^n / (n! (2 n + 1)). The first term left out is below 1e-19.
constexpr std::array<double, 19> kErfSeries = [] {
  std::array<double, 19> series{};
  double factorial = 1.0;
  for (size_t n = 0; n < series.size(); ++n) {
    if (n > 0) factorial *= static_cast<double>(n);
    const double term = kTwoOverSqrtPi / (factorial * static_cast<double>(2 * n + 1));
    series[n] = n % 2 == 0 ? term : -term;
  }
  return series;
}();

// erfc, x >= 1: the trapezoidal rule of step h for the integral
//
//   erfc(x) = 2 x exp(-x^2) / pi * integral_0^inf exp(-t^2) / (x^2 + t^2) dt
//
// converges geometrically: with h = 1/2 its error is the residue 2 / (exp(2 pi x / h) - 1), which
// is subtracted, and terms of relative size exp(-pi^2 / h^2) < 1e-17. Twelve terms reach
// exp(-t^2) = exp(-36); the thirteenth is below 1e-18.
//
//   h / (2 x^2) + h * sum exp(-n^2 h^2) / (x^2 + n^2 h^2)  =  numerator(x^2) / denominator(x^2)
//
// All coefficients are positive, so nothing cancels and one division replaces thirteen.
constexpr size_t kTrapezoidTerms = 12;

struct Rational {
  std::array<double, kTrapezoidTerms + 1> numerator;
  std::array<double, kTrapezoidTerms + 2> denominator;
};

constexpr Rational kTrapezoid = [] {
  constexpr double kStep = 0.5;
  std::array<double, kTrapezoidTerms + 1> poles{};
  std::array<double, kTrapezoidTerms + 1> weights{};
  for (size_t n = 0; n <= kTrapezoidTerms; ++n) {
    poles[n] = static_cast<double>(n * n) * (kStep * kStep);
    weights[n] = n == 0 ? 0.5 : exp_impl(-poles[n]);
  }
  Rational rational{};
  rational.denominator[0] = 1.0;
  for (size_t n = 0; n <= kTrapezoidTerms; ++n) {
    // denominator *= (x^2 + pole)
    for (size_t i = n + 1; i-- > 0;) {
      rational.denominator[i + 1] += rational.denominator[i];
      rational.denominator[i] *= poles[n];
    }
  }
  for (size_t skipped = 0; skipped <= kTrapezoidTerms; ++skipped) {
    std::array<double, kTrapezoidTerms + 1> product{};
    product[0] = 1.0;
    size_t degree = 0;
    for (size_t n = 0; n <= kTrapezoidTerms; ++n) {
      if (n == skipped) continue;
      ++degree;
      for (size_t i = degree; i-- > 0;) {
        product[i + 1] += product[i];
        product[i] *= poles[n];
      }
    }
    for (size_t i = 0; i <= kTrapezoidTerms; ++i) {
      rational.numerator[i] += 2.0 * kStep / kPi * weights[skipped] * product[i];
    }
  }
  return rational;
}();

// exp(-x * x) with the rounding error of the square put back: without it the relative error at
// x = 26 would be 4e-14. Both halves of x have at most 26 bits, so their products are exact.
double exp_minus_square(double x) {
  const double shifted = x * 134217729.0;  // 2^27 + 1
  const double high = shifted - (shifted - x);
  const double low = x - high;
  const double square = x * x;
  const double error = ((high * high - square) + 2.0 * high * low) + low * low;
  return exp_impl(-square) * (1.0 - error);
}

double erfc_positive(double x) {
  if (x < 1.0) return 1.0 - x * polynomial(kErfSeries, x * x);
  if (x >= 26.5) return 0.0;
  const double square = x * x;
  const double trapezoid = exp_minus_square(x) * x * polynomial(kTrapezoid.numerator, square) /
                           polynomial(kTrapezoid.denominator, square);
  if (x >= 5.0) return trapezoid;  // the residue is below 1e-16 of the result
  return trapezoid - 2.0 / (exp_impl(4.0 * kPi * x) - 1.0);
}

// log2_step(n) = log2(1 + 1/n) = 2 / ln 2 * atanh(1 / (2 n + 1)). From 16 on, s <= 1/33 leaves
// s^14 / 15 < 4e-23.
constexpr double log2_step_from_16(uint32_t n) {
  const double s = 1.0 / (2.0 * n + 1.0);
  const double t = s * s;
  const double series =
      1.0 + t * (1.0 / 3 + t * (1.0 / 5 + t * (1.0 / 7 + t * (1.0 / 9 + t * (1.0 / 11)))));
  return 2.0 * kLog2E * s * series;
}

// Most frequencies of a table are small, and every one of them is asked for several times.
constexpr uint32_t kSteps = 1024;
constexpr std::array<double, kSteps> kStep = [] {
  std::array<double, kSteps> steps{};
  for (uint32_t n = 1; n < 16; ++n) {
    const double s = 1.0 / static_cast<double>(2 * n + 1);
    double sum = 0.0;
    double power = s;
    std::array<double, 24> terms{};
    for (size_t k = 0; k < terms.size(); ++k) {
      terms[k] = power / static_cast<double>(2 * k + 1);
      power *= s * s;
    }
    for (size_t k = terms.size(); k-- > 0;) sum += terms[k];
    steps[n] = 2.0 * sum * kLog2E;
  }
  for (uint32_t n = 16; n < kSteps; ++n) steps[n] = log2_step_from_16(n);
  return steps;
}();

}  // namespace

double exp(double x) { return exp_impl(x); }

double log(double x) {
  const Split parts = split(x);
  const double exponent = parts.exponent;
  return exponent * kLn2High + (log_mantissa(parts.mantissa) + exponent * kLn2Low);
}

double log2(double x) {
  const Split parts = split(x);
  return parts.exponent + log_mantissa(parts.mantissa) * kLog2E;
}

double erfc(double x) {
  if (x != x) return x;
  return x < 0.0 ? 2.0 - erfc_positive(-x) : erfc_positive(x);
}

double log2_step(uint32_t n) { return n < kSteps ? kStep[n] : log2_step_from_16(n); }

std::string text_of(double value) {
  if (value != value) return "nan";
  char text[40];
  for (const int digits : {6, 15, 17}) {
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (std::strtod(text, nullptr) == value) break;
  }
  return text;
}

}  // namespace fastcoder::numeric
