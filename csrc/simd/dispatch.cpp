// SPDX-License-Identifier: Apache-2.0
#include "simd/dispatch.h"

#include <atomic>
#include <cstdlib>

#include "base/error.h"

namespace fastcoder {

namespace scalar {
extern const KernelTable kKernels;
}

namespace {

// In order of preference. An entry joins once its CPU test passes.
std::vector<const KernelTable*> usable_kernels() { return {&scalar::kKernels}; }

std::atomic<const KernelTable*> g_active{nullptr};

const KernelTable* find_kernels(const std::string& name, const char* argument) {
  std::string legal;
  for (const KernelTable* kernels : usable_kernels()) {
    if (name == kernels->name) return kernels;
    legal += legal.empty() ? "" : ", ";
    legal += kernels->name;
  }
  throw Error(ErrorKind::kIsa, std::string(argument) + " = '" + name + "', expected one of " + legal);
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
