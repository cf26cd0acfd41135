// SPDX-License-Identifier: Apache-2.0
#include "compat/rans64_decoder.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/little_endian.h"
#include "coder/interruption.h"
#include "compat/rans64_blocks.h"

namespace fastcoder {
namespace {

enum class Status { kOk, kTruncated, kNoSlot, kDigits, kTooWide };

// The state after a word was read, if it needed one. False if there is none.
FASTCODER_ALWAYS_INLINE bool refill(Rans64Reader& reader) {
  if (FASTCODER_UNLIKELY(reader.state < kRans64Lower)) {
    if (reader.words == reader.end) return false;
    reader.state = reader.state << 32 | load_u32(reader.words);
    reader.words += 4;
  }
  return true;
}

bool pop_digit(Rans64Reader& reader, uint32_t& digit) {
  digit = static_cast<uint32_t>(reader.state & 15);
  reader.state >>= kRans64DigitBits;
  return refill(reader);
}

// Any symbol without anything prepared.
Status pop_symbol(const Rans64Table& table, uint32_t index, Rans64Reader& reader, int64_t& symbol) {
  const Rans64Row& row = table.rows()[index];
  const std::span<const int32_t> cdf = table.cdf(index);
  const uint32_t value = static_cast<uint32_t>(reader.state % kRans64Whole);
  const auto above = std::upper_bound(cdf.begin(), cdf.end(), static_cast<int32_t>(value));
  if (above == cdf.begin() || above == cdf.end()) return Status::kNoSlot;
  const uint32_t slot = static_cast<uint32_t>(above - cdf.begin() - 1);
  const uint32_t start = static_cast<uint32_t>(cdf[slot]);
  const uint32_t frequency = static_cast<uint32_t>(cdf[slot + 1]) - start;
  reader.state = frequency * (reader.state >> kRans64Precision) + value - start;
  if (!refill(reader)) return Status::kTruncated;
  symbol = int64_t{row.offset} + slot;
  if (slot != row.plain) return Status::kOk;
  uint32_t digits = 0;
  if (!pop_digit(reader, digits)) return Status::kTruncated;
  if (digits > kRans64MaxDigits) return Status::kDigits;
  uint32_t raw = 0;
  for (uint32_t i = 0; i < digits; ++i) {
    uint32_t digit = 0;
    if (!pop_digit(reader, digit)) return Status::kTruncated;
    raw |= digit << (kRans64DigitBits * i);
  }
  // No encoder writes more digits than it needs: each message has one stream only.
  if (raw_digits(raw) != digits) return Status::kDigits;
  const int64_t away = raw >> 1;
  symbol = (raw & 1) != 0 ? row.offset - away - 1 : symbol + away;
  return Status::kOk;
}

// Decodes into out until something is wrong; `done` says how many there are.
template <class Symbol>
Status pop_block(const Rans64Table& table, const Rans64Buckets* buckets, const uint32_t* indexes,
                 uint64_t count, Rans64Reader& caller_reader, Symbol* out, uint64_t& done) {
  Rans64Reader reader = caller_reader;
  const Rans64Row* rows = table.rows().data();
  const uint64_t* entries = table.bucket_entries();
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t index = indexes[i];
    if (buckets != nullptr) {
      const uint32_t value = static_cast<uint32_t>(reader.state & (kRans64Whole - 1));
      const Rans64Buckets place = buckets[index];
      const uint64_t entry = entries[place.begin + (value >> place.shift)];
      const uint32_t past = value - static_cast<uint32_t>(entry & 0xFFFF);
      const uint32_t frequency0 = static_cast<uint32_t>(entry >> 16 & 0xFFFF);
      const uint32_t in_second = past >= frequency0;
      const uint32_t frequency =
          in_second ? static_cast<uint32_t>(entry >> 32 & 0xFFFF) : frequency0;
      const uint32_t remainder = past - (frequency0 & (0u - in_second));
      if (!FASTCODER_UNLIKELY(remainder >= frequency)) {
        reader.state = frequency * (reader.state >> kRans64Precision) + remainder;
        if (!refill(reader)) {
          done = i;
          return Status::kTruncated;
        }
        const int64_t symbol =
            int64_t{rows[index].offset} + static_cast<int64_t>(entry >> 48) + in_second;
        if (sizeof(Symbol) == 4 && FASTCODER_UNLIKELY(symbol != static_cast<Symbol>(symbol))) {
          done = i;
          return Status::kTooWide;
        }
        out[i] = static_cast<Symbol>(symbol);
        continue;
      }
    }
    int64_t symbol = 0;
    Status status = pop_symbol(table, index, reader, symbol);
    if (symbol != static_cast<Symbol>(symbol)) status = Status::kTooWide;
    if (status != Status::kOk) {
      done = i;
      return status;
    }
    out[i] = static_cast<Symbol>(symbol);
  }
  caller_reader = reader;
  done = count;
  return Status::kOk;
}

[[noreturn]] void throw_status(Status status, uint64_t position) {
  const std::string what = "symbols[" + std::to_string(position) + "] = ";
  switch (status) {
    case Status::kTruncated:
      throw Error(ErrorKind::kTruncated, what + "nothing, expected more words in the stream");
    case Status::kNoSlot:
      throw Error(ErrorKind::kCorrupt, what + "nothing, expected a value inside the row's slots");
    default:
      throw Error(ErrorKind::kCorrupt,
                  what + "an escape, expected at most 8 digits, the last not 0");
  }
}

template <class Symbol>
bool decode_as(Rans64Reader& caller_reader, const Rans64Pull& pull, const Rans64Table& table) {
  Symbol* symbols = static_cast<Symbol*>(pull.symbols.data);
  Rans64Reader reader = caller_reader;
  const Rans64Buckets* buckets = table.buckets(pull.count);
  for (uint64_t first = 0; first < pull.count; first += kRans64Block) {
    uint32_t indexes[kRans64Block];
    const uint64_t count = std::min(kRans64Block, pull.count - first);
    if (!load_rans64_indexes(pull.indexes, first, count, table.rows().size(), indexes)) {
      throw_rans64_index(pull.indexes, first, count, table.rows().size());
    }
    uint64_t done = 0;
    const Status status = pop_block(table, buckets, indexes, count, reader, symbols + first, done);
    if (status == Status::kTooWide) return false;
    if (status != Status::kOk) throw_status(status, first + done);
    check_interruption(count);
  }
  caller_reader = reader;
  return true;
}

}  // namespace

Rans64Reader read_rans64(std::span<const uint8_t> bytes) {
  const std::string length = "len(encoded) = " + std::to_string(bytes.size());
  if (bytes.size() < 8) throw Error(ErrorKind::kTruncated, length + ", expected at least 8");
  if (bytes.size() % 4 != 0)
    throw Error(ErrorKind::kTruncated, length + ", expected a multiple of 4");
  const uint64_t state = load_u32(bytes.data()) | uint64_t{load_u32(bytes.data() + 4)} << 32;
  if (state < kRans64Lower || state >= kRans64Upper) {
    throw Error(ErrorKind::kCorrupt,
                "state = " + std::to_string(state) + ", expected 2**31 <= state < 2**63");
  }
  return {state, bytes.data() + 8, bytes.data() + bytes.size()};
}

void finish_rans64(const Rans64Reader& reader) {
  if (reader.words != reader.end) {
    throw Error(ErrorKind::kCorrupt,
                "words left = " + std::to_string((reader.end - reader.words) / 4) +
                    ", expected 0 after the last symbol: the stream is damaged, or its indexes or "
                    "tables differ");
  }
  if (reader.state != kRans64Lower) {
    throw Error(ErrorKind::kCorrupt,
                "state = " + std::to_string(reader.state) +
                    ", expected 2**31 after the last symbol: the stream is damaged, or its indexes "
                    "or tables differ");
  }
}

bool decode_rans64(Rans64Reader& reader, const Rans64Pull& pull, const Rans64Table& table) {
  return pull.symbols.type == ElementType::kInt64 ? decode_as<int64_t>(reader, pull, table)
                                                  : decode_as<int32_t>(reader, pull, table);
}

}  // namespace fastcoder
