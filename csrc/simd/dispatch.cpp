// SPDX-License-Identifier: Apache-2.0
#include "simd/dispatch.h"

#include <atomic>
#include <cstdlib>

#include "base/error.h"

namespace fastcoder {

#define FASTCODER_DECLARE_ISA(isa)   \
  namespace isa {                    \
  extern const KernelTable kKernels; \
  }
FASTCODER_DECLARE_ISA(scalar)
#ifdef FASTCODER_HAS_sse41
FASTCODER_DECLARE_ISA(sse41)
#endif
#ifdef FASTCODER_HAS_avx2
FASTCODER_DECLARE_ISA(avx2)
#endif
#ifdef FASTCODER_HAS_avx512
FASTCODER_DECLARE_ISA(avx512)
#endif
#ifdef FASTCODER_HAS_neon
FASTCODER_DECLARE_ISA(neon)
#endif

namespace {

// In order of preference. An entry joins if this build has it and the CPU and the system can run
// it.
std::vector<const KernelTable*> usable_kernels() {
  std::vector<const KernelTable*> usable;
#ifdef FASTCODER_HAS_avx512
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    usable.push_back(&avx512::kKernels);
  }
#endif
#ifdef FASTCODER_HAS_avx2
  if (__builtin_cpu_supports("avx2")) usable.push_back(&avx2::kKernels);
#endif
#ifdef FASTCODER_HAS_sse41
  if (__builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("popcnt")) {
    usable.push_back(&sse41::kKernels);
  }
#endif
#ifdef FASTCODER_HAS_neon
  usable.push_back(&neon::kKernels);
#endif
  usable.push_back(&scalar::kKernels);
  return usable;
}

std::atomic<const KernelTable*> g_active{nullptr};

const KernelTable* find_kernels(const std::string& name, const char* argument) {
  std::string legal;
  for (const KernelTable* kernels : usable_kernels()) {
    if (name == kernels->name) return kernels;
    legal += legal.empty() ? "" : ", ";
    legal += kernels->name;
  }
  std::string printable = name;
  for (char& c : printable) c = c >= ' ' && c <= '~' ? c : '?';
  throw Error(ErrorKind::kIsa,
              std::string(argument) + " = '" + printable + "', expected one of " + legal);
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const KernelTable* kernels : usable_kernels()) names.emplace_back(kernels->name);
  return names;
}

const KernelTable& active_kernels() {
  const KernelTable* kernels = g_active.load(std::memory_order_acquire);
  if (kernels == nullptr) {
    const char* name = std::getenv("FASTCODER_ISA");
    kernels = name == nullptr || *name == '\0' ? usable_kernels().front()
                                               : find_kernels(name, "FASTCODER_ISA");
    g_active.store(kernels, std::memory_order_release);
  }
  return *kernels;
}

void use_isa(const std::string& name) {
  g_active.store(find_kernels(name, "isa"), std::memory_order_release);
}

}  // namespace fastcoder
