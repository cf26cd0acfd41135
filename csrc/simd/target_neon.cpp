// SPDX-License-Identifier: Apache-2.0
// The NEON target. Every AArch64 processor has NEON, so the file needs no flags.
#define FASTCODER_ISA neon
#include "simd/vec_neon.h"
#include "simd/vector_groups-inl.h"

namespace fastcoder::neon {

extern const KernelTable kKernels;
constinit const KernelTable kKernels = {"neon",
                                        FASTCODER_KERNELS(encode_block, VectorGroups),
                                        FASTCODER_KERNELS(decode_block, VectorGroups),
                                        kParametricKernels,
                                        FASTCODER_MANY_KERNELS(encode_many),
                                        FASTCODER_MANY_KERNELS(decode_many)};

}  // namespace fastcoder::neon
