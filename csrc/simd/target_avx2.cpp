// SPDX-License-Identifier: Apache-2.0
// The AVX2 target: everything AVX2 in the program, and nothing else.
#define FASTCODER_ISA avx2
#include "simd/vec_avx2.h"
#include "simd/vector_groups-inl.h"

namespace fastcoder::avx2 {

extern const KernelTable kKernels;
constinit const KernelTable kKernels = {"avx2",
                                        FASTCODER_KERNELS(encode_block, VectorGroups),
                                        FASTCODER_KERNELS(decode_block, VectorGroups),
                                        kParametricKernels,
                                        FASTCODER_MANY_KERNELS(encode_many),
                                        FASTCODER_MANY_KERNELS(decode_many)};

}  // namespace fastcoder::avx2
