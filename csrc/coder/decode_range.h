// SPDX-License-Identifier: Apache-2.0
// A range of the symbols of a one-shot stream, without decoding the segments outside it.
#pragma once

#include <cstdint>
#include <span>

#include "coder/cdf_table.h"
#include "coder/spans.h"

namespace fastcoder {

// How many symbols a one-shot stream claims to hold. Throws unless it begins as one for this table.
uint64_t symbols_claimed(std::span<const uint8_t> stream, const CdfTable& table);

struct SymbolRange {
  uint64_t first = 0;
  uint64_t count = 0;
  // The indexes are those of the whole message, not of the range alone.
  bool whole_indexes = false;
};

// Decodes symbols [first, first + count) of a message into `symbols`. Of the segments outside the
// range nothing is read but flags and lengths.
//
// With the indexes of the whole message, each segment that the range touches is decoded to its end
// and must end as a segment does. Without them the range must begin where a segment does, unless
// the table has one row, and a segment that it leaves early is not checked: how far it is to the
// end, only the stream says. The symbol hash is compared if the range is the whole message. Throws
// like decode_one_shot; Error(kValue) for a range that the claimed symbols, or these rules,
// exclude.
void decode_range(std::span<const uint8_t> stream, const CdfTable& table, const IndexSpan& indexes,
                  const SymbolRange& range, const MutableSymbolSpan& symbols);

}  // namespace fastcoder
