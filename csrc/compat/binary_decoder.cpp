// SPDX-License-Identifier: Apache-2.0
#include "compat/binary_decoder.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "coder/interruption.h"
#include "compat/binary_kernels.h"
#include "compat/binary_step.h"
#include "format/range_step.h"
#include "simd/dispatch.h"

namespace fastcoder {

namespace binary_plain {
extern const BinaryDecodeKernels kKernels;
}
#ifdef FASTCODER_HAS_avx512
namespace binary_avx512 {
extern const BinaryDecodeKernels kKernels;
}
#endif

namespace {

// Symbols between two looks at how many bits were read.
constexpr uint64_t kMostBlock = 64;
// Entries that are converted at a time, so that they stay in the cache.
constexpr uint64_t kBlockEntries = 8192;
// A block reads this many bytes behind the end at most: its bits, and the word that is looked at.
constexpr uint64_t kPadding = kMostBlock * kBinaryMostShift / 8 + 16;
const BinaryDecodeKernels& kernels() {
#ifdef FASTCODER_HAS_avx512
  if (std::string_view(active_kernels().name) == "avx512" && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2")) {
    return binary_avx512::kKernels;
  }
#endif
  return binary_plain::kKernels;
}

class Decoder {
 public:
  Decoder(const BinaryRows& rows, std::span<const uint8_t> bytes)
      : rows_(rows), size_(bytes.size()), bytes_(bytes.size() + kPadding) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
    state_.code = uint64_t{load_big_u32(bytes_.data())} << 32;
    state_.in = bytes_.data() + 4;
  }

  void run(int16_t* symbols) {
    const uint64_t slots = rows_.slots();
    const uint32_t kernel = slots <= 16 ? 0 : slots <= 32 ? 1 : slots <= 64 ? 2 : 3;
    const BinaryDecodeFunction decode = kernels().decode[kernel];
    const uint64_t reach = kBinaryReach[kernel];
    const uint64_t most = std::clamp<uint64_t>(kBlockEntries / rows_.length, 1, kMostBlock);
    const uint64_t direct = direct_rows(reach);
    for (uint64_t first = 0; first < rows_.count;) {
      const uint64_t left = (first < direct ? direct : rows_.count) - first;
      const BinaryBlock block = prepare(first, std::min(most, left), first < direct, reach);
      const uint64_t done = decode(block, slots, state_, symbols + first);
      if (bits_used() > 8 * size_) throw_truncated();
      if (done < block.count) throw_corrupt(first + done);
      first += block.count;
      check_interruption(block.count);
    }
    finish();
  }

 private:
  // Rows whose `reach` entries are all in the caller's array.
  uint64_t direct_rows(uint64_t reach) const {
    if (rows_.element != BinaryElement::kInt16 || rows_.count == 0) return 0;
    if (reach <= rows_.length) return rows_.count;
    const uint64_t rest = (rows_.count - 1) * rows_.stride;
    const uint64_t more = reach - rows_.length;
    return rest < more || rows_.stride == 0 ? 0 : (rest - more) / rows_.stride + 1;
  }

  BinaryBlock prepare(uint64_t first, uint64_t count, bool direct, uint64_t reach) {
    const uint16_t* data = static_cast<const uint16_t*>(rows_.data) + first * rows_.stride;
    if (direct) return {data, rows_.stride, count};
    const uint64_t length = rows_.length;
    scratch_.resize(std::max<uint64_t>(scratch_.size(), count * length + reach));
    if (rows_.element == BinaryElement::kInt16) {
      for (uint64_t i = 0; i < count; ++i) {
        std::copy_n(data + i * rows_.stride, length, scratch_.data() + i * length);
      }
    } else {
      check_binary_rows(rows_, first, count);
      convert_binary_rows(rows_, first, count, length, scratch_.data());
    }
    return {scratch_.data(), length, count};
  }

  // Of the symbols so far, and the 2 that end a message.
  uint64_t bits_used() const {
    return 8 * static_cast<uint64_t>(state_.in - bytes_.data()) - state_.spare - 32 +
           (32 - kBinaryEndShift);
  }

  // The value has to be the first multiple of 2^30 above the interval's low end: the bits behind
  // the last 2 are zero then, too.
  void finish() const {
    if (bits_used() > 8 * size_) throw_truncated();
    const uint64_t needed = (bits_used() + 7) / 8;
    if (size_ != needed) {
      throw Error(ErrorKind::kCorrupt, "len(byte_stream) = " + std::to_string(size_) +
                                           ", expected " + std::to_string(needed) +
                                           " for these symbols");
    }
    constexpr uint32_t kUnit = uint32_t{1} << kBinaryEndShift;
    const uint64_t expected = kUnit - state_.low % kUnit;
    if (state_.code >> 32 != expected) {
      throw Error(ErrorKind::kCorrupt, "byte_stream[" + std::to_string(size_ - 1) +
                                           "] = " + std::to_string(bytes_[size_ - 1]) +
                                           ", expected the end of the message of these symbols");
    }
  }

  [[noreturn]] void throw_truncated() const {
    throw Error(ErrorKind::kTruncated, "len(byte_stream) = " + std::to_string(size_) +
                                           ", expected more for " + std::to_string(rows_.count) +
                                           " symbols");
  }

  [[noreturn]] void throw_corrupt(uint64_t symbol) const {
    throw Error(ErrorKind::kCorrupt, "sym[" + std::to_string(symbol) +
                                         "] = in no slot of its row, expected 0 <= sym < " +
                                         std::to_string(std::min<uint64_t>(rows_.slots(), 32768)));
  }

  const BinaryRows& rows_;
  uint64_t size_;
  std::vector<uint8_t> bytes_;  // with zeros behind them
  std::vector<uint16_t> scratch_;
  BinaryDecodeState state_;
};

}  // namespace

void decode_binary(const BinaryRows& rows, std::span<const uint8_t> bytes, int16_t* symbols) {
  check_binary_length(rows);
  Decoder(rows, bytes).run(symbols);
}

}  // namespace fastcoder
