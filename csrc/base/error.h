// SPDX-License-Identifier: Apache-2.0
// The one exception type of the C++ core. It is thrown by coder/ only: format/ and simd/ return
// status values, and csrc/python/module.cpp turns each kind into the Python class of that name.
#pragma once

#include <stdexcept>
#include <string>

namespace fastcoder {

enum class ErrorKind {
  kValue,          // an argument outside its legal interval
  kTable,          // a row that is not a distribution, a bad precision, damaged table bytes
  kIndexRange,     // indexes[i] names no row
  kSymbolRange,    // a symbol that its row, or the requested dtype, cannot hold
  kTruncated,      // the stream ends before its symbols do
  kNeedMoreBytes,  // the bytes so far end before the symbols do
  kCorrupt,        // the stream contradicts itself, the table or the indexes
  kVersion,        // written by a newer or older format
  kIsa,            // an instruction set that is unknown or not available
};

// what() follows the grammar `<argument>[<position>] = <value>, expected <interval>`.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace fastcoder
