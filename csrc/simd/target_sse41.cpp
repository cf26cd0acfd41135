// SPDX-License-Identifier: Apache-2.0
// The SSE4.1 target, with POPCNT.
#define FASTCODER_ISA sse41
#include "simd/vec_sse41.h"

#include "simd/decode-inl.h"
#include "simd/encode-inl.h"
#include "simd/export-inl.h"

namespace fastcoder::sse41 {

extern const KernelTable kKernels;
constinit const KernelTable kKernels = {"sse41", FASTCODER_KERNELS(encode),
                                        FASTCODER_KERNELS(decode)};

}  // namespace fastcoder::sse41
