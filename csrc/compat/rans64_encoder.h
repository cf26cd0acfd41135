// SPDX-License-Identifier: Apache-2.0
// Symbols to streams of CompressAI's coder. Every function checks all it is given and throws
// Error(kIndexRange) or Error(kSymbolRange) for the first symbol at fault.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "coder/spans.h"
#include "compat/rans64_table.h"

namespace fastcoder {

// Symbols of any element type but kNone, and as many indexes.
struct Rans64Part {
  SymbolSpan symbols;
  IndexSpan indexes;
  uint64_t count = 0;
};

// The state, and the words that have left it, in the order in which they left.
class Rans64Stream {
 public:
  uint64_t size() const { return 8 + 4 * words_; }  // bytes
  void write(uint8_t* out) const;

  // Room for so many words more; where they go.
  uint32_t* reserve(uint64_t words);
  void advance(const uint32_t* cursor) { words_ = static_cast<uint64_t>(cursor - room_.get()); }

  uint64_t state = kRans64Lower;

 private:
  struct Free {
    void operator()(uint32_t* room) const { std::free(room); }
  };
  std::unique_ptr<uint32_t, Free> room_;  // not a vector: that would write zeros first
  uint64_t words_ = 0;
  uint64_t capacity_ = 0;
};

Rans64Stream encode_rans64(const Rans64Part& part, const Rans64Table& table);

// One stream per part, several at a time in one thread: the state of one stream waits for each
// push before, and other streams fill that time. The number of the part ends an error's message.
std::vector<Rans64Stream> encode_rans64_many(std::span<const Rans64Part> parts,
                                             const Rans64Table& table);

// Parts that become one stream. Pushes are kept as 32 bits each, so that neither the caller's
// arrays nor tables are needed later. A part with an error changes nothing.
class Rans64Buffer {
 public:
  void push(const Rans64Part& part, const Rans64Table& table);
  Rans64Stream encode() const;
  void clear() { pushes_.clear(); }

 private:
  std::vector<uint32_t> pushes_;
};

}  // namespace fastcoder
