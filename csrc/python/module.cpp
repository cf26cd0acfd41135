// SPDX-License-Identifier: Apache-2.0
// The only file that includes pybind11; slightly over 400 lines, because there is to be only one.
// Each function accepts arrays that python/fastcoder/_arrays.py made contiguous, takes typed views,
// releases the GIL, calls the core, and wraps the result. Releasing the GIL is safe everywhere
// below: all Python objects were turned into spans before, are kept alive by the caller's
// references, and nothing in coder/ touches a Python object. A thread that writes to an array
// meanwhile gets some symbols or an error: what was checked was copied before.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "coder/cdf_table.h"
#include "coder/cost.h"
#include "coder/decoder.h"
#include "coder/distributions.h"
#include "coder/encoder.h"
#include "coder/parallel.h"
#include "coder/scale_indexer.h"
#include "simd/dispatch.h"

namespace py = pybind11;

namespace fastcoder {
namespace {

using TablePtr = std::shared_ptr<CdfTable>;
template <class T>
using Array = py::array_t<T, py::array::c_style>;

// The class of fastcoder.errors for each kind. Imported once, when the module is loaded.
PyObject* g_error_classes[9] = {};

void import_error_classes() {
  const py::module_ errors = py::module_::import("fastcoder.errors");
  const auto set = [&](ErrorKind kind, const char* name) {
    g_error_classes[static_cast<size_t>(kind)] =
        errors.attr(name).cast<py::object>().release().ptr();
  };
  set(ErrorKind::kValue, "ArgumentError");
  set(ErrorKind::kTable, "TableError");
  set(ErrorKind::kIndexRange, "IndexRangeError");
  set(ErrorKind::kSymbolRange, "SymbolRangeError");
  set(ErrorKind::kTruncated, "TruncatedStreamError");
  set(ErrorKind::kCorrupt, "CorruptStreamError");
  set(ErrorKind::kVersion, "FormatVersionError");
  set(ErrorKind::kIsa, "IsaError");
}

[[noreturn]] void throw_type(const char* argument, const std::string& found, const char* expected) {
  throw py::type_error(std::string(argument) + ".dtype = " + found + ", expected " + expected);
}

// Integer arrays only, contiguous, in native byte order; the Python layer sees to that.
ElementType element_type(const py::array& array, const char* argument) {
  const py::dtype dtype = array.dtype();
  const bool usable = (array.flags() & py::array::c_style) != 0 &&
                      (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0 &&
                      (dtype.byteorder() == '=' || dtype.byteorder() == '|');
  const bool is_signed = dtype.kind() == 'i';
  if (usable && (is_signed || dtype.kind() == 'u')) {
    switch (dtype.itemsize()) {
      case 1:
        return is_signed ? ElementType::kInt8 : ElementType::kUint8;
      case 2:
        return is_signed ? ElementType::kInt16 : ElementType::kUint16;
      case 4:
        return is_signed ? ElementType::kInt32 : ElementType::kUint32;
      default:
        if (is_signed) return ElementType::kInt64;
    }
  }
  throw_type(argument, py::str(dtype), "a contiguous integer array");
}

SymbolSpan symbol_span(const py::array& array) {
  return {array.data(), element_type(array, "symbols")};
}

MutableSymbolSpan mutable_symbol_span(py::array& array) {
  const ElementType type = element_type(array, "out");
  return {array.mutable_data(), type};
}

IndexSpan index_span(const std::optional<py::array>& array) {
  if (!array) return {};
  const ElementType type = element_type(*array, "indexes");
  switch (type) {
    case ElementType::kUint8:
    case ElementType::kUint16:
    case ElementType::kInt32:
    case ElementType::kInt64:
      return {array->data(), type};
    default:
      throw_type("indexes", py::str(array->dtype()), "uint8, uint16, int32 or int64");
  }
}

uint64_t element_count(const py::array& array) { return static_cast<uint64_t>(array.size()); }

void check_counts(const std::optional<py::array>& indexes, uint64_t count) {
  if (indexes && element_count(*indexes) != count) {
    throw Error(ErrorKind::kValue, "indexes.size = " + std::to_string(element_count(*indexes)) +
                                       ", expected " + std::to_string(count));
  }
}

std::span<const uint8_t> byte_span(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return {reinterpret_cast<const uint8_t*>(view.data()), view.size()};
}

py::bytes to_python(const std::vector<uint8_t>& bytes) {
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <class T>
std::span<const T> array_span(const Array<T>& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

TablePtr share(std::shared_ptr<const CdfTable> table) {
  return std::const_pointer_cast<CdfTable>(std::move(table));
}

Part make_part(const py::array& symbols, const std::optional<py::array>& indexes,
               const CdfTable& table) {
  check_counts(indexes, element_count(symbols));
  return {&table, symbol_span(symbols), index_span(indexes), element_count(symbols)};
}

py::bytes encode(const py::array& symbols, const std::optional<py::array>& indexes,
                 const TablePtr& table, uint32_t lanes, uint64_t segment, unsigned threads) {
  const Part part = make_part(symbols, indexes, *table);
  std::vector<uint8_t> bytes;
  {
    const py::gil_scoped_release release;
    bytes = encode_one_shot(part, {lanes, segment, threads, false});
  }
  return to_python(bytes);
}

void check_stream(const py::bytes& stream, const TablePtr& table, uint64_t count) {
  check_one_shot(byte_span(stream), *table, count);
}

void decode(const py::bytes& stream, const std::optional<py::array>& indexes, const TablePtr& table,
            py::array& out, unsigned threads) {
  check_counts(indexes, element_count(out));
  const auto bytes = byte_span(stream);
  const IndexSpan rows = index_span(indexes);
  const MutableSymbolSpan symbols = mutable_symbol_span(out);
  const uint64_t count = element_count(out);
  const py::gil_scoped_release release;
  decode_one_shot(bytes, *table, rows, count, symbols, threads);
}

// Runs `task(i)` for many messages; an error says which one it is about.
template <class Task>
void for_messages(uint64_t count, unsigned threads, Task&& task) {
  parallel_for(count, threads, [&](uint64_t i) {
    try {
      task(i);
    } catch (const Error& error) {
      throw Error(error.kind(), std::string(error.what()) + " (message " + std::to_string(i) + ")");
    }
  });
}

void check_lengths(const char* name, size_t found, size_t expected) {
  if (found == expected) return;
  throw Error(ErrorKind::kValue, std::string("len(") + name + ") = " + std::to_string(found) +
                                     ", expected " + std::to_string(expected));
}

using OptionalArrays = std::vector<std::optional<py::array>>;

std::vector<py::bytes> encode_many(const std::vector<py::array>& symbols,
                                   const OptionalArrays& indexes, const TablePtr& table,
                                   uint32_t lanes, uint64_t segment, unsigned threads) {
  check_lengths("indexes", indexes.size(), symbols.size());
  std::vector<Part> parts;
  for (size_t i = 0; i < symbols.size(); ++i) {
    parts.push_back(make_part(symbols[i], indexes[i], *table));
  }
  std::vector<std::vector<uint8_t>> streams(parts.size());
  {
    const py::gil_scoped_release release;
    for_messages(parts.size(), threads, [&](uint64_t i) {
      streams[i] = encode_one_shot(parts[i], {lanes, segment, 1, false});
    });
  }
  std::vector<py::bytes> result;
  for (const auto& stream : streams) result.push_back(to_python(stream));
  return result;
}

void decode_many(const std::vector<py::bytes>& streams, const OptionalArrays& indexes,
                 const TablePtr& table, std::vector<py::array> out, unsigned threads) {
  check_lengths("indexes", indexes.size(), streams.size());
  check_lengths("out", out.size(), streams.size());
  std::vector<std::span<const uint8_t>> bytes;
  std::vector<IndexSpan> rows;
  std::vector<MutableSymbolSpan> symbols;
  std::vector<uint64_t> counts;
  for (size_t i = 0; i < streams.size(); ++i) {
    check_counts(indexes[i], element_count(out[i]));
    bytes.push_back(byte_span(streams[i]));
    rows.push_back(index_span(indexes[i]));
    symbols.push_back(mutable_symbol_span(out[i]));
    counts.push_back(element_count(out[i]));
  }
  const py::gil_scoped_release release;
  for_messages(streams.size(), threads, [&](uint64_t i) {
    decode_one_shot(bytes[i], *table, rows[i], counts[i], symbols[i], 1);
  });
}

// A decoder and the bytes and tables that it borrows.
class PyDecoder {
 public:
  explicit PyDecoder(py::bytes stream) : stream_(std::move(stream)), decoder_(byte_span(stream_)) {}

  void pull(const std::optional<py::array>& indexes, const TablePtr& table, py::array& out) {
    check_counts(indexes, element_count(out));
    const IndexSpan rows = index_span(indexes);
    const MutableSymbolSpan symbols = mutable_symbol_span(out);
    const uint64_t count = element_count(out);
    const py::gil_scoped_release release;
    decoder_.pull(*table, rows, count, symbols);
  }

  void finish() const {
    const py::gil_scoped_release release;
    decoder_.finish();
  }

 private:
  py::bytes stream_;
  Decoder decoder_;
};

void push(Encoder& encoder, const py::array& symbols, const std::optional<py::array>& indexes,
          const TablePtr& table) {
  const Part part = make_part(symbols, indexes, *table);
  const py::gil_scoped_release release;
  encoder.push(table, part.symbols, part.indexes, part.count);
}

py::bytes finish_encoder(const Encoder& encoder, uint32_t lanes, uint64_t segment, unsigned threads,
                         bool check) {
  std::vector<uint8_t> bytes;
  {
    const py::gil_scoped_release release;
    bytes = encoder.finish({lanes, segment, threads, check});
  }
  return to_python(bytes);
}

double cost_of(const py::array& symbols, const std::optional<py::array>& indexes,
               const TablePtr& table) {
  const Part part = make_part(symbols, indexes, *table);
  const py::gil_scoped_release release;
  return cost(part);
}

Array<double> to_array(const std::vector<double>& values) {
  return Array<double>(static_cast<py::ssize_t>(values.size()), values.data());
}

template <class Sigma>
void index_scales(const Array<Sigma>& sigma, const Array<double>& thresholds, py::array& out) {
  const auto values = array_span(sigma);
  const auto limits = array_span(thresholds);
  if (element_count(out) != values.size()) throw_type("out", "another size", "that of sigma");
  const MutableSymbolSpan indexes = mutable_symbol_span(out);
  const py::gil_scoped_release release;
  if (indexes.type == ElementType::kUint8) {
    scale_indexes(values.data(), values.size(), limits, static_cast<uint8_t*>(indexes.data));
  } else if (indexes.type == ElementType::kUint16) {
    scale_indexes(values.data(), values.size(), limits, static_cast<uint16_t*>(indexes.data));
  } else {
    throw Error(ErrorKind::kValue, "out.dtype = another, expected uint8 or uint16");
  }
}

void bind_tables(py::module_& m) {
  py::class_<CdfTable, TablePtr>(m, "CdfTable")
      .def_static(
          "from_pmf",
          [](const Array<double>& pmf, const Array<uint32_t>& lengths,
             const Array<int32_t>& offsets, int precision, bool escape) {
            const py::gil_scoped_release release;
            return share(CdfTable::from_pmf(array_span(pmf), array_span(lengths),
                                            array_span(offsets), precision, escape));
          },
          py::arg("pmf").noconvert(), py::arg("lengths").noconvert(),
          py::arg("offsets").noconvert(), py::arg("precision"), py::arg("escape"))
      .def_static(
          "from_cdf",
          [](const Array<uint32_t>& cdf, const Array<uint32_t>& slots,
             const Array<int32_t>& offsets, int precision, bool escape) {
            const py::gil_scoped_release release;
            return share(CdfTable::from_cdf(array_span(cdf), array_span(slots), array_span(offsets),
                                            precision, escape));
          },
          py::arg("cdf").noconvert(), py::arg("slots").noconvert(), py::arg("offsets").noconvert(),
          py::arg("precision"), py::arg("escape"))
      .def_static(
          "from_bytes",
          [](const py::bytes& bytes) {
            const auto span = byte_span(bytes);
            const py::gil_scoped_release release;
            return share(CdfTable::from_bytes(span));
          },
          py::arg("bytes"))
      .def_static(
          "from_scales",
          [](const std::string& distribution, const Array<double>& scales, int precision,
             double tail_mass) {
            const py::gil_scoped_release release;
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

void bind_coding(py::module_& m) {
  m.def("encode", &encode, py::arg("symbols"), py::arg("indexes"), py::arg("table"),
        py::arg("lanes"), py::arg("segment"), py::arg("threads"));
  m.def("decode", &decode, py::arg("stream"), py::arg("indexes"), py::arg("table"), py::arg("out"),
        py::arg("threads"));
  m.def("check_stream", &check_stream, py::arg("stream"), py::arg("table"), py::arg("count"));
  m.def("encode_many", &encode_many, py::arg("symbols"), py::arg("indexes"), py::arg("table"),
        py::arg("lanes"), py::arg("segment"), py::arg("threads"));
  m.def("decode_many", &decode_many, py::arg("streams"), py::arg("indexes"), py::arg("table"),
        py::arg("out"), py::arg("threads"));
  m.def("cost", &cost_of, py::arg("symbols"), py::arg("indexes"), py::arg("table"));

  py::class_<Encoder>(m, "Encoder")
      .def(py::init<>())
      .def("push", &push, py::arg("symbols"), py::arg("indexes"), py::arg("table"))
      .def("finish", &finish_encoder, py::arg("lanes"), py::arg("segment"), py::arg("threads"),
           py::arg("check"));
  m.def(
      "check_options",
      [](uint32_t lanes, uint64_t segment) { check_options({lanes, segment, 1, false}); },
      py::arg("lanes"), py::arg("segment"));
  py::class_<PyDecoder>(m, "Decoder")
      .def(py::init<py::bytes>(), py::arg("stream"))
      .def("pull", &PyDecoder::pull, py::arg("indexes"), py::arg("table"), py::arg("out"))
      .def("finish", &PyDecoder::finish);
}

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

}  // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  import_error_classes();
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      PyErr_SetString(g_error_classes[static_cast<size_t>(error.kind())], error.what());
    }
  });
  bind_tables(m);
  bind_coding(m);
  bind_scales(m);
  m.def("available_isas", &available_isas);
  m.def("active_isa", [] { return std::string(active_kernels().name); });
  m.def("use_isa", &use_isa, py::arg("isa"));
  m.attr("VERSION") = FASTCODER_VERSION;
}

}  // namespace fastcoder
