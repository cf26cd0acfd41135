// SPDX-License-Identifier: Apache-2.0
// Reads words in groups that may touch a few bytes more than they use. Near the end of the stream
// the rest is copied in front of zeros, so that a group never reads outside the caller's bytes.
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/attributes.h"

namespace fastcoder::FASTCODER_ISA {
namespace {

// A group of 32 lanes uses at most 64 bytes; one vector load may begin where they end.
constexpr int64_t kGroupBytes = 80;

// The cursor itself stays with the caller, in a register.
struct GroupWords {
  const uint8_t* last;  // a group may begin at or before it
  const uint8_t* end;   // of the caller's bytes
  bool copied;
  uint8_t rest[2 * kGroupBytes];

  FASTCODER_ALWAYS_INLINE GroupWords(const uint8_t* words, const uint8_t* words_end)
      : last(words_end - words < kGroupBytes ? words - 1 : words_end - kGroupBytes),
        end(words_end),
        copied(false) {}  // words - 1 is a byte of the segment's states

  // Whether another group can be read at `cursor`, and the last one was inside the stream. To be
  // asked before every group, and after the last one.
  FASTCODER_ALWAYS_INLINE bool ready(const uint8_t*& cursor) {
    if (!FASTCODER_UNLIKELY(cursor > last)) return true;
    if (copied) return false;
    cursor = copy_rest(cursor);
    return true;
  }

  // Where `cursor` is in the caller's bytes.
  FASTCODER_ALWAYS_INLINE const uint8_t* position(const uint8_t* cursor) const {
    return copied ? end - (last - cursor) : cursor;
  }

 private:
  // Here fewer than kGroupBytes are left, and at least none: a group before `last` used at most
  // 64 of its 80. From now on the end itself is the last place where a group may begin, and one
  // that begins there and uses a word ends behind it.
  FASTCODER_ALWAYS_INLINE const uint8_t* copy_rest(const uint8_t* cursor) {
    const uint64_t left = static_cast<uint64_t>(end - cursor);
    memset(rest, 0, sizeof rest);
    memcpy(rest, cursor, left);
    last = rest + left;
    copied = true;
    return rest;
  }
};

}  // namespace
}  // namespace fastcoder::FASTCODER_ISA
