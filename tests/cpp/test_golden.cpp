// SPDX-License-Identifier: Apache-2.0
// The streams and tables of tests/golden, on every instruction set that there is: decoded, encoded
// again, and made from the same floats. tests/golden/test_golden.py does the same from Python; this
// one runs where no Python does, on other processors and other byte orders. Over 400 lines because
// it reads every file that there is.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "check.h"
#include "coder/adaptive_table.h"
#include "coder/cdf_table.h"
#include "coder/decoder.h"
#include "coder/distributions.h"
#include "coder/encoder.h"
#include "coder/integer_codes.h"
#include "coder/intervals.h"
#include "coder/large_table.h"
#include "coder/parametric.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "coder/stack.h"
#include "json.h"
#include "simd/dispatch.h"

namespace fastcoder {
namespace {

using testing::Json;
using Bytes = std::vector<uint8_t>;
using Table = std::shared_ptr<const CdfTable>;

struct GoldenCase {
  std::string name;
  Json json;
};

// The cases of all files whose name begins so, in all versions of the format.
std::vector<GoldenCase> load(const std::string& prefix) {
  std::map<std::string, std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(FASTCODER_GOLDEN_FOLDER)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == ".json" && path.filename().string().starts_with(prefix)) {
      files[path.parent_path().filename().string() + "/" + path.stem().string()] = path;
    }
  }
  std::vector<GoldenCase> cases;
  for (const auto& [name, path] : files) {
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    const Json all = testing::JsonReader::read(text);
    for (size_t i = 0; i < all.keys.size(); ++i) {
      cases.push_back({name + "/" + all.keys[i], all.items[i]});
    }
  }
  return cases;
}

// Calls check() for each case on each instruction set; it returns what is wrong, or nothing.
template <class Check>
void for_each_case(const std::vector<GoldenCase>& cases, size_t least, Check&& check) {
  CHECK(cases.size() >= least);
  const std::string former = active_kernels().name;
  for (const std::string& isa : available_isas()) {
    use_isa(isa);
    for (const GoldenCase& golden : cases) {
      std::string wrong;
      try {
        wrong = check(golden.json);
      } catch (const std::exception& error) {
        wrong = error.what();
      }
      if (!wrong.empty()) {
        testing::fail(__FILE__, __LINE__, isa + ", " + golden.name + ": " + wrong);
      }
    }
  }
  use_isa(former);
}

struct Pushed {
  Table table;
  std::vector<int32_t> symbols;
  std::vector<uint8_t> indexes;

  explicit Pushed(const Json& push)
      : table(CdfTable::from_bytes(push["table"].as_bytes())),
        symbols(push["symbols"].as_integers<int32_t>()),
        indexes(push["indexes"].as_integers<uint8_t>()) {
    if (symbols.size() != indexes.size()) throw std::runtime_error("other indexes than symbols");
  }
  SymbolSpan symbol_span() const { return {symbols.data(), ElementType::kInt32}; }
  IndexSpan index_span() const { return {indexes.data(), ElementType::kUint8}; }
};

std::vector<Pushed> pushes_of(const Json& golden) {
  std::vector<Pushed> pushes;
  for (const Json& push : golden["pushes"].as_array()) pushes.emplace_back(push);
  return pushes;
}

EncodeOptions options_of(const Json& golden) {
  EncodeOptions options;
  const Json& lanes = golden["lanes"];
  const Json& segment = golden["segment"];
  if (!lanes.is_null()) options.lanes = static_cast<uint32_t>(lanes.as_integer());
  if (!segment.is_null()) options.segment = static_cast<uint64_t>(segment.as_integer());
  return options;
}

// Room for `count` symbols, filled with what no case holds.
std::vector<int32_t> room_for(size_t count) { return std::vector<int32_t>(count, 0x5EED5EED); }

TEST(one_shot_streams_are_read_and_repeated) {
  for_each_case(load("one_shot_"), 48, [](const Json& golden) -> std::string {
    const std::vector<Pushed> pushes = pushes_of(golden);
    const Pushed& part = pushes.at(0);
    const uint64_t count = part.symbols.size();
    const Bytes stream = golden["stream"].as_bytes();
    std::vector<int32_t> symbols = room_for(count);
    decode_one_shot(stream, *part.table, part.index_span(), count,
                    {symbols.data(), ElementType::kInt32}, 1);
    if (symbols != part.symbols) return "decodes to other symbols";
    const Bytes again =
        encode_one_shot({part.table.get(), part.symbol_span(), part.index_span(), count},
                        options_of(golden))
            .bytes();
    return again == stream ? "" : "encodes to other bytes";
  });
}

TEST(streams_of_pushes_are_read_and_repeated) {
  for_each_case(load("streaming_"), 12, [](const Json& golden) -> std::string {
    const Bytes stream = golden["stream"].as_bytes();
    EncodeOptions options = options_of(golden);
    options.check = golden["check"].as_bool();
    Encoder encoder;
    Decoder decoder(stream);
    for (const Pushed& part : pushes_of(golden)) {
      const uint64_t count = part.symbols.size();
      encoder.push(part.table, part.symbol_span(), part.index_span(), count);
      std::vector<int32_t> symbols = room_for(count);
      decoder.pull(*part.table, part.index_span(), count, {symbols.data(), ElementType::kInt32});
      if (symbols != part.symbols) return "decodes to other symbols";
    }
    decoder.finish();
    return encoder.finish(options).bytes() == stream ? "" : "encodes to other bytes";
  });
}

TEST(streams_of_intervals_are_read_and_repeated) {
  for_each_case(load("intervals"), 24, [](const Json& golden) -> std::string {
    const Bytes stream = golden["stream"].as_bytes();
    EncodeOptions options = options_of(golden);
    options.check = golden["check"].as_bool();
    std::vector<PackedInterval> intervals;
    Decoder decoder(stream);
    for (const Json& interval : golden["intervals"].as_array()) {
      const std::vector<uint32_t> one = interval.as_integers<uint32_t>();
      const uint32_t start = one.at(0);
      const uint32_t frequency = one.at(1);
      const uint32_t value = decoder.peek(one.at(2));
      if (value < start || value - start >= frequency) return "decodes to another interval";
      decoder.advance(start, frequency);
      intervals.push_back(pack_interval(start, frequency, one.at(2)));
    }
    decoder.finish();
    Encoder encoder;
    encoder.push_intervals(intervals);
    return encoder.finish(options).bytes() == stream ? "" : "encodes to other bytes";
  });
}

// From what the files call it, as in Python.
IntegerCode make_code(const std::string& name) {
  if (name == "Bits(40)") return IntegerCode::bits(40);
  if (name == "EliasGamma()") return IntegerCode::elias_gamma();
  if (name == "ExpGolomb(0)") return IntegerCode::exp_golomb(0);
  if (name == "ExpGolomb(7)") return IntegerCode::exp_golomb(7);
  if (name == "ExpGolomb(63)") return IntegerCode::exp_golomb(63);
  if (name == "Zipf(1.2, 1000)") return IntegerCode::zipf(1.2, 1000);
  throw std::runtime_error("no code is called " + name);
}

TEST(streams_of_integers_are_read_and_repeated) {
  for_each_case(load("codes"), 24, [](const Json& golden) -> std::string {
    const Bytes stream = golden["stream"].as_bytes();
    std::vector<uint64_t> values;
    for (const Json& value : golden["values"].as_array()) values.push_back(value.as_unsigned());
    const IntegerCode code = make_code(golden["code"].as_string());
    std::vector<uint64_t> decoded(values.size());
    Decoder decoder(stream);
    code.pull(decoder, decoded);
    decoder.finish();
    if (decoded != values) return "decodes to other integers";
    if (!golden["row"].is_null()) {
      const auto cdf = code.bucket_table()->cdf(0);
      const std::vector<uint32_t> row = golden["row"].as_integers<uint32_t>();
      if (!std::equal(row.begin(), row.end(), cdf.begin(), cdf.end())) return "floats give a row";
    }
    EncodeOptions options = options_of(golden);
    options.check = golden["check"].as_bool();
    Encoder encoder;
    encoder.push_intervals(code.pack(values));
    return encoder.finish(options).bytes() == stream ? "" : "encodes to other bytes";
  });
}

TEST(streams_with_their_tables_are_read_and_repeated) {
  for_each_case(load("large_tables"), 3, [](const Json& golden) -> std::string {
    const Bytes stream = golden["stream"].as_bytes();
    const std::vector<int32_t> symbols = golden["symbols"].as_integers<int32_t>();
    const std::vector<uint8_t> indexes = golden["indexes"].as_integers<uint8_t>();
    const IndexSpan rows = {indexes.data(), ElementType::kUint8};
    std::vector<int32_t> decoded = room_for(symbols.size());
    Decoder decoder(stream);
    const std::shared_ptr<const LargeTable> table = pull_table(decoder);
    pull_symbols(decoder, *table, rows, symbols.size(), {decoded.data(), ElementType::kInt32});
    decoder.finish();
    if (decoded != symbols) return "decodes to other symbols";
    if (table->precision() != golden["precision"].as_integer()) return "another precision";
    const std::vector<Json>& cdfs = golden["cdfs"].as_array();
    if (table->rows() != cdfs.size()) return "another number of rows";
    for (size_t row = 0; row < cdfs.size(); ++row) {
      const auto cdf = table->cdf(row);
      const std::vector<uint32_t> expected = cdfs[row].as_integers<uint32_t>();
      if (!std::equal(expected.begin(), expected.end(), cdf.begin(), cdf.end())) return "a cdf";
    }
    EncodeOptions options;
    options.check = true;
    Encoder encoder;
    encoder.push_intervals(pack_table(*table));
    encoder.push_intervals(
        pack_symbols(*table, {symbols.data(), ElementType::kInt32}, rows, symbols.size()));
    return encoder.finish(options).bytes() == stream ? "" : "encodes to other bytes";
  });
}

TEST(stacks_are_popped_and_pushed_back) {
  for_each_case(load("stacks"), 3, [](const Json& golden) -> std::string {
    const Table table = CdfTable::from_bytes(golden["table"].as_bytes());
    const Bytes bytes = golden["bytes"].as_bytes();
    const IntegerCode code = IntegerCode::exp_golomb(5);
    const std::vector<uint64_t> integer = {
        static_cast<uint64_t>(golden["exp_golomb_5"].as_integer())};
    const auto symbols_of = [&](const std::string& kind) {
      return golden[kind].as_integers<int32_t>();
    };
    const auto pop = [&](Stack& stack, const std::string& kind) {
      const std::vector<uint8_t> rows = golden[kind + "_indexes"].as_integers<uint8_t>();
      std::vector<int32_t> symbols = room_for(rows.size());
      stack.pop(*table, {rows.data(), ElementType::kUint8}, rows.size(),
                {symbols.data(), ElementType::kInt32});
      return symbols == symbols_of(kind);
    };
    const auto push = [&](Stack& stack, const std::string& kind) {
      const std::vector<uint8_t> rows = golden[kind + "_indexes"].as_integers<uint8_t>();
      const std::vector<int32_t> symbols = symbols_of(kind);
      stack.push({table.get(),
                  {symbols.data(), ElementType::kInt32},
                  {rows.data(), ElementType::kUint8},
                  rows.size()});
    };
    Stack stack(golden["initial"].as_bytes());
    if (!pop(stack, "popped")) return "pops other symbols";
    push(stack, "pushed");
    stack.push(code.pack(integer));
    if (stack.to_bytes() != bytes) return "pushes to other bytes";
    Stack receiver = Stack::from_bytes(bytes);
    std::vector<uint64_t> decoded(1);
    code.pop(receiver, decoded);
    if (decoded != integer || !pop(receiver, "pushed")) return "is received as other symbols";
    push(receiver, "popped");
    return receiver.initial() == golden["initial"].as_bytes() ? "" : "returns other bytes";
  });
}

template <class T>
Parameters<T> parameters_of(const std::vector<T>& values) {
  const std::shared_ptr<T[]> copy(new T[values.size()]);
  std::copy(values.begin(), values.end(), copy.get());
  return {copy, values.size()};
}

std::shared_ptr<const ParametricModel> make_model(const Json& golden) {
  const std::map<std::string, Family> families = {{"gaussian", Family::kGaussian},
                                                  {"laplace", Family::kLaplace},
                                                  {"logistic", Family::kLogistic}};
  std::vector<Component> components;
  const size_t count = golden["components"].as_array().size();
  for (const Json& json : golden["components"].as_array()) {
    Component component;
    component.family = families.at(json["family"].as_string());
    component.means = copy_means(json["mean"].as_integers<int32_t>());
    component.scales = copy_scales(json["scale"].as_integers<uint16_t>());
    if (count > 1) {
      std::vector<uint32_t> weights;
      for (const Json& of_symbol : golden["weights"].as_array()) {
        weights.push_back(of_symbol.as_integers<uint32_t>().at(components.size()));
      }
      component.weights = parameters_of(weights);
    }
    components.push_back(component);
  }
  const std::vector<int64_t> support = golden["support"].as_integers<int64_t>();
  return std::make_shared<const ParametricModel>(support.at(0), support.at(1), components);
}

TEST(streams_of_parametric_symbols_are_read_and_repeated) {
  for_each_case(load("parametric"), 7, [](const Json& golden) -> std::string {
    const Bytes stream = golden["stream"].as_bytes();
    const std::vector<int32_t> symbols = golden["symbols"].as_integers<int32_t>();
    const std::shared_ptr<const ParametricModel> model = make_model(golden);
    std::vector<int32_t> decoded = room_for(symbols.size());
    Decoder decoder(stream);
    decoder.pull_parametric(*model, symbols.size(), {decoded.data(), ElementType::kInt32});
    decoder.finish();
    if (decoded != symbols) return "decodes to other symbols";
    EncodeOptions options;
    options.check = true;
    const Json& lanes = golden["lanes"];
    if (!lanes.is_null()) options.lanes = static_cast<uint32_t>(lanes.as_integer());
    Encoder encoder;
    encoder.push_parametric(model, {symbols.data(), ElementType::kInt32}, symbols.size());
    return encoder.finish(options).bytes() == stream ? "" : "encodes to other bytes";
  });
}

AdaptiveTable make_adaptive_table(const Json& json) {
  std::vector<uint32_t> counts;
  std::vector<uint32_t> slots;
  for (const Json& row : json["counts"].as_array()) {
    const std::vector<uint32_t> values = row.as_integers<uint32_t>();
    counts.insert(counts.end(), values.begin(), values.end());
    slots.push_back(static_cast<uint32_t>(values.size()));
  }
  return AdaptiveTable(counts, slots, json["offsets"].as_integers<int32_t>(),
                       static_cast<uint32_t>(json["increment"].as_integer()),
                       static_cast<uint32_t>(json["limit"].as_integer()), json["escape"].as_bool());
}

TEST(range_coded_streams_are_read_and_repeated) {
  for_each_case(load("range"), 28, [](const Json& golden) -> std::string {
    const Bytes stream = golden["stream"].as_bytes();
    RangeEncoder encoder(golden["check"].as_bool());
    RangeDecoder decoder;
    decoder.feed(stream, true);
    for (const Json& push : golden["pushes"].as_array()) {
      const std::vector<int32_t> symbols = push["symbols"].as_integers<int32_t>();
      const std::vector<uint8_t> indexes = push["indexes"].as_integers<uint8_t>();
      std::vector<int32_t> decoded = room_for(symbols.size());
      const IndexSpan rows = {indexes.data(), ElementType::kUint8};
      const MutableSymbolSpan out = {decoded.data(), ElementType::kInt32};
      Part part = {nullptr, {symbols.data(), ElementType::kInt32}, rows, symbols.size()};
      if (const Json* adaptive = push.find("adaptive")) {
        AdaptiveTable of_encoder = make_adaptive_table(*adaptive);
        encoder.push(of_encoder, part);
        AdaptiveTable of_decoder = make_adaptive_table(*adaptive);
        decoder.pull(of_decoder, rows, symbols.size(), out);
      } else {
        const Table table = CdfTable::from_bytes(push["table"].as_bytes());
        part.table = table.get();
        encoder.push(part);
        decoder.pull(*table, rows, symbols.size(), out);
      }
      if (decoded != symbols) return "decodes to other symbols";
    }
    decoder.finish();
    return encoder.finish() == stream ? "" : "encodes to other bytes";
  });
}

Table make_table(const Json& golden) {
  const int precision = static_cast<int>(golden["precision"].as_integer());
  if (const Json* rows = golden.find("pmf")) {
    std::vector<double> pmf;
    std::vector<uint32_t> lengths;
    for (const Json& row : rows->as_array()) {
      const std::vector<double> values = row.as_doubles();
      pmf.insert(pmf.end(), values.begin(), values.end());
      lengths.push_back(static_cast<uint32_t>(values.size()));
    }
    return CdfTable::from_pmf(pmf, lengths, golden["offsets"].as_integers<int32_t>(), precision,
                              golden["escape"].as_bool());
  }
  const std::map<std::string, decltype(&gaussian_table)> makers = {
      {"gaussian", &gaussian_table}, {"laplace", &laplace_table}, {"logistic", &logistic_table}};
  return makers.at(golden["distribution"].as_string())(golden["scales"].as_doubles(), precision,
                                                       golden["tail_mass"].as_double());
}

TEST(floats_give_the_golden_tables) {
  for_each_case(load("tables"), 21, [](const Json& golden) -> std::string {
    const Bytes bytes = golden["table"].as_bytes();
    if (CdfTable::from_bytes(bytes)->to_bytes() != bytes) return "table bytes change";
    return make_table(golden)->to_bytes() == bytes ? "" : "floats give another table";
  });
}

TEST(what_is_no_golden_file_is_refused) {
  for (const char* text : {"", "{", "[1,]", "nul", "{\"a\" 1}", "\"a\\n\"", "[1] 2"}) {
    try {
      testing::JsonReader::read(text);
      testing::fail(__FILE__, __LINE__, text);
    } catch (const std::runtime_error&) {
    }
  }
  const Json json = testing::JsonReader::read("{\"a\": [-1, 2.5e1, true, null], \"b\": \"0aFf\"}");
  CHECK_EQ(json["a"].as_array()[0].as_integer(), -1);
  CHECK_EQ(json["a"].as_array()[1].as_double(), 25.0);
  CHECK(json["a"].as_array()[2].as_bool() && json["a"].as_array()[3].is_null());
  CHECK(json["b"].as_bytes() == Bytes({0x0A, 0xFF}));
  const Json large = testing::JsonReader::read("[18446744073709551615, -1]");
  CHECK_EQ(large.as_array()[0].as_unsigned(), ~uint64_t{0});
  bool refused = false;
  try {
    static_cast<void>(large.as_array()[1].as_unsigned());
  } catch (const std::runtime_error&) {
    refused = true;
  }
  CHECK(refused);
}

}  // namespace
}  // namespace fastcoder
