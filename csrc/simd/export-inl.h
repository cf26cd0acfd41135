// SPDX-License-Identifier: Apache-2.0
// Lists a target's kernels in the order of the enums in kernel_table.h.
#pragma once

#include "simd/kernel_table.h"

#define FASTCODER_KERNELS_OF_SYMBOL(function, Width, Symbol)          \
  {&function<Width, Symbol, void>, &function<Width, Symbol, uint8_t>, \
   &function<Width, Symbol, uint16_t>, &function<Width, Symbol, int32_t>}
#define FASTCODER_KERNELS_OF_WIDTH(function, Width)       \
  {FASTCODER_KERNELS_OF_SYMBOL(function, Width, int8_t),  \
   FASTCODER_KERNELS_OF_SYMBOL(function, Width, int16_t), \
   FASTCODER_KERNELS_OF_SYMBOL(function, Width, int32_t)}
#define FASTCODER_KERNELS(function) \
  {FASTCODER_KERNELS_OF_WIDTH(function, Narrow), FASTCODER_KERNELS_OF_WIDTH(function, Wide)}
