// SPDX-License-Identifier: Apache-2.0
// What every compiler of this platform makes: on x86-64 SSE2, which is part of it.
#define FASTCODER_ISA binary_plain
#include "compat/binary_kernel-inl.h"

namespace fastcoder::binary_plain {

extern const BinaryDecodeKernels kKernels;
constinit const BinaryDecodeKernels kKernels = kFunctions;

}  // namespace fastcoder::binary_plain
