// SPDX-License-Identifier: Apache-2.0
// The SSE4.1 target, with POPCNT.
#define FASTCODER_ISA sse41
#include "simd/vec_sse41.h"
#include "simd/vector_groups-inl.h"

namespace fastcoder::sse41 {

extern const KernelTable kKernels;
constinit const KernelTable kKernels = {"sse41",
                                        FASTCODER_KERNELS(encode_block, VectorGroups),
                                        FASTCODER_KERNELS(decode_block, VectorGroups),
                                        kParametricKernels,
                                        FASTCODER_MANY_KERNELS(encode_many),
                                        FASTCODER_MANY_KERNELS(decode_many)};

}  // namespace fastcoder::sse41
