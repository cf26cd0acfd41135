// SPDX-License-Identifier: Apache-2.0
// Messages of torchac, written. The bytes are those of its encoder for every message that its
// decoder reads back; what it would write for any other is an error here.
#pragma once

#include <cstdint>
#include <vector>

#include "compat/binary_rows.h"

namespace fastcoder {

// Symbol i, in [0, slots), is coded by row i. Throws kSymbolRange for another symbol, kTable for
// a slot of no width and for what check_binary_rows and check_binary_length refuse.
std::vector<uint8_t> encode_binary(const BinaryRows& rows, const int16_t* symbols);

}  // namespace fastcoder
