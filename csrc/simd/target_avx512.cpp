// SPDX-License-Identifier: Apache-2.0
// The AVX-512 target: F, BW, DQ and VL.
#define FASTCODER_ISA avx512
#include "simd/vec_avx512.h"
#include "simd/vector_groups-inl.h"

namespace fastcoder::avx512 {

extern const KernelTable kKernels;
constinit const KernelTable kKernels = {"avx512",
                                        FASTCODER_KERNELS(encode_block, VectorGroups),
                                        FASTCODER_KERNELS(decode_block, VectorGroups),
                                        kParametricKernels,
                                        FASTCODER_MANY_KERNELS(encode_many),
                                        FASTCODER_MANY_KERNELS(decode_many)};

}  // namespace fastcoder::avx512
