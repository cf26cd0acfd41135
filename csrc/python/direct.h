// SPDX-License-Identifier: Apache-2.0
// Arrays that need no conversion, recognized without a call into Python: exactly numpy.ndarray (a
// subclass may mean something else, as a masked array does), in C order, aligned, in native byte
// order. Whatever is not so goes the long way through python/fastcoder/_arrays.py, which converts
// it or says what is wrong with it; nothing here raises.
#pragma once

#include <optional>

#include "coder/encoder.h"
#include "python/bindings.h"

namespace fastcoder {

// Releases the GIL if there is work for long enough: to give it away and to take it again costs as
// much as a hundred symbols, and where another thread wants it, much more.
class OptionalRelease {
 public:
  explicit OptionalRelease(uint64_t count) {
    if (count >= kWorthwhile) release_.emplace();
  }

 private:
  static constexpr uint64_t kWorthwhile = 4096;  // 3 to 30 us
  std::optional<GilRelease> release_;
};

// The bytes that `encode` makes, written into a Python object without a copy between.
template <class Encode>
py::bytes stream_to_python(uint64_t count, unsigned threads, Encode&& encode) {
  std::optional<EncodedStream> stream;
  {
    const OptionalRelease release(count);
    stream.emplace(encode());
  }
  // Uninitialized, and unknown to anybody else until it is returned.
  auto bytes = py::reinterpret_steal<py::bytes>(
      PyBytes_FromStringAndSize(nullptr, static_cast<py::ssize_t>(stream->size())));
  if (!bytes) throw py::error_already_set();
  uint8_t* out = reinterpret_cast<uint8_t*>(PyBytes_AS_STRING(bytes.ptr()));
  const OptionalRelease release(count);
  stream->write(out, threads);
  return bytes;
}

// Symbols, and indexes (None for a table of one row) of their shape.
std::optional<Part> direct_part(py::handle symbols, py::handle indexes, const CdfTable& table);
// The same for any kind of table with so many rows; its own pointer stays null.
std::optional<Part> direct_part(py::handle symbols, py::handle indexes, uint64_t rows);

struct DirectPull {
  IndexSpan indexes;
  MutableSymbolSpan symbols;
  uint64_t count = 0;
  py::object copy;  // of the indexes, where they have strides; what `indexes` then looks at
};

// `indexes` (None for a table of one row; strides are fine) and a writable `out` of their shape
// that shares no memory with them.
std::optional<DirectPull> direct_pull(py::handle indexes, py::handle out, uint64_t rows);

bool is_ndarray(py::handle value);

}  // namespace fastcoder
