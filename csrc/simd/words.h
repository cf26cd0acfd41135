// SPDX-License-Identifier: Apache-2.0
// Reads words in groups that may touch a few bytes more than they use. Near the end of the stream
// the rest is copied in front of zeros, so that a group never reads outside the caller's bytes.
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/attributes.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// A group of 32 lanes uses at most 64 bytes, and its last vector load reads at most 16 more.
constexpr uint64_t kGroupBytes = 80;

// The cursor itself stays with the caller, in a register.
struct GroupWords {
  const uint8_t* last;  // a group may begin at or before it
  const uint8_t* end;   // of the caller's bytes
  bool in_tail;
  uint8_t tail[2 * kGroupBytes];

  FASTCODER_ALWAYS_INLINE GroupWords(const uint8_t* words, const uint8_t* words_end)
      : last(words_end - kGroupBytes), end(words_end), in_tail(false) {
    if (static_cast<uint64_t>(words_end - words) < kGroupBytes) last = words - 1;
  }

  // Whether another group can be read at `cursor`, and the last one was inside the stream. To be
  // asked before every group, and after the last one.
  FASTCODER_ALWAYS_INLINE bool ready(const uint8_t*& cursor) {
    if (!FASTCODER_UNLIKELY(cursor > last)) return true;
    if (in_tail) return false;
    cursor = enter_tail(cursor);
    return true;
  }

  // Where `cursor` is in the caller's bytes.
  FASTCODER_ALWAYS_INLINE const uint8_t* position(const uint8_t* cursor) const {
    return in_tail ? end - (last - cursor) : cursor;
  }

 private:
  // Here fewer than kGroupBytes are left, and at least none: a group before `last` used at most
  // 64 of its 80. From now on the end itself is the last place where a group may begin, and one
  // that begins there and uses a word ends behind it.
  FASTCODER_ALWAYS_INLINE const uint8_t* enter_tail(const uint8_t* cursor) {
    const uint64_t left = static_cast<uint64_t>(end - cursor);
    memset(tail, 0, sizeof tail);
    memcpy(tail, cursor, left);
    last = tail + left;
    in_tail = true;
    return tail;
  }
};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
