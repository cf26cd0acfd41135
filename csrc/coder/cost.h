// SPDX-License-Identifier: Apache-2.0
// What symbols cost under a quantized table, without coding them.
#pragma once

#include <cstdint>
#include <span>

#include "coder/cdf_table.h"

namespace fastcoder {

// Bits of `symbols` coded with the rows `indexes`: the sum of -log2 of their quantized
// probabilities. A symbol outside its row costs the escape slot, one sign bit and the Elias-gamma
// code of its distance d >= 1 to the row, 2 floor(log2 d) + 1 bits. What a stream adds (header,
// states, hash) is not counted. `indexes` may be empty if the table has one row.
//
// Summed in order in double precision: the same bits on every machine. Throws Error(kValue) if the
// lengths differ, Error(kIndexRange) or Error(kSymbolRange) that names the first bad position.
double cost(std::span<const int32_t> symbols, std::span<const int32_t> indexes,
            const CdfTable& table);

}  // namespace fastcoder
