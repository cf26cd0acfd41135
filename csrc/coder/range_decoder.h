// SPDX-License-Identifier: Apache-2.0
// Range-coded streams (docs/range-coder.md) to symbols, also while their bytes still arrive. Mirror
// image of range_encoder.h. Every byte is hostile: whatever it is, a decoder returns symbols or
// throws, reads inside its bytes, and allocates nothing by a number that it read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "coder/adaptive_table.h"
#include "coder/cdf_table.h"
#include "coder/spans.h"
#include "format/range_step.h"

namespace fastcoder {

// A call that throws changes nothing. Bytes that were used are dropped by a later feed.
class RangeDecoder {
 public:
  // Appends bytes; `last`: they are the stream's end. Throws if the first byte of all is not that
  // of a range-coded stream, and after the end.
  void feed(std::span<const uint8_t> bytes, bool last);

  // So many bytes are missing before the slot of one more symbol can be decoded; 0 after the end.
  uint64_t needed() const;

  // Throws Error(kNeedMoreBytes) if these symbols need bytes that did not arrive yet.
  void pull(const CdfTable& table, const IndexSpan& indexes, uint64_t count,
            const MutableSymbolSpan& symbols);
  // The same, and updates the table.
  void pull(AdaptiveTable& table, const IndexSpan& indexes, uint64_t count,
            const MutableSymbolSpan& symbols);

  // Throws unless the stream ended exactly here and its hash agrees.
  void finish() const;

 private:
  // Where decoding stands: copied before a pull, and kept if that succeeds.
  struct Place {
    RangeCode state;
    const uint8_t* cursor;  // next word
    const uint8_t* end;
  };
  enum class Fault { kNone, kBytes, kValue, kEscapeTooLong, kEscapeOutOfRange };
  struct Step {
    Fault fault;
    int64_t symbol;
  };

  Place place(uint64_t position) const;
  void keep(const Place& place, uint64_t count);
  [[noreturn]] void throw_missing(uint64_t position) const;
  [[noreturn]] void throw_fault(const Step& step, uint64_t position) const;

  static Fault read_raw(Place& place, uint32_t bits, uint64_t& value);
  static Step read_escape(Place& place, int32_t offset, uint32_t symbols);
  static Step read_static(Place& place, const TableView& table, const RowView& row);
  static Step read_adaptive(Place& place, const AdaptiveTable& table, const AdaptiveTable::Row& row,
                            uint32_t& coded);
  void pull_block(Place& place, const TableView& table, const IndexSpan& indexes, uint64_t first,
                  uint64_t size, const MutableSymbolSpan& symbols) const;
  void pull_adaptive_block(Place& place, AdaptiveTable& table, const IndexSpan& indexes,
                           uint64_t first, uint64_t size, const MutableSymbolSpan& symbols) const;

  std::vector<uint8_t> buffer_;  // what was fed and not dropped; eight zeros after the end
  uint64_t fed_ = 0;
  uint64_t dropped_ = 0;  // bytes of the stream before buffer_
  uint64_t cursor_ = 1;   // next word in buffer_; the window, if nothing was decoded yet
  uint64_t count_ = 0;
  RangeCode state_;
  bool started_ = false;
  bool ended_ = false;
  bool check_ = false;
};

}  // namespace fastcoder
