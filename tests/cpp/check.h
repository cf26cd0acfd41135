// SPDX-License-Identifier: Apache-2.0
// The whole C++ test framework: TEST(name) registers a case, CHECK and its relatives count a
// failure, print where and what, and let the case go on. main() is in main.cpp.
#pragma once

#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace fastcoder::testing {

struct Case {
  const char* name;
  void (*run)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Registration {
  Registration(const char* name, void (*run)()) { cases().push_back({name, run}); }
};

inline void fail(const char* file, int line, const std::string& what) {
  ++failures();
  std::cerr << file << ":" << line << ": " << what << "\n";
}

// Streams values so that one-byte integers print as numbers.
template <typename T>
std::string show(const T& value) {
  std::ostringstream text;
  text.precision(17);
  if constexpr (sizeof(T) == 1 && std::is_integral_v<T>) {
    text << static_cast<int>(value);
  } else if constexpr (std::is_enum_v<T>) {
    text << static_cast<long long>(value);
  } else {
    text << value;
  }
  return text.str();
}

template <typename A, typename B>
void check_equal(const char* file, int line, const char* expression, const A& a, const B& b) {
  if (!(a == b)) fail(file, line, std::string(expression) + ": " + show(a) + " vs " + show(b));
}

// The error must have this kind, and `part` must occur in its message.
template <typename F>
void check_error(const char* file, int line, const char* expression, ErrorKind kind,
                 const std::string& part, F&& run) {
  try {
    run();
  } catch (const Error& error) {
    const std::string message = error.what();
    if (error.kind() != kind) {
      fail(file, line, std::string(expression) + " threw another kind: " + message);
    } else if (message.find(part) == std::string::npos) {
      fail(file, line, std::string(expression) + " says \"" + message + "\", not \"" + part + "\"");
    }
    return;
  } catch (const std::exception& error) {
    fail(file, line, std::string(expression) + " threw another type: " + error.what());
    return;
  }
  fail(file, line, std::string(expression) + " did not throw");
}

}  // namespace fastcoder::testing

#define TEST(name)                                                                         \
  static void test_##name();                                                               \
  static const ::fastcoder::testing::Registration registration_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) ::fastcoder::testing::fail(__FILE__, __LINE__, #condition); \
  } while (false)

#define CHECK_EQ(a, b) ::fastcoder::testing::check_equal(__FILE__, __LINE__, #a " == " #b, (a), (b))

#define CHECK_ERROR(kind, part, expression)                                          \
  ::fastcoder::testing::check_error(__FILE__, __LINE__, #expression, (kind), (part), \
                                    [&] { static_cast<void>(expression); })
