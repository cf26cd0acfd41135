// SPDX-License-Identifier: Apache-2.0
// Several short segments at once. With one lane a symbol waits for the one before it, about 20
// cycles for a division or a lookup; a processor has room for six to eight such waits at a time.
// So segments of few lanes take turns, a group of each: eight chains in all, as many as serial
// kernels run for eight lanes of one segment.
//
// What does not belong to the chain (checks, types, encode entries, hashes) stands in passes of its
// own over blocks that stay in the first-level cache.
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "base/little_endian.h"
#include "format/params.h"
#include "format/rans_step.h"
#include "format/symbol_hash.h"
#include "simd/generic-inl.h"
#include "simd/kernel_table.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// factor^(kManyBlock - 1), ..., factor^1, factor^0.
struct Powers {
  uint32_t power[kManyBlock];
};
constexpr Powers make_powers(uint32_t factor) {
  Powers powers{};
  uint32_t power = 1;
  for (uint32_t i = kManyBlock; i-- > 0; power *= factor) powers.power[i] = power;
  return powers;
}
constexpr Powers kHashPowers = make_powers(kHashMultiplier);
constexpr Powers kInversePowers = make_powers(kHashInverse);

// The hash of each lane after `groups` more symbols: the terms of the polynomial are independent,
// so this is a vector loop. Encoders go from the last symbol to the first.
template <uint32_t kLanes, bool kBackwards>
FASTCODER_ALWAYS_INLINE void hash_groups(const int32_t* symbols, uint64_t groups,
                                         uint32_t* hashes) {
  const Powers& powers = kBackwards ? kInversePowers : kHashPowers;
  const uint32_t* power = powers.power + (kManyBlock - groups);
  const uint32_t before = power[0] * (kBackwards ? kHashInverse : kHashMultiplier);
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    uint32_t sum = 0;
    for (uint64_t g = 0; g < groups; ++g) {
      const uint64_t visited = kBackwards ? groups - 1 - g : g;
      sum += static_cast<uint32_t>(symbols[visited * kLanes + lane]) * power[g];
    }
    hashes[lane] = hashes[lane] * before + sum;
  }
}

// The bytes that a block of one segment can use, and the two that are read in any case.
constexpr int64_t kManyBytes = 2 * kManyBlock + 2;

template <class Width, uint32_t kLanes>
bool decode_chains(const DecodeManyBlock& block) {
  using State = typename Width::State;
  constexpr uint32_t kSegments = kManyChains / kLanes;
  constexpr State kValueMask = (State{1} << Width::kPrecision) - 1;
  const TableView& table = *block.table;
  const uint64_t* buckets = table.fast->buckets;
  const uint32_t bucket_shift = Width::kPrecision - table.fast->bucket_bits;
  State states[kSegments][kLanes];
  const uint8_t* cursors[kSegments];
  uint8_t rests[kSegments][2 * kManyBytes];  // what is left of the words, in front of zeros
  for (uint32_t s = 0; s < kSegments; ++s) {
    const DecodeLanes& lanes = *block.lanes[s];
    const int64_t left = lanes.words_end - lanes.words;
    cursors[s] = lanes.words;
    if (left < kManyBytes) {
      memcpy(rests[s], lanes.words, static_cast<size_t>(left));
      memset(rests[s] + left, 0, kManyBytes);
      cursors[s] = rests[s];
    }
    for (uint32_t k = 0; k < kLanes; ++k) states[s][k] = static_cast<State>(lanes.state[k]);
  }
  const uint32_t* begins = block.begins;
  int32_t* symbols = block.symbols;
  for (uint64_t i = 0; i < block.count; i += kLanes, begins += kLanes, symbols += kLanes) {
    FASTCODER_UNROLL
    for (uint32_t s = 0; s < kSegments; ++s) {
      FASTCODER_UNROLL
      for (uint32_t k = 0; k < kLanes; ++k) {
        const State state = states[s][k];
        const uint32_t value = static_cast<uint32_t>(state & kValueMask);
        const uint32_t begin = begins[s * kManyBlock + k];
        const uint64_t entry = buckets[begin + (value >> bucket_shift)];
        const uint32_t past = value - static_cast<uint32_t>(entry & 0xFFFF);
        const uint32_t frequency0 = static_cast<uint32_t>(entry >> 16 & 0xFFFF);
        const uint32_t in_second = past >= frequency0;
        uint32_t frequency = in_second ? static_cast<uint32_t>(entry >> 32 & 0xFFFF) : frequency0;
        uint32_t remainder = past - (frequency0 & (0u - in_second));
        int64_t symbol = (static_cast<int64_t>(entry) >> 48) + in_second;
        if (FASTCODER_UNLIKELY(remainder >= frequency)) {
          const uint64_t row = begin / row_entries(*table.fast);
          const Found found = look_up<Width>(table, table.rows[row], value, *block.lanes[s]);
          if (found.frequency == 0) return false;
          frequency = found.frequency;
          remainder = value - found.start;
          symbol = found.symbol;
        }
        const State popped =
            static_cast<State>(frequency * (state >> Width::kPrecision) + remainder);
        const State refilled = static_cast<State>(popped << kWordBits | load_u16(cursors[s]));
        const bool needs_word = popped < Width::kLower;
        states[s][k] = needs_word ? refilled : popped;
        cursors[s] += needs_word ? 2 : 0;
        symbols[s * kManyBlock + k] = static_cast<int32_t>(symbol);
      }
    }
  }
  // Words that are not there were read as zeros; here it shows.
  uint64_t used[kSegments];
  for (uint32_t s = 0; s < kSegments; ++s) {
    const DecodeLanes& lanes = *block.lanes[s];
    const int64_t left = lanes.words_end - lanes.words;
    used[s] = static_cast<uint64_t>(cursors[s] - (left < kManyBytes ? rests[s] : lanes.words));
    if (static_cast<int64_t>(used[s]) > left) return false;
  }
  for (uint32_t s = 0; s < kSegments; ++s) {
    DecodeLanes& lanes = *block.lanes[s];
    lanes.words += used[s];
    for (uint32_t k = 0; k < kLanes; ++k) lanes.state[k] = states[s][k];
    hash_groups<kLanes, false>(block.symbols + s * kManyBlock, block.count / kLanes, lanes.hash);
  }
  return true;
}

template <class Width, uint32_t kLanes>
bool encode_chains(const EncodeManyBlock& block) {
  using State = typename Width::State;
  constexpr uint32_t kSegments = kManyChains / kLanes;
  const TableView& table = *block.table;
  const FastView& fast = *table.fast;
  uint32_t entries[kSegments * kManyBlock];
  for (uint32_t s = 0; s < kSegments; ++s) {
    EncodeLanes& lanes = *block.lanes[s];
    const int32_t* symbols = block.symbols + s * kManyBlock;
    const uint32_t* begins = block.begins + s * kManyBlock;
    for (uint64_t i = block.count; i-- > 0;) {
      const int32_t symbol = symbols[i];
      uint32_t entry = fast.dense[begins[i] + dense_place(fast, symbol)];
      if (FASTCODER_UNLIKELY(entry >> 16 == 0)) {
        const RowView& row = table.rows[begins[i] / fast.dense_stride];
        if (table.escape == 0 || is_whole<Width>(row)) return false;
        leave_row(table, row, symbol, lanes);
        entry = last_entry<Width>(table, row);
      }
      entries[s * kManyBlock + i] = entry;
    }
    hash_groups<kLanes, true>(symbols, block.count / kLanes, lanes.hash);
  }
  State states[kSegments][kLanes];
  uint8_t* cursors[kSegments];
  for (uint32_t s = 0; s < kSegments; ++s) {
    cursors[s] = block.lanes[s]->cursor;
    for (uint32_t k = 0; k < kLanes; ++k) {
      states[s][k] = static_cast<State>(block.lanes[s]->state[k]);
    }
  }
  for (const uint32_t* group = entries + block.count; group > entries;) {
    group -= kLanes;
    FASTCODER_UNROLL
    for (uint32_t s = 0; s < kSegments; ++s) {
      FASTCODER_UNROLL
      for (uint32_t back = 1; back <= kLanes; ++back) {
        const uint32_t k = kLanes - back;
        const uint32_t entry = group[s * kManyBlock + k];
        const uint32_t frequency = entry >> 16;
        State state = states[s][k];
        const bool gives_word = state >> (Width::kStateBits - Width::kPrecision) >= frequency;
        store_u16(cursors[s] - 2, static_cast<uint32_t>(state));
        cursors[s] -= gives_word ? 2 : 0;
        state = gives_word ? static_cast<State>(state >> kWordBits) : state;
        states[s][k] = push_entry<Width>(state, entry, fast.reciprocals);
      }
    }
  }
  for (uint32_t s = 0; s < kSegments; ++s) {
    block.lanes[s]->cursor = cursors[s];
    for (uint32_t k = 0; k < kLanes; ++k) block.lanes[s]->state[k] = states[s][k];
  }
  return true;
}

template <class Width>
bool decode_many(const DecodeManyBlock& block) {
  if (block.lane_count == 1) return decode_chains<Width, 1>(block);
  if (block.lane_count == 2) return decode_chains<Width, 2>(block);
  return decode_chains<Width, 4>(block);
}

template <class Width>
bool encode_many(const EncodeManyBlock& block) {
  if (block.lane_count == 1) return encode_chains<Width, 1>(block);
  if (block.lane_count == 2) return encode_chains<Width, 2>(block);
  return encode_chains<Width, 4>(block);
}

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA

#define FASTCODER_MANY_KERNELS(function) {&function<Narrow>, &function<Wide>}
