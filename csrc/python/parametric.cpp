// SPDX-License-Identifier: Apache-2.0
// Parametric models, for Python.
#include "python/parametric.h"

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "coder/parametric_tables.h"

namespace fastcoder {
namespace {

Family family_of(const std::string& name) {
  if (name == "gaussian") return Family::kGaussian;
  if (name == "laplace") return Family::kLaplace;
  if (name == "logistic") return Family::kLogistic;
  throw Error(ErrorKind::kValue,
              "family = " + name + ", expected \"gaussian\", \"laplace\" or \"logistic\"");
}

// A float32 or float64 array through `fix`, whichever it is.
template <class Fix>
auto fix_array(const py::array& array, const char* name, Fix&& fix) {
  if (py::isinstance<Array<float>>(array)) return fix(array_span(Array<float>(array)));
  if (py::isinstance<Array<double>>(array)) return fix(array_span(Array<double>(array)));
  throw_type(name, py::str(array.dtype()), "float32 or float64, contiguous");
}

ModelPtr make_real(const std::string& family, const py::array& mean, const py::array& scale,
                   int64_t low, int64_t high) {
  Component component;
  component.family = family_of(family);
  component.means = fix_array(mean, "mean", [](auto values) {
    const GilRelease release;
    return fix_means(values);
  });
  component.scales = fix_array(scale, "scale", [](auto values) {
    const GilRelease release;
    return fix_scales(values);
  });
  return std::make_shared<ParametricModel>(low, high, std::vector<Component>{component});
}

ModelPtr make_fixed(const std::string& family, const Array<int32_t>& mean,
                    const Array<uint16_t>& scale, int64_t low, int64_t high) {
  Component component;
  component.family = family_of(family);
  component.means = copy_means(array_span(mean));
  component.scales = copy_scales(array_span(scale));
  return std::make_shared<ParametricModel>(low, high, std::vector<Component>{component});
}

ModelPtr make_mixture(const std::vector<ModelPtr>& models,
                      const std::vector<Array<double>>& weights) {
  if (models.empty() || weights.size() != models.size()) {
    throw Error(ErrorKind::kValue, "len(weights) = " + std::to_string(weights.size()) +
                                       ", expected " + std::to_string(models.size()));
  }
  std::vector<std::span<const double>> spans;
  uint64_t count = 1;
  for (const auto& array : weights) {
    spans.push_back(array_span(array));
    if (spans.back().size() != 1) count = spans.back().size();
  }
  std::vector<Component> components;
  for (const ModelPtr& model : models) components.push_back(model->components().front());
  const GilRelease release;
  std::vector<FixedWeights> fixed = fix_weights(spans, count);
  for (size_t k = 0; k < components.size(); ++k) components[k].weights = std::move(fixed[k]);
  return std::make_shared<ParametricModel>(models[0]->low(), models[0]->high(),
                                           std::move(components));
}

template <class T>
Array<T> to_array(const Parameters<T>& parameters) {
  return Array<T>(static_cast<py::ssize_t>(parameters.count), parameters.values.get());
}

void intervals(const ParametricModel& model, const py::array& symbols, Array<uint32_t>& starts,
               Array<uint32_t>& frequencies) {
  const SymbolSpan span = symbol_span(symbols);
  const uint64_t count = element_count(symbols);
  check_counts(starts, count);
  check_counts(frequencies, count);
  uint32_t* const first = starts.mutable_data();
  uint32_t* const second = frequencies.mutable_data();
  const GilRelease release;
  model.intervals(span, count, first, second);
}

void find(const ParametricModel& model, const Array<uint32_t>& values, Array<int32_t>& out) {
  const auto span = array_span(values);
  check_counts(out, span.size());
  int32_t* const symbols = out.mutable_data();
  const GilRelease release;
  model.find(span, symbols);
}

double cost(const ParametricModel& model, const py::array& symbols) {
  const SymbolSpan span = symbol_span(symbols);
  const uint64_t count = element_count(symbols);
  const GilRelease release;
  return model.cost(span, count);
}

Array<int32_t> knots(const std::string& family) {
  const CdfKnots values = cdf_knots(family_of(family));
  return Array<int32_t>(static_cast<py::ssize_t>(values.size()), values.data());
}

}  // namespace

void bind_parametric(py::module_& m) {
  const auto component = [](const ParametricModel& model, size_t k) -> const Component& {
    return model.components().at(k);
  };
  py::class_<ParametricModel, ModelPtr>(m, "ParametricModel")
      .def_static("from_real", &make_real, py::arg("family"), py::arg("mean"), py::arg("scale"),
                  py::arg("low"), py::arg("high"))
      .def_static("from_fixed", &make_fixed, py::arg("family"), py::arg("mean").noconvert(),
                  py::arg("scale").noconvert(), py::arg("low"), py::arg("high"))
      .def_static("mixture", &make_mixture, py::arg("models"), py::arg("weights"))
      .def_property_readonly("low", &ParametricModel::low)
      .def_property_readonly("high", &ParametricModel::high)
      .def("means", [=](const ParametricModel& self,
                        size_t k) { return to_array(component(self, k).means); })
      .def("scales", [=](const ParametricModel& self,
                         size_t k) { return to_array(component(self, k).scales); })
      .def("weights", [=](const ParametricModel& self,
                          size_t k) { return to_array(component(self, k).weights); })
      .def("intervals", &intervals, py::arg("symbols"), py::arg("starts").noconvert(),
           py::arg("frequencies").noconvert())
      .def("find", &find, py::arg("values").noconvert(), py::arg("out").noconvert())
      .def("cost", &cost, py::arg("symbols"));
  m.def("parametric_knots", &knots, py::arg("family"));
}

}  // namespace fastcoder
