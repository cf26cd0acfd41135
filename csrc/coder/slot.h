// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace fastcoder {

// One interval of a row. The row's total is known from the row.
struct Slot {
  uint32_t slot;
  uint32_t start;
  uint32_t frequency;
};

}  // namespace fastcoder
