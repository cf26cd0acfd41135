// SPDX-License-Identifier: Apache-2.0
// Streams in pieces, for Python: Encoder and Decoder.
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "coder/decoder.h"
#include "coder/encoder.h"
#include "coder/owned_mutex.h"
#include "python/bindings.h"
#include "python/direct.h"
#include "python/intervals.h"
#include "python/parametric.h"
#include "python/turn.h"

namespace fastcoder {
namespace {

// Where a decoder stood, and the bytes that the copy borrows.
struct Snapshot {
  py::bytes stream;
  Decoder decoder;
};

// A decoder and the bytes that it borrows; one caller at a time.
class PyDecoder {
 public:
  explicit PyDecoder(py::bytes stream) : stream_(std::move(stream)), decoder_(byte_span(stream_)) {}

  // Whether the arguments were what a pull takes as they are; if not, nothing was done.
  bool pull_direct(py::handle indexes, const CdfTable& table, py::handle out) {
    const std::optional<DirectPull> pull = direct_pull(indexes, out, table.rows());
    if (!pull) return false;
    const Turn turn(mutex_, finished_, "decoder");
    const OptionalRelease release(pull->count);
    decoder_.pull(table, pull->indexes, pull->count, pull->symbols);
    return true;
  }

  void pull(const std::optional<py::array>& indexes, const TablePtr& table, py::array& out) {
    check_counts(indexes, element_count(out));
    const IndexSpan rows = index_span(indexes);
    const MutableSymbolSpan symbols = mutable_symbol_span(out);
    const uint64_t count = element_count(out);
    const Turn turn(mutex_, finished_, "decoder");
    const OptionalRelease release(count);
    decoder_.pull(*table, rows, count, symbols);
  }

  void finish() {
    const Turn turn(mutex_, finished_, "decoder");
    decoder_.finish();
    finished_ = true;
  }

  // Runs a task with the decoder to oneself.
  template <class Task>
  decltype(auto) take_turn(Task&& task) {
    const Turn turn(mutex_, finished_, "decoder");
    return task(decoder_);
  }

  double tell() {
    const Turn turn(mutex_, finished_, "decoder");
    return decoder_.tell();
  }

  Snapshot snapshot() {
    const Turn turn(mutex_, finished_, "decoder");
    return {stream_, decoder_};
  }

  // Also where it finished since.
  void restore(const Snapshot& snapshot) {
    const Turn turn(mutex_);
    if (!snapshot.stream.is(stream_)) {
      throw Error(ErrorKind::kValue, "snapshot = of another stream, expected one of this decoder");
    }
    decoder_ = snapshot.decoder;
    finished_ = false;
  }

 private:
  py::bytes stream_;
  Decoder decoder_;
  OwnedMutex mutex_;
  bool finished_ = false;
};

void push(Encoder& encoder, const py::array& symbols, const std::optional<py::array>& indexes,
          const TablePtr& table) {
  const Part part = make_part(symbols, indexes, *table);
  const GilRelease release;
  encoder.push(table, part.symbols, part.indexes, part.count);
}

py::bytes finish_encoder(const Encoder& encoder, uint32_t lanes, uint64_t segment, unsigned threads,
                         bool check) {
  return stream_to_python(UINT64_MAX, threads,
                          [&] { return encoder.finish({lanes, segment, threads, check}); });
}

}  // namespace

void bind_streaming(py::module_& m) {
  py::class_<Encoder> encoder(m, "Encoder");
  encoder.def(py::init<>())
      .def("push", &push, py::arg("symbols"), py::arg("indexes"), py::arg("table"))
      .def("finish", &finish_encoder, py::arg("lanes"), py::arg("segment"), py::arg("threads"),
           py::arg("check"));
  bind_interval_pushes(encoder, [](Encoder& self, std::vector<PackedInterval> intervals) {
    self.push_intervals(std::move(intervals));
  });
  bind_parametric_push(encoder);
  py::class_<Snapshot>(m, "Snapshot");
  py::class_<PyDecoder> decoder(m, "Decoder");
  decoder.def(py::init<py::bytes>(), py::arg("stream"))
      .def("pull_direct", &PyDecoder::pull_direct, py::arg("indexes"), py::arg("table"),
           py::arg("out"))
      .def("pull", &PyDecoder::pull, py::arg("indexes"), py::arg("table"), py::arg("out"))
      .def("finish", &PyDecoder::finish)
      .def("tell", &PyDecoder::tell)
      .def("snapshot", &PyDecoder::snapshot)
      .def("restore", &PyDecoder::restore, py::arg("snapshot"));
  bind_interval_pulls(decoder);
  bind_parametric_pull(decoder);
}

}  // namespace fastcoder
