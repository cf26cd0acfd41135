// SPDX-License-Identifier: Apache-2.0
// 32 entries at once: from 64 slots on a symbol takes a fifth less.
#define FASTCODER_ISA binary_avx512
#include "compat/binary_kernel-inl.h"

namespace fastcoder::binary_avx512 {

extern const BinaryDecodeKernels kKernels;
constinit const BinaryDecodeKernels kKernels = kFunctions;

}  // namespace fastcoder::binary_avx512
