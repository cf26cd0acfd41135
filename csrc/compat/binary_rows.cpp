// SPDX-License-Identifier: Apache-2.0
#include "compat/binary_rows.h"

#include <cmath>
#include <cstdio>
#include <string>

#include "base/error.h"

namespace fastcoder {
namespace {

template <class Float>
std::string number(Float value) {
  if (std::isnan(value)) return "nan";
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", static_cast<double>(value));
  return text;
}

std::string position(uint64_t row, uint64_t k) {
  return "[" + std::to_string(row) + "][" + std::to_string(k) + "]";
}

// Why a row was found to be wrong; nothing if only a zero has a sign.
template <class Float>
void explain_row(const BinaryQuantizer<Float>& quantizer, const Float* row, uint64_t number_of_row,
                 uint64_t length) {
  using Signed = typename BinaryRounding<Float>::Signed;
  for (uint64_t k = 0; k < length; ++k) {
    if (row[k] >= 0 && row[k] <= 1) continue;
    throw Error(ErrorKind::kTable, "cdf_float" + position(number_of_row, k) + " = " +
                                       number(row[k]) + ", expected 0 <= cdf_float <= 1");
  }
  for (uint64_t k = 1; k < length; ++k) {
    if (static_cast<Signed>(quantizer.rise(row[k - 1], row[k])) >= 0) continue;
    throw Error(ErrorKind::kTable, "cdf_float" + position(number_of_row, k) + " = " +
                                       number(row[k]) + ", expected at least " +
                                       number(row[k - 1]) + ", the entry before");
  }
}

// Whether a float of a row is not in [0, 1] or `rise(before, x)` is below 0 for two that follow
// each other. A float that is not negative is ordered as its bits are. Only sign bits are gathered
// and nothing is branched on, so that the loop becomes vector instructions.
template <class Float, class Rise>
FASTCODER_ALWAYS_INLINE bool is_wrong(const Float* row, uint64_t length, const Rise& rise) {
  using Bits = typename BinaryRounding<Float>::Bits;
  const auto outside = [](Float x) {
    const Bits bits = std::bit_cast<Bits>(x);
    return bits | (BinaryRounding<Float>::kOne - bits);
  };
  Bits wrong = outside(row[length - 1]);
  for (uint64_t k = 0; k + 1 < length; ++k) wrong |= outside(row[k]) | rise(row[k], row[k + 1]);
  return static_cast<typename BinaryRounding<Float>::Signed>(wrong) < 0;
}

// Few rows decrease even before they are rounded; the others need not be.
template <class Float>
void check_rows(const BinaryRows& rows, uint64_t first, uint64_t count) {
  using Bits = typename BinaryRounding<Float>::Bits;
  const BinaryQuantizer<Float> quantizer(rows);
  const auto rise = [](Float before, Float x) {
    return std::bit_cast<Bits>(x) - std::bit_cast<Bits>(before);
  };
  const auto rounded_rise = [&](Float before, Float x) { return quantizer.rise(before, x); };
  for (uint64_t i = first; i < first + count; ++i) {
    const Float* row = static_cast<const Float*>(rows.data) + i * rows.stride;
    if (is_wrong(row, rows.length, rise) && is_wrong(row, rows.length, rounded_rise)) {
      explain_row(quantizer, row, i, rows.length);
    }
  }
}

template <class Float>
void convert_rows(const BinaryRows& rows, uint64_t first, uint64_t count, uint64_t stride,
                  uint16_t* out) {
  const BinaryQuantizer<Float> quantizer(rows);
  const uint32_t length = static_cast<uint32_t>(rows.length);
  for (uint64_t i = 0; i < count; ++i) {
    const Float* row = static_cast<const Float*>(rows.data) + (first + i) * rows.stride;
    uint16_t* entries = out + i * stride;
    for (uint32_t k = 0; k < length; ++k) {
      entries[k] = quantizer.entry(row[k], k);
    }
  }
}

}  // namespace

void check_binary_rows(const BinaryRows& rows, uint64_t first, uint64_t count) {
  if (!rows.check || rows.element == BinaryElement::kInt16) return;
  if (rows.element == BinaryElement::kFloat32) return check_rows<float>(rows, first, count);
  check_rows<double>(rows, first, count);
}

void convert_binary_rows(const BinaryRows& rows, uint64_t first, uint64_t count, uint64_t stride,
                         uint16_t* out) {
  if (rows.element == BinaryElement::kFloat32) {
    return convert_rows<float>(rows, first, count, stride, out);
  }
  convert_rows<double>(rows, first, count, stride, out);
}

void check_binary_length(const BinaryRows& rows) {
  if (rows.length >= kBinaryLeastLength && rows.length <= kBinaryMostLength) return;
  throw Error(ErrorKind::kTable, std::string(binary_rows_name(rows)) + ".shape[1] = " +
                                     std::to_string(rows.length) + ", expected 2 <= size <= 65537");
}

const char* binary_rows_name(const BinaryRows& rows) {
  return rows.element == BinaryElement::kInt16 ? "cdf_int" : "cdf_float";
}

}  // namespace fastcoder
