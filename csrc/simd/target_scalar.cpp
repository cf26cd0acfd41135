// SPDX-License-Identifier: Apache-2.0
// The scalar target: what every machine can run.
#define FASTCODER_ISA scalar
#include "simd/export-inl.h"

namespace fastcoder::scalar {

extern const KernelTable kKernels;
constinit const KernelTable kKernels = {"scalar",
                                        FASTCODER_KERNELS(encode_block, SerialGroups),
                                        FASTCODER_KERNELS(decode_block, SerialGroups),
                                        kParametricKernels,
                                        FASTCODER_MANY_KERNELS(encode_many),
                                        FASTCODER_MANY_KERNELS(decode_many)};

}  // namespace fastcoder::scalar
