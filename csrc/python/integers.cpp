// SPDX-License-Identifier: Apache-2.0
#include "python/integers.h"

#include <limits>
#include <utility>

#include "base/attributes.h"
#include "base/error.h"
#include "python/direct.h"

#if PY_VERSION_HEX < 0x030B0000 && !defined(PYPY_VERSION)
#include <longintrepr.h>
#endif

namespace fastcoder {

[[noreturn]] void throw_argument_type(const std::string& message) {
  const py::object type = py::module_::import("fastcoder.errors").attr("ArgumentTypeError");
  PyErr_SetString(type.ptr(), message.c_str());
  throw py::error_already_set();
}

namespace {

// The value of an integer of one digit (30 bits), without a call; false for any other object.
FASTCODER_ALWAYS_INLINE bool small_value(PyObject* item, int64_t& value) {
#if defined(PYPY_VERSION) || defined(GRAALVM_PYTHON)
  static_cast<void>(item);
  static_cast<void>(value);
  return false;
#elif PY_VERSION_HEX >= 0x030C0000
  if (!PyLong_Check(item)) return false;
  const PyLongObject* number = reinterpret_cast<const PyLongObject*>(item);
  if (!PyUnstable_Long_IsCompact(number)) return false;
  value = PyUnstable_Long_CompactValue(number);
  return true;
#else
  if (!PyLong_Check(item)) return false;
  const PyLongObject* number = reinterpret_cast<const PyLongObject*>(item);
  const Py_ssize_t size = Py_SIZE(number);  // its sign is the number's; no digit: 0
  if (size < -1 || size > 1) return false;
  value = size * int64_t{number->ob_digit[0]};
  return true;
#endif
}

// The value of any object that is an integer; false if 64 bits do not hold it.
bool value_of(PyObject* item, const std::string& name, uint64_t position, int64_t& value) {
  const auto at = [&] { return name + "[" + std::to_string(position) + "]"; };
  py::object number;
  if (!PyLong_Check(item)) {
    const bool possible = PyIndex_Check(item) != 0;
    if (possible) number = py::reinterpret_steal<py::object>(PyNumber_Index(item));
    if (!number) {
      if (possible && !PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
      PyErr_Clear();
      throw_argument_type("type(" + at() + ") = " + Py_TYPE(item)->tp_name + ", expected int");
    }
    item = number.ptr();
  }
  int overflow = 0;
  value = PyLong_AsLongLongAndOverflow(item, &overflow);
  if (value == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return overflow == 0;
}

// A list as it is now: without a GIL another thread may change it at any time.
py::object at_rest(py::handle sequence) {
#ifdef Py_GIL_DISABLED
  if (PyList_Check(sequence.ptr())) {
    return py::reinterpret_steal<py::object>(PyList_AsTuple(sequence.ptr()));
  }
#endif
  return py::reinterpret_borrow<py::object>(sequence);
}

enum class Fill { kOk, kNarrow, kTooLarge };

// Stops at the first value that T does not hold.
template <class T>
Fill fill(py::handle sequence, const std::string& name, uint64_t count, T* out,
          uint64_t& position) {
  const py::object kept = at_rest(sequence);
  const auto check_size = [&] {
    if (static_cast<uint64_t>(PySequence_Fast_GET_SIZE(kept.ptr())) >= count) return;
    throw Error(ErrorKind::kValue, name + " = changing, expected a list at rest");
  };
  check_size();
  PyObject** items = PySequence_Fast_ITEMS(kept.ptr());
  for (uint64_t i = 0; i < count; ++i) {
    int64_t value = 0;
    if (FASTCODER_UNLIKELY(!small_value(items[i], value))) {
      position = i;
      const py::object item = py::reinterpret_borrow<py::object>(items[i]);
      if (!value_of(item.ptr(), name, i, value)) return Fill::kTooLarge;
      check_size();  // an object's __index__ may have changed the list
      items = PySequence_Fast_ITEMS(kept.ptr());
      if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
        return Fill::kNarrow;
      }
    }
    out[i] = static_cast<T>(value);
  }
  return Fill::kOk;
}

Integers from_sequence(py::handle sequence, const std::string& name, ErrorKind too_large) {
  Integers result;
  result.count = static_cast<uint64_t>(PySequence_Fast_GET_SIZE(sequence.ptr()));
  result.narrow.reset(new int32_t[result.count]);
  result.span = {result.narrow.get(), ElementType::kInt32};
  uint64_t position = 0;
  if (fill(sequence, name, result.count, result.narrow.get(), position) == Fill::kOk) return result;
  result.narrow.reset();
  result.wide.reset(new int64_t[result.count]);
  result.span = {result.wide.get(), ElementType::kInt64};
  if (fill(sequence, name, result.count, result.wide.get(), position) != Fill::kOk) {
    throw Error(too_large,
                name + "[" + std::to_string(position) + "] = more than 64 bits, expected an int32");
  }
  return result;
}

// Integers that Python need not allocate: CPython keeps -5 to 256 itself, and symbols are as often
// negative.
constexpr int64_t kLowest = -1024;
constexpr int64_t kHighest = 1023;

PyObject* const* kept_integers() {
  static PyObject** const kept = [] {
    PyObject** const all = new PyObject*[kHighest - kLowest + 1];
    for (int64_t value = kLowest; value <= kHighest; ++value) {
      all[value - kLowest] = PyLong_FromLongLong(value);
      if (all[value - kLowest] == nullptr) throw py::error_already_set();
    }
    return all;
  }();
  return kept;
}

template <class T>
py::list make_list(const T* values, uint64_t count) {
  PyObject* const* kept = kept_integers();
  py::list result(count);
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t value = values[i];
    PyObject* item;
    if (value >= kLowest && value <= kHighest) {
      item = kept[value - kLowest];
      Py_INCREF(item);
    } else {
      item = PyLong_FromLongLong(value);
      if (item == nullptr) throw py::error_already_set();
    }
    PyList_SET_ITEM(result.ptr(), static_cast<Py_ssize_t>(i), item);
  }
  return result;
}

}  // namespace

int64_t Integers::at(uint64_t position) const {
  return visit_elements(span.data, span.type,
                        [&](const auto* values) -> int64_t { return values[position]; });
}

std::optional<Integers> integers_of(py::handle value, const std::string& name,
                                    ErrorKind too_large) {
  if (is_list_or_tuple(value)) return from_sequence(value, name, too_large);
  if (!is_ndarray(value)) return std::nullopt;
  const auto array = py::reinterpret_borrow<py::array>(value);
  const std::optional<ElementType> type = direct_type(array);
  if (!type) return std::nullopt;
  Integers result;
  result.span = {array.data(), *type};
  result.count = element_count(array);
  result.owner = array;
  return result;
}

bool fill_integers(py::handle sequence, const std::string& name, uint64_t count, int32_t* out) {
  uint64_t position = 0;
  return fill(sequence, name, count, out, position) == Fill::kOk;
}

py::list list_of(const int32_t* values, uint64_t count) { return make_list(values, count); }
py::list list_of(const int64_t* values, uint64_t count) { return make_list(values, count); }

}  // namespace fastcoder
