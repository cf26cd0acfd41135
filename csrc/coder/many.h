// SPDX-License-Identifier: Apache-2.0
// Many messages with one call: spread over threads, and the short ones interleaved. A message of
// one lane waits most of its time for the symbol before; up to eight of them share that time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "coder/cdf_table.h"
#include "coder/encoder.h"
#include "coder/spans.h"

namespace fastcoder {

// For each part what encode_one_shot returns for it. All have the same table. If messages are at
// fault, throws the error of the first one, and says which it is.
std::vector<std::vector<uint8_t>> encode_many(std::span<const Part> parts,
                                              const EncodeOptions& options);

// A stream, and where its symbols go.
struct StreamPart {
  std::span<const uint8_t> stream;
  IndexSpan indexes;
  MutableSymbolSpan symbols;
  uint64_t count = 0;
};

// decode_one_shot for each of them, with the same table; errors as for encode_many.
void decode_many(std::span<const StreamPart> parts, const CdfTable& table, unsigned threads);

}  // namespace fastcoder
