// SPDX-License-Identifier: Apache-2.0
// The symbols of a part, one by one, with their rows and slots: for whatever is not a kernel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "coder/blocks.h"
#include "coder/cdf_table.h"
#include "coder/interruption.h"

namespace fastcoder {

// Calls visit(index, row, symbol, slot) for every symbol, in order; slot is row.symbols if the
// symbol is outside its row, which is then the escape's. Throws for an index or a symbol that
// cannot be coded, as check_part does.
template <class Visit>
void visit_symbols(const Part& part, Visit&& visit) {
  const TableView& table = part.table->view();
  BlockScratch scratch;
  for (uint64_t first = 0; first < part.count; first += kBlock) {
    const uint64_t count = std::min(kBlock, part.count - first);
    const auto [symbols, indexes] = load_block(part, first, count, scratch);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t index = index_at(indexes, i);
      if (index >= table.row_count) throw_faults(part);
      const RowView& row = table.rows[index];
      const int32_t symbol = static_cast<int32_t>(symbol_at(symbols, i));
      const uint64_t inside = static_cast<uint64_t>(int64_t{symbol} - row.offset);
      const uint32_t slot = static_cast<uint32_t>(std::min<uint64_t>(inside, row.symbols));
      if (slot == row.slots) throw_faults(part);  // outside, and no escape
      visit(index, row, symbol, slot);
    }
    check_interruption(count);
  }
}

}  // namespace fastcoder
