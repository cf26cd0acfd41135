// SPDX-License-Identifier: Apache-2.0
// Streams in pieces, for Python: Encoder and Decoder.
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "coder/decoder.h"
#include "coder/encoder.h"
#include "python/bindings.h"

namespace fastcoder {
namespace {

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

}  // namespace

void bind_streaming(py::module_& m) {
  py::class_<Encoder>(m, "Encoder")
      .def(py::init<>())
      .def("push", &push, py::arg("symbols"), py::arg("indexes"), py::arg("table"))
      .def("finish", &finish_encoder, py::arg("lanes"), py::arg("segment"), py::arg("threads"),
           py::arg("check"));
  py::class_<PyDecoder>(m, "Decoder")
      .def(py::init<py::bytes>(), py::arg("stream"))
      .def("pull", &PyDecoder::pull, py::arg("indexes"), py::arg("table"), py::arg("out"))
      .def("finish", &PyDecoder::finish);
}

}  // namespace fastcoder
