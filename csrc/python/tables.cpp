// SPDX-License-Identifier: Apache-2.0
// Tables, for Python.
#include <memory>
#include <string>

#include "coder/cdf_table.h"
#include "coder/distributions.h"
#include "python/bindings.h"

namespace fastcoder {
namespace {

TablePtr share(std::shared_ptr<const CdfTable> table) {
  return std::const_pointer_cast<CdfTable>(std::move(table));
}

}  // namespace

void bind_tables(py::module_& m) {
  py::class_<CdfTable, TablePtr>(m, "CdfTable")
      .def_static(
          "from_pmf",
          [](const Array<double>& pmf, const Array<uint32_t>& lengths,
             const Array<int32_t>& offsets, int precision, bool escape) {
            const GilRelease release;
            return share(CdfTable::from_pmf(array_span(pmf), array_span(lengths),
                                            array_span(offsets), precision, escape));
          },
          py::arg("pmf").noconvert(), py::arg("lengths").noconvert(),
          py::arg("offsets").noconvert(), py::arg("precision"), py::arg("escape"))
      .def_static(
          "from_cdf",
          [](const Array<uint32_t>& cdf, const Array<uint32_t>& slots,
             const Array<int32_t>& offsets, int precision, bool escape) {
            const GilRelease release;
            return share(CdfTable::from_cdf(array_span(cdf), array_span(slots), array_span(offsets),
                                            precision, escape));
          },
          py::arg("cdf").noconvert(), py::arg("slots").noconvert(), py::arg("offsets").noconvert(),
          py::arg("precision"), py::arg("escape"))
      .def_static(
          "from_bytes",
          [](const py::bytes& bytes) {
            const auto span = byte_span(bytes);
            const GilRelease release;
            return share(CdfTable::from_bytes(span));
          },
          py::arg("bytes"))
      .def_static(
          "from_scales",
          [](const std::string& distribution, const Array<double>& scales, int precision,
             double tail_mass) {
            const GilRelease release;
            const auto build = distribution == "gaussian"  ? &gaussian_table
                               : distribution == "laplace" ? &laplace_table
                                                           : &logistic_table;
            return share(build(array_span(scales), precision, tail_mass));
          },
          py::arg("distribution"), py::arg("scales").noconvert(), py::arg("precision"),
          py::arg("tail_mass"))
      .def_property_readonly("rows", &CdfTable::rows)
      .def_property_readonly("precision", &CdfTable::precision)
      .def_property_readonly("escape", &CdfTable::escape)
      .def_property_readonly("fingerprint", &CdfTable::fingerprint)
      .def("offsets",
           [](const CdfTable& table) {
             const auto offsets = table.offsets();
             return Array<int32_t>(static_cast<py::ssize_t>(offsets.size()), offsets.data());
           })
      .def(
          "cdf",
          [](const CdfTable& table, size_t row) {
            const auto cdf = table.cdf(row);
            return Array<uint32_t>(static_cast<py::ssize_t>(cdf.size()), cdf.data());
          },
          py::arg("row"))
      .def("to_bytes", [](const CdfTable& table) { return to_python(table.to_bytes()); });
}

}  // namespace fastcoder
