// SPDX-License-Identifier: Apache-2.0
// Streams of CompressAI's coder to symbols. Nothing in the bytes is believed: a stream that ends
// early is Error(kTruncated), one that no encoder makes is Error(kCorrupt).
#pragma once

#include <cstdint>
#include <span>

#include "coder/spans.h"
#include "compat/rans64_table.h"

namespace fastcoder {

// Where a decoder stands in a stream that somebody else keeps.
struct Rans64Reader {
  uint64_t state = 0;
  const uint8_t* words = nullptr;
  const uint8_t* end = nullptr;
};

// At the beginning of a stream: at least two words, whole words, and a state that there is.
Rans64Reader read_rans64(std::span<const uint8_t> bytes);

// What remains of a message after its last symbol: nothing, and the state that encoders begin with.
void finish_rans64(const Rans64Reader& reader);

struct Rans64Pull {
  IndexSpan indexes;
  MutableSymbolSpan symbols;  // kInt32 or kInt64
  uint64_t count = 0;
};

// False, with `reader` unchanged, if the symbols are int32 and one of them is not.
[[nodiscard]] bool decode_rans64(Rans64Reader& reader, const Rans64Pull& pull,
                                 const Rans64Table& table);

struct Rans64Message {
  std::span<const uint8_t> bytes;
  Rans64Pull pull;
};

// Whole messages to int32 symbols, several at a time in one thread, as encode_rans64_many. False
// if one of the symbols is not int32.
[[nodiscard]] bool decode_rans64_many(std::span<const Rans64Message> messages,
                                      const Rans64Table& table);

}  // namespace fastcoder
