// SPDX-License-Identifier: Apache-2.0
// How the makers of tables word their errors.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace fastcoder {

[[noreturn]] inline void fail_table(const std::string& message) {
  throw Error(ErrorKind::kTable, message);
}

// "name[row]" and "name[row][position]".
inline std::string place_in(const char* name, size_t row) {
  return std::string(name) + "[" + std::to_string(row) + "]";
}
inline std::string place_in(const char* name, size_t row, size_t position) {
  return place_in(name, row) + "[" + std::to_string(position) + "]";
}

}  // namespace fastcoder
