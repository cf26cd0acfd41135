// SPDX-License-Identifier: Apache-2.0
// Cumulative rows as torchac takes them: one row per symbol, in floats that are rounded here or in
// 16-bit integers, where 2^16 is written as 0.
#pragma once

#include <bit>
#include <cstdint>

#include "base/attributes.h"

namespace fastcoder {

enum class BinaryElement : uint8_t { kInt16, kFloat32, kFloat64 };

// `count` rows of `length` contiguous entries.
struct BinaryRows {
  const void* data = nullptr;
  BinaryElement element = BinaryElement::kInt16;
  uint64_t count = 0;
  uint64_t length = 2;
  uint64_t stride = 2;  // entries from a row to the next; 0 if it is the same one
  // Of floats: entry k of a row is round(x (2^16 - slots)) + k, else round(x 2^16); halves go to
  // even. Then no slot of a non-decreasing row is empty.
  bool normalize = true;
  // Of floats: whether all of them have to be in [0, 1], in rows that do not decrease.
  bool check = true;

  uint64_t slots() const { return length - 1; }
};

// A row needs a slot, and 2^16 slots have no more room.
constexpr uint64_t kBinaryLeastLength = 2;
constexpr uint64_t kBinaryMostLength = 65537;

// The integers of a float's row. A sum with 1.5 * 2^(digits - 1) has no place for a fraction and is
// rounded by the processor, halves to even; its last bits are the integer, up to 2^21 or 2^50
// exactly, modulo 2^16 at least. Whatever else comes in is only bits.
template <class Float>
struct BinaryRounding;

template <>
struct BinaryRounding<float> {
  using Bits = uint32_t;
  using Signed = int32_t;
  static constexpr float kMagic = 12582912.0f;
  static constexpr Bits kOne = 0x3F800000;
};

template <>
struct BinaryRounding<double> {
  using Bits = uint64_t;
  using Signed = int64_t;
  static constexpr double kMagic = 6755399441055744.0;
  static constexpr Bits kOne = 0x3FF0000000000000;
};

template <class Float>
struct BinaryQuantizer {
  using Bits = typename BinaryRounding<Float>::Bits;

  explicit BinaryQuantizer(const BinaryRows& rows)
      : scale(static_cast<Float>(rows.normalize ? 65536 - rows.slots() : 65536)),
        places(rows.normalize ? 0xFFFF : 0) {}

  // Only differences of these and their last 16 bits mean something. The place is not added yet.
  FASTCODER_ALWAYS_INLINE Bits bits(Float x) const {
    return std::bit_cast<Bits>(x * scale + BinaryRounding<Float>::kMagic);
  }
  FASTCODER_ALWAYS_INLINE uint16_t entry(Float x, uint32_t k) const {
    return static_cast<uint16_t>(static_cast<uint16_t>(bits(x)) +
                                 (static_cast<uint16_t>(k) & places));
  }
  // The sign bit is set if an entry is less than the one before it.
  FASTCODER_ALWAYS_INLINE Bits rise(Float before, Float x) const {
    return bits(x) - bits(before) + (places & 1);
  }

  Float scale;
  uint16_t places;
};

// Throws if a float of rows [first, first + count) is not in [0, 1], or a row decreases by more
// than rounding takes; nothing is looked at unless `rows.check`.
void check_binary_rows(const BinaryRows& rows, uint64_t first, uint64_t count);

// The starts of the slots of float rows [first, first + count), each followed by the last entry,
// `stride` apart.
void convert_binary_rows(const BinaryRows& rows, uint64_t first, uint64_t count, uint64_t stride,
                         uint16_t* out);

// Throws unless the length is legal.
void check_binary_length(const BinaryRows& rows);

const char* binary_rows_name(const BinaryRows& rows);

}  // namespace fastcoder
