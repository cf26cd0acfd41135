// SPDX-License-Identifier: Apache-2.0
// Which kernels a machine may choose from, and in which order.
#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

TEST(the_best_isa_comes_first_and_scalar_last) {
#if defined(__x86_64__)
  const std::vector<std::string> best_first = {"avx512", "avx2", "sse41", "scalar"};
  const std::vector<std::string> always = {"scalar"};
#elif defined(__aarch64__) && defined(__AARCH64EL__)
  const std::vector<std::string> best_first = {"neon", "scalar"};
  const std::vector<std::string> always = best_first;
#else
  const std::vector<std::string> best_first = {"scalar"};
  const std::vector<std::string> always = best_first;
#endif
  const std::vector<std::string> isas = available_isas();
  const auto place = [&](const std::string& isa) {
    return std::find(best_first.begin(), best_first.end(), isa);
  };
  for (const std::string& isa : isas) CHECK(place(isa) != best_first.end());
  for (const std::string& isa : always) CHECK(std::count(isas.begin(), isas.end(), isa) == 1);
  CHECK(std::is_sorted(isas.begin(), isas.end(),
                       [&](const auto& a, const auto& b) { return place(a) < place(b); }));
}

TEST(every_isa_of_the_list_can_be_used) {
  const std::string former = active_kernels().name;
  for (const std::string& isa : available_isas()) {
    use_isa(isa);
    CHECK_EQ(std::string(active_kernels().name), isa);
  }
  use_isa(former);
  for (const std::string& isa : available_isas()) {
    CHECK_ERROR(ErrorKind::kIsa, isa, use_isa("6502"));
  }
  CHECK_ERROR(ErrorKind::kIsa, "isa = '6502?', expected one of ", use_isa("6502\n"));
  CHECK_EQ(std::string(active_kernels().name), former);
}

}  // namespace
}  // namespace fastcoder
