// SPDX-License-Identifier: Apache-2.0
#include "coder/cost.h"

#include <vector>

#include "coder/cdf_table.h"
#include "coder/numeric.h"
#include "coder/visit_symbols.h"
#include "format/escape.h"

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

// Calls add(row, bits of the slot, bits of the escape code or 0) for every symbol, in order.
template <class Add>
void visit_costs(const Part& part, Add&& add) {
  const TableView& table = part.table->view();
  uint64_t slots = 0;
  for (uint64_t r = 0; r < table.row_count; ++r) slots += table.rows[r].slots;
  // A logarithm costs as much as several look-ups: either way the same numbers are added.
  const std::vector<double> ready =
      part.count > slots ? all_slot_bits(table) : std::vector<double>();
  visit_symbols(part, [&](uint64_t index, const RowView& row, int32_t symbol, uint32_t slot) {
    const double bits = ready.empty() ? slot_bits(table, row, slot) : ready[row.cdf_begin + slot];
    const bool inside = slot < row.symbols;
    add(index, bits, inside ? 0u : escape_bits(make_escape(symbol, row.offset, row.symbols)));
  });
}

}  // namespace

double cost(const Part& part) {
  double sum = 0.0;
  visit_costs(part, [&](uint64_t, double bits, uint32_t escape) {
    sum += bits;
    if (escape != 0) sum += escape;
  });
  return sum;
}

std::vector<RowCost> cost_of_rows(const Part& part) {
  std::vector<RowCost> rows(part.table->rows());
  visit_costs(part, [&](uint64_t index, double bits, uint32_t escape) {
    RowCost& row = rows[index];
    ++row.symbols;
    row.escapes += escape != 0;
    row.bits += bits;
    row.escape_bits += escape;
  });
  return rows;
}

}  // namespace fastcoder
