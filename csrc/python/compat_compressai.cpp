// SPDX-License-Identifier: Apache-2.0
// CompressAI's coder for Python. What an argument must be is
// python/fastcoder/compat/compressai.py's to say; functions here return None where one needs a
// conversion first, and then did nothing.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "compat/quantized_cdf.h"
#include "compat/rans64_decoder.h"
#include "compat/rans64_encoder.h"
#include "compat/rans64_table.h"
#include "python/bindings.h"
#include "python/direct.h"
#include "python/integers.h"
#include "python/turn.h"

namespace fastcoder {
namespace {

// ---- tables -------------------------------------------------------------------------------------

[[noreturn]] void throw_table(const std::string& what) { throw Error(ErrorKind::kTable, what); }

[[noreturn]] void throw_outside(const std::string& name, int64_t value) {
  throw_table(name + " = " + std::to_string(value) + ", expected 0 <= value <= 65536");
}

[[noreturn]] void throw_changing(const std::string& name) {
  throw Error(ErrorKind::kValue, name + " = changing, expected a list at rest");
}

int32_t checked_size(const Integers& sizes, uint64_t row, uint64_t length) {
  const int64_t size = sizes.at(row);
  if (size < 2 || static_cast<uint64_t>(size) > length || size > INT32_MAX) {
    throw_table("cdfs_sizes[" + std::to_string(row) + "] = " + std::to_string(size) +
                ", expected 2 <= size <= " + std::to_string(length) + ", the length of the row");
  }
  return static_cast<int32_t>(size);
}

// Entries are checked by Rans64Table; here it matters only that int32 holds them.
void append_row(const Integers& row, const std::string& name, uint64_t first, int32_t size,
                std::vector<int32_t>& cdf) {
  const size_t begin = cdf.size();
  cdf.resize(begin + static_cast<size_t>(size));
  visit_elements(row.span.data, row.span.type, [&](const auto* values) {
    for (uint64_t k = 0; k < static_cast<uint64_t>(size); ++k) {
      const int64_t value = values[first + k];
      if (value != static_cast<int32_t>(value)) {
        throw_outside(name + "[" + std::to_string(k) + "]", value);
      }
      cdf[begin + k] = static_cast<int32_t>(value);
    }
  });
}

bool append_rows_of_array(py::handle cdfs, const Integers& sizes, Rans64Content& content) {
  const auto array = py::reinterpret_borrow<py::array>(cdfs);
  if (array.ndim() != 2) return false;
  const std::optional<Integers> values = integers_of(cdfs, "cdfs", ErrorKind::kTable);
  if (!values) return false;
  const uint64_t stride = static_cast<uint64_t>(array.shape(1));
  for (uint64_t r = 0; r < sizes.count; ++r) {
    const int32_t size = checked_size(sizes, r, stride);
    append_row(*values, "cdfs[" + std::to_string(r) + "]", r * stride, size, content.cdf);
    content.sizes.push_back(size);
  }
  return true;
}

bool append_rows_of_sequence(py::handle cdfs, const Integers& sizes, Rans64Content& content) {
  // Not PySequence_Tuple: a subclass may iterate over less than it holds.
  const auto rows = PyList_Check(cdfs.ptr())
                        ? py::reinterpret_steal<py::object>(PyList_AsTuple(cdfs.ptr()))
                        : py::reinterpret_borrow<py::object>(cdfs);
  if (!rows) throw py::error_already_set();
  if (static_cast<uint64_t>(PyTuple_GET_SIZE(rows.ptr())) < sizes.count) throw_changing("cdfs");
  for (uint64_t r = 0; r < sizes.count; ++r) {
    const py::handle row = PyTuple_GET_ITEM(rows.ptr(), static_cast<Py_ssize_t>(r));
    const std::string name = "cdfs[" + std::to_string(r) + "]";
    if (is_list_or_tuple(row)) {
      const int32_t size =
          checked_size(sizes, r, static_cast<uint64_t>(PySequence_Fast_GET_SIZE(row.ptr())));
      const size_t begin = content.cdf.size();
      content.cdf.resize(begin + static_cast<size_t>(size));
      if (!fill_integers(row, name, static_cast<uint64_t>(size), content.cdf.data() + begin)) {
        const Integers wide = *integers_of(row, name, ErrorKind::kTable);
        if (wide.count < static_cast<uint64_t>(size)) throw_changing(name);
        content.cdf.resize(begin);
        append_row(wide, name, 0, size, content.cdf);
      }
      content.sizes.push_back(size);
      continue;
    }
    if (!is_ndarray(row) || py::reinterpret_borrow<py::array>(row).ndim() != 1) return false;
    const std::optional<Integers> values = integers_of(row, name, ErrorKind::kTable);
    if (!values) return false;
    const int32_t size = checked_size(sizes, r, values->count);
    append_row(*values, name, 0, size, content.cdf);
    content.sizes.push_back(size);
  }
  return true;
}

void check_length(const char* name, uint64_t found, uint64_t expected) {
  if (found == expected) return;
  throw_table(std::string("len(") + name + ") = " + std::to_string(found) + ", expected " +
              std::to_string(expected) + ", as many as rows");
}

// An argument as the table's rows are looked at: one pass, and nothing of the padding.
Rans64TablePtr table_of(py::handle cdfs, py::handle cdfs_sizes, py::handle offsets) {
  const bool is_array = is_ndarray(cdfs) && py::reinterpret_borrow<py::array>(cdfs).ndim() == 2;
  if (!is_array && !is_list_or_tuple(cdfs)) return nullptr;
  const std::optional<Integers> sizes = integers_of(cdfs_sizes, "cdfs_sizes", ErrorKind::kTable);
  if (!sizes) return nullptr;
  const std::optional<Integers> starts = integers_of(offsets, "offsets", ErrorKind::kTable);
  if (!starts) return nullptr;
  const uint64_t rows =
      is_array ? static_cast<uint64_t>(py::reinterpret_borrow<py::array>(cdfs).shape(0))
               : static_cast<uint64_t>(PySequence_Fast_GET_SIZE(cdfs.ptr()));
  check_length("cdfs_sizes", sizes->count, rows);
  check_length("offsets", starts->count, rows);
  Rans64Content content;
  content.sizes.reserve(rows);
  content.offsets.reserve(rows);
  for (uint64_t r = 0; r < rows; ++r) {
    const int64_t offset = starts->at(r);
    if (offset != static_cast<int32_t>(offset)) {
      throw_table("offsets[" + std::to_string(r) + "] = " + std::to_string(offset) +
                  ", expected -2**31 <= offset < 2**31");
    }
    content.offsets.push_back(static_cast<int32_t>(offset));
  }
  const bool done = is_array ? append_rows_of_array(cdfs, *sizes, content)
                             : append_rows_of_sequence(cdfs, *sizes, content);
  return done ? rans64_table(std::move(content)) : nullptr;
}

// ---- streams ------------------------------------------------------------------------------------

// Symbols and as many indexes; nothing if one of them needs a conversion.
struct CodingArguments {
  Integers symbols;
  Integers indexes;
  Rans64Part part;
};

void check_same_count(uint64_t indexes, uint64_t symbols) {
  if (indexes == symbols) return;
  throw Error(ErrorKind::kValue, "len(indexes) = " + std::to_string(indexes) + ", expected " +
                                     std::to_string(symbols) + ", as many as symbols");
}

IndexSpan as_index_span(const Integers& integers) {
  return {integers.span.data, integers.span.type};
}

std::optional<CodingArguments> coding_arguments(py::handle symbols, py::handle indexes) {
  std::optional<Integers> values = integers_of(symbols, "symbols", ErrorKind::kSymbolRange);
  if (!values) return std::nullopt;
  std::optional<Integers> rows = integers_of(indexes, "indexes", ErrorKind::kIndexRange);
  if (!rows) return std::nullopt;
  check_same_count(rows->count, values->count);
  CodingArguments result{std::move(*values), std::move(*rows), {}};
  result.part = {result.symbols.span, as_index_span(result.indexes), result.symbols.count};
  return result;
}

py::bytes bytes_of(const Rans64Stream& stream) {
  auto bytes = py::reinterpret_steal<py::bytes>(
      PyBytes_FromStringAndSize(nullptr, static_cast<py::ssize_t>(stream.size())));
  if (!bytes) throw py::error_already_set();
  stream.write(reinterpret_cast<uint8_t*>(PyBytes_AS_STRING(bytes.ptr())));
  return bytes;
}

py::object encode(py::handle symbols, py::handle indexes, const Rans64TablePtr& table) {
  const std::optional<CodingArguments> arguments = coding_arguments(symbols, indexes);
  if (!arguments) return py::none();
  std::optional<Rans64Stream> stream;
  {
    const OptionalRelease release(arguments->part.count);
    stream.emplace(encode_rans64(arguments->part, *table));
  }
  return bytes_of(*stream);
}

py::object encode_many(const py::sequence& symbols, const py::sequence& indexes,
                       const Rans64TablePtr& table) {
  std::vector<CodingArguments> arguments;
  std::vector<Rans64Part> parts;
  const auto kept_symbols = py::reinterpret_steal<py::tuple>(PySequence_Tuple(symbols.ptr()));
  const auto kept_indexes = py::reinterpret_steal<py::tuple>(PySequence_Tuple(indexes.ptr()));
  if (!kept_symbols || !kept_indexes) throw py::error_already_set();
  check_same_count(kept_indexes.size(), kept_symbols.size());
  uint64_t count = 0;
  for (size_t i = 0; i < kept_symbols.size(); ++i) {
    std::optional<CodingArguments> one = coding_arguments(kept_symbols[i], kept_indexes[i]);
    if (!one) return py::none();
    count += one->part.count;
    parts.push_back(one->part);
    arguments.push_back(std::move(*one));
  }
  std::vector<Rans64Stream> streams;
  {
    const OptionalRelease release(count);
    streams = encode_rans64_many(parts, *table);
  }
  py::list result(streams.size());
  for (size_t i = 0; i < streams.size(); ++i) result[i] = bytes_of(streams[i]);
  return result;
}

// Indexes, and room for as many symbols in the shape and kind of sequence that they have.
class Output {
 public:
  Output(py::handle indexes, Integers rows)
      : indexes_(py::reinterpret_borrow<py::object>(indexes)), rows_(std::move(rows)) {
    if (is_list_or_tuple(indexes)) return;
    const auto array = py::reinterpret_borrow<py::array>(indexes);
    shape_ = std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim());
  }

  uint64_t count() const { return rows_.count; }

  // Tries int32 first; symbols of 64 bits are legal, if rare.
  template <class Decode>
  py::object run(Decode&& decode) {
    if (!shape_ && rows_.narrow) {
      // Each symbol where its index was: a fresh page of memory takes as long as 500 symbols.
      const Rans64Pull target{
          as_index_span(rows_), {rows_.narrow.get(), ElementType::kInt32}, rows_.count};
      if (run_into(target, decode)) return list_of(rows_.narrow.get(), rows_.count);
      rows_ = *integers_of(indexes_, "indexes", ErrorKind::kIndexRange);
    } else if (run_into(pull<int32_t>(), decode)) {
      return result<int32_t>();
    }
    run_into(pull<int64_t>(), decode);
    return result<int64_t>();
  }

  // With room of its own.
  template <class T>
  Rans64Pull pull() {
    constexpr ElementType kType = sizeof(T) == 4 ? ElementType::kInt32 : ElementType::kInt64;
    return {as_index_span(rows_), {room<T>(), kType}, rows_.count};
  }

  template <class T>
  py::object result() {
    if (shape_) return std::move(array_);
    return list_of(reinterpret_cast<const T*>(list_.get()), rows_.count);
  }

 private:
  template <class T>
  T* room() {
    if (!shape_) {
      list_.reset(new uint64_t[(rows_.count * sizeof(T) + 7) / 8]);
      return reinterpret_cast<T*>(list_.get());
    }
    array_ = py::array_t<T>(*shape_);
    return static_cast<T*>(array_.mutable_data());
  }

  template <class Decode>
  bool run_into(const Rans64Pull& target, Decode&& decode) {
    const OptionalRelease release(target.count);
    return decode(target);
  }

  py::object indexes_;
  Integers rows_;
  std::optional<std::vector<py::ssize_t>> shape_;  // of an array
  py::array array_;
  std::unique_ptr<uint64_t[]> list_;
};

std::optional<Output> output_for(py::handle indexes) {
  std::optional<Integers> rows = integers_of(indexes, "indexes", ErrorKind::kIndexRange);
  if (!rows) return std::nullopt;
  return std::optional<Output>(std::in_place, indexes, std::move(*rows));
}

py::object decode(const py::bytes& encoded, py::handle indexes, const Rans64TablePtr& table) {
  std::optional<Output> output = output_for(indexes);
  if (!output) return py::none();
  const std::span<const uint8_t> bytes = byte_span(encoded);
  return output->run([&](const Rans64Pull& pull) {
    Rans64Reader reader = read_rans64(bytes);
    if (!decode_rans64(reader, pull, *table)) return false;
    finish_rans64(reader);
    return true;
  });
}

py::object decode_many(const std::vector<py::bytes>& streams, const py::sequence& indexes,
                       const Rans64TablePtr& table) {
  const auto kept = py::reinterpret_steal<py::tuple>(PySequence_Tuple(indexes.ptr()));
  if (!kept) throw py::error_already_set();
  if (kept.size() != streams.size()) throw_changing("indexes");
  std::vector<Output> outputs;
  outputs.reserve(streams.size());
  std::vector<Rans64Message> messages;
  uint64_t count = 0;
  for (size_t i = 0; i < streams.size(); ++i) {
    std::optional<Output> output = output_for(kept[i]);
    if (!output) return py::none();
    count += output->count();
    outputs.push_back(std::move(*output));
    messages.push_back({byte_span(streams[i]), outputs.back().pull<int32_t>()});
  }
  bool fits;
  {
    const OptionalRelease release(count);
    fits = decode_rans64_many(messages, *table);
  }
  py::list result(streams.size());
  for (size_t i = 0; i < streams.size(); ++i) {
    if (fits) {
      result[i] = outputs[i].result<int32_t>();
    } else {
      result[i] = decode(streams[i], kept[i], table);
    }
  }
  return result;
}

// A message in several parts. One caller at a time.
class PyBuffer {
 public:
  bool push(py::handle symbols, py::handle indexes, const Rans64TablePtr& table) {
    const std::optional<CodingArguments> arguments = coding_arguments(symbols, indexes);
    if (!arguments) return false;
    const Turn turn(mutex_, kNeverFinished, "encoder");
    const OptionalRelease release(arguments->part.count);
    buffer_.push(arguments->part, *table);
    return true;
  }

  py::bytes flush() {
    const Turn turn(mutex_, kNeverFinished, "encoder");
    std::optional<Rans64Stream> stream;
    {
      const GilRelease release;
      stream.emplace(buffer_.encode());
    }
    py::bytes bytes = bytes_of(*stream);
    buffer_.clear();
    return bytes;
  }

 private:
  static constexpr bool kNeverFinished = false;
  Rans64Buffer buffer_;
  OwnedMutex mutex_;
};

// A stream that is decoded in parts. One caller at a time; a part with an error changes nothing.
class PyDecoder {
 public:
  void set_stream(py::bytes encoded) {
    const Rans64Reader reader = read_rans64(byte_span(encoded));
    const Turn turn(mutex_, kNeverFinished, "decoder");
    stream_ = std::move(encoded);
    reader_ = reader;
  }

  py::object decode(py::handle indexes, const Rans64TablePtr& table) {
    std::optional<Output> output = output_for(indexes);
    if (!output) return py::none();
    const Turn turn(mutex_, kNeverFinished, "decoder");
    if (reader_.words == nullptr) {
      throw Error(ErrorKind::kValue, "stream = None, expected set_stream() before decode_stream()");
    }
    return output->run(
        [&](const Rans64Pull& pull) { return decode_rans64(reader_, pull, *table); });
  }

 private:
  static constexpr bool kNeverFinished = false;
  py::bytes stream_;
  Rans64Reader reader_;
  OwnedMutex mutex_;
};

py::list quantize(const std::vector<double>& pmf, int64_t precision) {
  const std::vector<uint32_t> cdf = quantized_cdf(pmf, precision);
  const std::vector<int64_t> values(cdf.begin(), cdf.end());
  return list_of(values.data(), values.size());
}

}  // namespace

void bind_compat_compressai(py::module_& m) {
  py::class_<Rans64Table, std::shared_ptr<Rans64Table>>(m, "Rans64Table");
  const auto shared = [](Rans64TablePtr table) {
    return std::const_pointer_cast<Rans64Table>(std::move(table));
  };
  m.def(
      "rans64_table",
      [shared](py::handle cdfs, py::handle cdfs_sizes, py::handle offsets) {
        return shared(table_of(cdfs, cdfs_sizes, offsets));
      },
      py::arg("cdfs"), py::arg("cdfs_sizes"), py::arg("offsets"));
  m.def(
      "rans64_table_of", [shared](const TablePtr& table) { return shared(rans64_table(table)); },
      py::arg("table").none(false));
  m.def("rans64_cached_tables", &cached_rans64_tables);
  m.def("rans64_clear_tables", &clear_rans64_tables);
  const auto encode_with = [](py::handle symbols, py::handle indexes,
                              const std::shared_ptr<Rans64Table>& table) {
    return encode(symbols, indexes, table);
  };
  m.def("rans64_encode", encode_with, py::arg("symbols"), py::arg("indexes"),
        py::arg("table").none(false));
  m.def(
      "rans64_encode_many",
      [](const py::sequence& symbols, const py::sequence& indexes,
         const std::shared_ptr<Rans64Table>& table) {
        return encode_many(symbols, indexes, table);
      },
      py::arg("symbols"), py::arg("indexes"), py::arg("table").none(false));
  m.def(
      "rans64_decode",
      [](const py::bytes& encoded, py::handle indexes, const std::shared_ptr<Rans64Table>& table) {
        return decode(encoded, indexes, table);
      },
      py::arg("encoded"), py::arg("indexes"), py::arg("table").none(false));
  m.def(
      "rans64_decode_many",
      [](const std::vector<py::bytes>& streams, const py::sequence& indexes,
         const std::shared_ptr<Rans64Table>& table) {
        return decode_many(streams, indexes, table);
      },
      py::arg("streams"), py::arg("indexes"), py::arg("table").none(false));
  py::class_<PyBuffer>(m, "Rans64Buffer")
      .def(py::init<>())
      .def(
          "push",
          [](PyBuffer& self, py::handle symbols, py::handle indexes,
             const std::shared_ptr<Rans64Table>& table) {
            return self.push(symbols, indexes, table);
          },
          py::arg("symbols"), py::arg("indexes"), py::arg("table").none(false))
      .def("flush", &PyBuffer::flush);
  py::class_<PyDecoder>(m, "Rans64Decoder")
      .def(py::init<>())
      .def("set_stream", &PyDecoder::set_stream, py::arg("encoded"))
      .def(
          "decode",
          [](PyDecoder& self, py::handle indexes, const std::shared_ptr<Rans64Table>& table) {
            return self.decode(indexes, table);
          },
          py::arg("indexes"), py::arg("table").none(false));
  m.def("quantized_cdf", &quantize, py::arg("pmf"), py::arg("precision"));
}

}  // namespace fastcoder
