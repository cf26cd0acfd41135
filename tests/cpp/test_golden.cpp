// SPDX-License-Identifier: Apache-2.0
// The streams and tables of tests/golden, on every instruction set that there is: decoded, encoded
// again, and made from the same floats. tests/golden/test_golden.py does the same from Python; this
// one runs where no Python does, on other processors and other byte orders.
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
#include "coder/cdf_table.h"
#include "coder/decoder.h"
#include "coder/distributions.h"
#include "coder/encoder.h"
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
}

}  // namespace
}  // namespace fastcoder
