// SPDX-License-Identifier: Apache-2.0
// Messages of torchac, for Python. python/fastcoder/compat/torchac.py made the arrays contiguous
// and looked at their shapes.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "compat/binary_decoder.h"
#include "compat/binary_encoder.h"
#include "python/bindings.h"
#include "python/direct.h"

namespace fastcoder {
namespace {

BinaryElement element_of(const py::array& cdf) {
  if (cdf.dtype().equal(py::dtype::of<float>())) return BinaryElement::kFloat32;
  if (cdf.dtype().equal(py::dtype::of<double>())) return BinaryElement::kFloat64;
  if (cdf.dtype().equal(py::dtype::of<int16_t>())) return BinaryElement::kInt16;
  throw_type("cdf", py::str(cdf.dtype()), "float32, float64 or int16");
}

// One row per symbol; rows may have any distance, their entries none.
BinaryRows rows_of(const py::array& cdf, uint64_t symbols, bool normalize, bool check) {
  const BinaryElement element = element_of(cdf);
  const py::ssize_t size = cdf.itemsize();
  const bool aligned = (cdf.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  if (cdf.ndim() != 2)
    throw Error(ErrorKind::kValue, "cdf.ndim = " + std::to_string(cdf.ndim()) + ", expected 2");
  if (static_cast<uint64_t>(cdf.shape(0)) != symbols || !aligned ||
      (symbols != 0 && cdf.strides(1) != size) ||
      (symbols > 1 && (cdf.strides(0) < 0 || cdf.strides(0) % size != 0))) {
    throw Error(ErrorKind::kValue, "cdf.shape[0] = " + std::to_string(cdf.shape(0)) +
                                       ", expected contiguous rows for " + std::to_string(symbols) +
                                       " symbols");
  }
  BinaryRows rows;
  rows.data = cdf.data();
  rows.element = element;
  rows.count = symbols;
  rows.length = static_cast<uint64_t>(cdf.shape(1));
  rows.stride = symbols > 1 ? static_cast<uint64_t>(cdf.strides(0) / size) : 0;
  rows.normalize = normalize;
  rows.check = check;
  return rows;
}

py::bytes encode(const py::array& cdf, const Array<int16_t>& symbols, bool normalize, bool check) {
  const uint64_t count = element_count(symbols);
  const BinaryRows rows = rows_of(cdf, count, normalize, check);
  std::vector<uint8_t> bytes;
  {
    const OptionalRelease release(element_count(cdf));
    bytes = encode_binary(rows, symbols.data());
  }
  return to_python(bytes);
}

void decode(const py::array& cdf, const py::bytes& stream, bool normalize, bool check,
            Array<int16_t>& out) {
  const uint64_t count = element_count(out);
  const BinaryRows rows = rows_of(cdf, count, normalize, check);
  int16_t* symbols = out.mutable_data();
  const std::span<const uint8_t> bytes = byte_span(stream);
  const OptionalRelease release(element_count(cdf));
  decode_binary(rows, bytes, symbols);
}

}  // namespace

void bind_compat_torchac(py::module_& m) {
  m.def("encode_binary", &encode, py::arg("cdf"), py::arg("sym").noconvert(), py::arg("normalize"),
        py::arg("check"));
  m.def("decode_binary", &decode, py::arg("cdf"), py::arg("byte_stream"), py::arg("normalize"),
        py::arg("check"), py::arg("out").noconvert());
}

}  // namespace fastcoder
