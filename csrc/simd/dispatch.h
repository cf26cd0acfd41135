// SPDX-License-Identifier: Apache-2.0
// Which kernels run: all policy is here. The choice never changes a byte of a stream.
#pragma once

#include <string>
#include <vector>

#include "simd/kernel_table.h"

namespace fastcoder {

// Names that this build has and this machine can run, best first.
std::vector<std::string> available_isas();

// The kernels in use. The first call obeys the environment variable FASTCODER_ISA; a name that is
// unknown or not available is an Error(kIsa) that lists the legal ones.
const KernelTable& active_kernels();

// Changes them for the whole process.
void use_isa(const std::string& name);

}  // namespace fastcoder
