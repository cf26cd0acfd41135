// SPDX-License-Identifier: Apache-2.0
// The AVX-512 target: F, BW, DQ and VL.
#define FASTCODER_ISA avx512
#include "simd/vec_avx512.h"

#include "simd/decode-inl.h"
#include "simd/encode-inl.h"
#include "simd/export-inl.h"

namespace fastcoder::avx512 {

extern const KernelTable kKernels;
constinit const KernelTable kKernels = {"avx512", FASTCODER_KERNELS(encode),
                                        FASTCODER_KERNELS(decode)};

}  // namespace fastcoder::avx512
