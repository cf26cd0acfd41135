// SPDX-License-Identifier: Apache-2.0
// The entry point of libFuzzer, for the one target that a program is linked with.
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fastcoder::fuzz::Input input(data, size);
  fastcoder::fuzz::targets().front().run(input);
  return 0;
}
