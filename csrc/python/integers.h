// SPDX-License-Identifier: Apache-2.0
// Python's own sequences of integers: lists and tuples to arrays and back, at the speed of a walk
// over their pointers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "coder/spans.h"
#include "python/bindings.h"

namespace fastcoder {

[[noreturn]] void throw_argument_type(const std::string& message);

inline bool is_list_or_tuple(py::handle value) {
  return PyList_Check(value.ptr()) || PyTuple_Check(value.ptr());
}

// An integer array that is there already, or the values of a list or tuple.
struct Integers {
  SymbolSpan span;
  uint64_t count = 0;
  py::object owner;                   // of an array's memory
  std::unique_ptr<int32_t[]> narrow;  // of a list's values
  std::unique_ptr<int64_t[]> wide;    // where int32 does not hold them

  int64_t at(uint64_t position) const;
};

// Nothing if `value` is neither a list nor a tuple nor an array that needs no conversion. Throws a
// TypeError that names the first item that is no integer, and `too_large` for one beyond 64 bits.
std::optional<Integers> integers_of(py::handle value, const std::string& name, ErrorKind too_large);

// The first `count` items of a list or tuple that has so many, into `out`; false if one of them is
// outside int32. Throws as integers_of.
bool fill_integers(py::handle sequence, const std::string& name, uint64_t count, int32_t* out);

py::list list_of(const int32_t* values, uint64_t count);
py::list list_of(const int64_t* values, uint64_t count);

}  // namespace fastcoder
