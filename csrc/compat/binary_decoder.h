// SPDX-License-Identifier: Apache-2.0
// Messages of torchac, read. The original does not notice damage: it reads zeros behind the end.
// Here a message is accepted if, and only if, it is what the encoder writes for the symbols that
// it decodes to: the bits after the last symbol, and so the length, follow from them.
#pragma once

#include <cstdint>
#include <span>

#include "compat/binary_rows.h"

namespace fastcoder {

// Decodes one symbol per row. Throws kTruncated if bytes are missing, kCorrupt if the bytes are no
// message of these rows, kTable as encode_binary; `symbols` is unspecified then.
//
// Rows of integers should not decrease. Of one that does, the slot is found by halving, as the
// original finds it, unless another one holds the value as well.
void decode_binary(const BinaryRows& rows, std::span<const uint8_t> bytes, int16_t* symbols);

}  // namespace fastcoder
