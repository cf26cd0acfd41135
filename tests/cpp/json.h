// SPDX-License-Identifier: Apache-2.0
// As much JSON as the golden files need: values as Python's json module writes them, strings
// without escapes. Anything else is an exception.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fastcoder::testing {

struct Json {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  double number = 0;        // 0 or 1 for a bool
  std::string text;         // of a string or a number
  std::vector<Json> items;  // of an array, or the values of an object
  std::vector<std::string> keys;

  const Json* find(const std::string& key) const {
    for (size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == key) return &items[i];
    }
    return nullptr;
  }
  const Json& operator[](const std::string& key) const {
    const Json* found = find(key);
    if (found == nullptr) throw std::runtime_error("no member \"" + key + "\"");
    return *found;
  }
  bool is_null() const { return kind == Kind::kNull; }
  bool as_bool() const { return expect(Kind::kBool).number != 0; }
  double as_double() const { return expect(Kind::kNumber).number; }
  // Of less than 2^53; most integers of the files are.
  int64_t as_integer() const {
    const int64_t value = static_cast<int64_t>(as_double());
    if (static_cast<double>(value) != number) throw std::runtime_error("not an integer");
    return value;
  }
  // Of 64 bits.
  uint64_t as_unsigned() const {
    if (expect(Kind::kNumber).text.find_first_not_of("0123456789") != std::string::npos) {
      throw std::runtime_error("not an unsigned integer");
    }
    return std::stoull(text);
  }
  const std::string& as_string() const { return expect(Kind::kString).text; }
  const std::vector<Json>& as_array() const { return expect(Kind::kArray).items; }
  template <class T>
  std::vector<T> as_integers() const {
    std::vector<T> values;
    for (const Json& item : as_array()) values.push_back(static_cast<T>(item.as_integer()));
    return values;
  }
  std::vector<double> as_doubles() const {
    std::vector<double> values;
    for (const Json& item : as_array()) values.push_back(item.as_double());
    return values;
  }
  // The bytes that a string of hexadecimal digits stands for.
  std::vector<uint8_t> as_bytes() const {
    std::vector<uint8_t> bytes(as_string().size() / 2);
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<uint8_t>(std::stoul(text.substr(2 * i, 2), nullptr, 16));
    }
    return bytes;
  }

 private:
  const Json& expect(Kind wanted) const {
    if (kind != wanted) throw std::runtime_error("a value of another type");
    return *this;
  }
};

class JsonReader {
 public:
  static Json read(const std::string& text) {
    JsonReader reader(text);
    Json value = reader.value();
    reader.skip_spaces();
    if (*reader.at_ != '\0') reader.fail();
    return value;
  }

 private:
  explicit JsonReader(const std::string& text) : begin_(text.c_str()), at_(begin_) {}

  [[noreturn]] void fail() const {
    throw std::runtime_error("no JSON at byte " + std::to_string(at_ - begin_));
  }
  void skip_spaces() {
    while (*at_ == ' ' || *at_ == '\n') ++at_;
  }
  bool take(char wanted) {
    skip_spaces();
    if (*at_ != wanted) return false;
    ++at_;
    return true;
  }
  void take_all(const char* word) {
    for (; *word != '\0'; ++word, ++at_) {
      if (*at_ != *word) fail();
    }
  }

  Json value() {
    Json result;
    if (take('{')) {
      result.kind = Json::Kind::kObject;
      read_items('}', [&] {
        skip_spaces();
        result.keys.push_back(string());
        if (!take(':')) fail();
        result.items.push_back(value());
      });
    } else if (take('[')) {
      result.kind = Json::Kind::kArray;
      read_items(']', [&] { result.items.push_back(value()); });
    } else if (*at_ == '"') {
      result.kind = Json::Kind::kString;
      result.text = string();
    } else if (*at_ == 'n') {
      take_all("null");
    } else if (*at_ == 't' || *at_ == 'f') {
      result.kind = Json::Kind::kBool;
      result.number = *at_ == 't';
      take_all(*at_ == 't' ? "true" : "false");
    } else {
      char* end = nullptr;
      result.kind = Json::Kind::kNumber;
      result.number = std::strtod(at_, &end);
      if (end == at_) fail();
      result.text = std::string(at_, static_cast<const char*>(end));
      at_ = end;
    }
    return result;
  }
  template <class Item>
  void read_items(char end, Item&& item) {
    if (take(end)) return;
    do {
      item();
    } while (take(','));
    if (!take(end)) fail();
  }
  std::string string() {
    if (*at_ != '"') fail();
    const char* first = ++at_;
    for (; *at_ != '"'; ++at_) {
      if (*at_ == '\\' || *at_ == '\0') fail();
    }
    return std::string(first, at_++);
  }

  const char* begin_;
  const char* at_;
};

}  // namespace fastcoder::testing
