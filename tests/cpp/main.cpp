// SPDX-License-Identifier: Apache-2.0
// Runs every registered case, or those whose name contains the first argument. No case at all is a
// failure: a filter that matches nothing, or a file that forgot to register, must not look green.
#include <cstdio>
#include <exception>
#include <string>

#include "check.h"

int main(int argc, char** argv) {
  namespace testing = fastcoder::testing;
  const std::string filter = argc > 1 ? argv[1] : "";
  int ran = 0;
  for (const testing::Case& test : testing::cases()) {
    if (std::string(test.name).find(filter) == std::string::npos) continue;
    const int before = testing::failures();
    try {
      test.run();
    } catch (const std::exception& error) {
      testing::fail(test.name, 0, std::string("unexpected exception: ") + error.what());
    }
    std::printf("%s %s\n", testing::failures() == before ? "ok    " : "FAILED", test.name);
    ++ran;
  }
  std::printf("%d cases, %d failed checks\n", ran, testing::failures());
  return ran > 0 && testing::failures() == 0 ? 0 : 1;
}
