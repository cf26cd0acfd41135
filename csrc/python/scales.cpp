// SPDX-License-Identifier: Apache-2.0
// Scales and their indexes, for Python.
#include <vector>

#include "base/error.h"
#include "coder/distributions.h"
#include "coder/scale_indexer.h"
#include "python/bindings.h"

namespace fastcoder {
namespace {

Array<double> to_array(const std::vector<double>& values) {
  return Array<double>(static_cast<py::ssize_t>(values.size()), values.data());
}

template <class Sigma>
void index_scales(const Array<Sigma>& sigma, const Array<double>& thresholds, py::array& out) {
  const auto values = array_span(sigma);
  const auto limits = array_span(thresholds);
  if (element_count(out) != values.size()) throw_type("out", "another size", "that of sigma");
  const MutableSymbolSpan indexes = mutable_symbol_span(out);
  const GilRelease release;
  if (indexes.type == ElementType::kUint8) {
    scale_indexes(values.data(), values.size(), limits, static_cast<uint8_t*>(indexes.data));
  } else if (indexes.type == ElementType::kUint16) {
    scale_indexes(values.data(), values.size(), limits, static_cast<uint16_t*>(indexes.data));
  } else {
    throw Error(ErrorKind::kValue, "out.dtype = another, expected uint8 or uint16");
  }
}

}  // namespace

void bind_scales(py::module_& m) {
  m.def(
      "scale_table",
      [](double minimum, double maximum, int levels) {
        return to_array(scale_table(minimum, maximum, levels));
      },
      py::arg("minimum"), py::arg("maximum"), py::arg("levels"));
  m.def(
      "scale_thresholds",
      [](const Array<double>& scales, bool nearest) {
        return to_array(
            scale_thresholds(array_span(scales), nearest ? ScaleRule::kNearest : ScaleRule::kCeil));
      },
      py::arg("scales").noconvert(), py::arg("nearest"));
  m.def("scale_indexes", &index_scales<float>, py::arg("sigma").noconvert(),
        py::arg("thresholds").noconvert(), py::arg("out"));
  m.def("scale_indexes", &index_scales<double>, py::arg("sigma").noconvert(),
        py::arg("thresholds").noconvert(), py::arg("out"));
  m.attr("DEFAULT_SCALE_LEVELS") = kDefaultScaleLevels;
}

}  // namespace fastcoder
