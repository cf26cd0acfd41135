// SPDX-License-Identifier: Apache-2.0
#include "coder/cost.h"

#include <bit>
#include <string>
#include <vector>

#include "base/error.h"
#include "coder/numeric.h"

namespace fastcoder {
namespace {

double slot_bits(const TableView& table, const RowView& row, uint32_t slot) {
  const uint32_t* cdf = table.cdf + row.cdf_begin + slot;
  return static_cast<double>(table.precision) - numeric::log2(cdf[1] - cdf[0]);
}

// Of every slot, laid out like TableView::cdf (the entry behind the last slot of a row is unused).
std::vector<double> all_slot_bits(const TableView& table) {
  std::vector<double> bits;
  for (uint64_t r = 0; r < table.row_count; ++r) {
    const RowView& row = table.rows[r];
    for (uint32_t k = 0; k < row.slots; ++k) bits.push_back(slot_bits(table, row, k));
    bits.push_back(0.0);
  }
  return bits;
}

double bypass_bits(const RowView& row, int64_t symbol) {
  const int64_t slot = symbol - row.offset;
  const uint64_t distance = slot < 0 ? static_cast<uint64_t>(-slot)
                                     : static_cast<uint64_t>(slot) - row.symbols + 1;
  const int exponent = 63 - std::countl_zero(distance);
  return 2 * exponent + 1 + 1;
}

[[noreturn]] void fail_index(size_t i, int32_t index, size_t rows) {
  throw Error(ErrorKind::kIndexRange, "indexes[" + std::to_string(i) +
                                          "] = " + std::to_string(index) +
                                          ", expected 0 <= index < " + std::to_string(rows));
}

[[noreturn]] void fail_symbol(size_t i, int32_t symbol, const RowView& row) {
  throw Error(ErrorKind::kSymbolRange,
              "symbols[" + std::to_string(i) + "] = " + std::to_string(symbol) + ", expected " +
                  std::to_string(row.offset) + " <= symbol <= " +
                  std::to_string(row.offset + static_cast<int64_t>(row.symbols) - 1) +
                  ": the table has no escape");
}

}  // namespace

double cost(std::span<const int32_t> symbols, std::span<const int32_t> indexes,
            const CdfTable& table) {
  const bool one_row = indexes.empty() && table.rows() == 1;
  if (!one_row && indexes.size() != symbols.size()) {
    throw Error(ErrorKind::kValue, "len(indexes) = " + std::to_string(indexes.size()) +
                                       ", expected " + std::to_string(symbols.size()) +
                                       ", one for each symbol");
  }
  const TableView& view = table.view();
  uint64_t slots = 0;
  for (uint64_t r = 0; r < view.row_count; ++r) slots += view.rows[r].slots;
  // A logarithm costs as much as several look-ups: either way the same numbers are added.
  const std::vector<double> ready =
      symbols.size() > slots ? all_slot_bits(view) : std::vector<double>();
  double bits = 0.0;
  for (size_t i = 0; i < symbols.size(); ++i) {
    const int32_t index = one_row ? 0 : indexes[i];
    if (index < 0 || static_cast<uint64_t>(index) >= view.row_count) {
      fail_index(i, index, table.rows());
    }
    const RowView& row = view.rows[index];
    const int64_t slot = int64_t{symbols[i]} - row.offset;
    const bool inside = slot >= 0 && slot < int64_t{row.symbols};
    if (!inside && view.escape == 0) fail_symbol(i, symbols[i], row);
    const uint32_t k = inside ? static_cast<uint32_t>(slot) : row.symbols;
    bits += ready.empty() ? slot_bits(view, row, k) : ready[row.cdf_begin + k];
    if (!inside) bits += bypass_bits(row, symbols[i]);
  }
  return bits;
}

}  // namespace fastcoder
