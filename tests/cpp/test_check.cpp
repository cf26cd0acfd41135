// SPDX-License-Identifier: Apache-2.0
// The checks must be able to fail: each is given something wrong and must count one failure.
#include <stdexcept>
#include <vector>

#include "check.h"

namespace {

using fastcoder::Error;
using fastcoder::ErrorKind;
using fastcoder::testing::failures;

// Runs `wrong`, which must report exactly one failure, and forgets that failure.
template <typename F>
void expect_failure(F&& wrong) {
  const int before = failures();
  wrong();
  const int counted = failures() - before;
  failures() = before;
  CHECK_EQ(counted, 1);
}

void throw_value_error() { throw Error(ErrorKind::kValue, "scales[3] = -1, expected > 0"); }

}  // namespace

TEST(true_statements_pass) {
  CHECK(1 + 1 == 2);
  CHECK_EQ(std::vector<int>({1, 2}).size(), 2u);
  CHECK_ERROR(ErrorKind::kValue, "scales[3] = -1", throw_value_error());
}

TEST(false_statements_fail) {
  expect_failure([] { CHECK(1 + 1 == 3); });
  expect_failure([] { CHECK_EQ(1, 2); });
}

TEST(wrong_errors_fail) {
  expect_failure([] { CHECK_ERROR(ErrorKind::kTable, "scales", throw_value_error()); });
  expect_failure([] { CHECK_ERROR(ErrorKind::kValue, "sigma", throw_value_error()); });
  expect_failure([] { CHECK_ERROR(ErrorKind::kValue, "", throw std::runtime_error("plain")); });
  expect_failure([] { CHECK_ERROR(ErrorKind::kValue, "", 1 + 1); });
}
