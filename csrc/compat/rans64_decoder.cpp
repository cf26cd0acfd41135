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

enum class Status { kOk, kBadIndex, kTruncated, kNoSlot, kDigits, kTooWide };

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

// A stream that is being read, and what comes next of its indexes.
struct Chain {
  Rans64Reader reader;
  const Rans64Pull* pull = nullptr;
  uint64_t fetched = 0;
  // Fetched and not decoded yet: the array itself, where it is int32, else a block of copies.
  const int32_t* indexes = nullptr;
  uint64_t ready = 0;
  uint32_t index_block[kRans64Block];

  Chain() {}  // the block needs no values

  void begin(const Rans64Reader& at, const Rans64Pull& next) {
    reader = at;
    pull = &next;
    fetched = ready = 0;
  }
  uint64_t position() const { return fetched - ready; }
  bool at_end() const { return position() == pull->count; }
};

// Until there is something ready, or nothing left.
Status fetch(Chain& chain, uint64_t rows) {
  const Rans64Pull& pull = *chain.pull;
  if (chain.ready != 0 || chain.fetched == pull.count) return Status::kOk;
  if (pull.indexes.type == ElementType::kInt32) {
    chain.indexes = static_cast<const int32_t*>(pull.indexes.data);
    chain.ready = chain.fetched = pull.count;
    return Status::kOk;
  }
  const uint64_t count = std::min(kRans64Block, pull.count - chain.fetched);
  if (!load_rans64_indexes(pull.indexes, chain.fetched, count, rows, chain.index_block)) {
    return Status::kBadIndex;
  }
  chain.indexes = reinterpret_cast<const int32_t*>(chain.index_block);
  chain.ready = count;
  chain.fetched += count;
  return Status::kOk;
}

// `count` int32 symbols of each of so many chains, which all have their indexes ready. If something
// is wrong, with one chain, it says where.
//
// From one state to the next: two shifts, a load, a choice between two slots, a product and a sum.
// Whether a word is needed is a branch, as in the encoder.
template <size_t kChains>
Status pop_ready(Chain* const* chains, uint64_t count, const Rans64Table& table,
                 const Rans64BucketRow* bucket_rows, uint64_t& position) {
  const Rans64Bucket* buckets = table.buckets();
  const uint64_t row_count = table.rows().size();
  const int32_t* indexes[kChains];
  int32_t* symbols[kChains];
  uint64_t states[kChains];
  const uint8_t* words[kChains];
  for (size_t c = 0; c < kChains; ++c) {
    Chain& chain = *chains[c];
    indexes[c] = chain.indexes;
    symbols[c] = static_cast<int32_t*>(chain.pull->symbols.data) + chain.position();
    states[c] = chain.reader.state;
    words[c] = chain.reader.words;
  }
  for (uint64_t i = 0; i < count; ++i) {
    FASTCODER_UNROLL
    for (size_t c = 0; c < kChains; ++c) {
      const uint32_t index = static_cast<uint32_t>(read_once(indexes[c] + i));
      if (FASTCODER_UNLIKELY(index >= row_count)) {
        position = chains[c]->position() + i;
        return Status::kBadIndex;
      }
      const uint64_t state = states[c];
      const Rans64BucketRow& row = bucket_rows[index];
      const uint32_t value = static_cast<uint32_t>(state & (kRans64Whole - 1));
      const Rans64Bucket& bucket = buckets[row.begin + (value >> row.shift)];
      const uint32_t past = value - bucket.start;
      const uint32_t frequency0 = bucket.frequency0;
      const uint32_t frequency1 = bucket.frequency1;
      if (FASTCODER_UNLIKELY(past >= frequency0 + frequency1)) {
        Rans64Reader reader{state, words[c], chains[c]->reader.end};
        int64_t symbol = 0;
        Status status = pop_symbol(table, index, reader, symbol);
        if (symbol != static_cast<int32_t>(symbol)) status = Status::kTooWide;
        if (status != Status::kOk) {
          position = chains[c]->position() + i;
          return status;
        }
        states[c] = reader.state;
        words[c] = reader.words;
        symbols[c][i] = static_cast<int32_t>(symbol);
        continue;
      }
      // Masks, not branches: which of two slots it is cannot be predicted.
      const uint32_t in_second = past >= frequency0;
      const uint32_t frequency = in_second ? frequency1 : frequency0;
      uint64_t popped =
          frequency * (state >> kRans64Precision) + past - (frequency0 & (0u - in_second));
      if (FASTCODER_UNLIKELY(popped < kRans64Lower)) {
        if (words[c] == chains[c]->reader.end) {
          position = chains[c]->position() + i;
          return Status::kTruncated;
        }
        popped = popped << 32 | load_u32(words[c]);
        words[c] += 4;
      }
      states[c] = popped;
      symbols[c][i] = row.offset + bucket.slot + static_cast<int32_t>(in_second);
    }
  }
  for (size_t c = 0; c < kChains; ++c) {
    chains[c]->reader.state = states[c];
    chains[c]->reader.words = words[c];
    chains[c]->ready -= count;
    chains[c]->indexes += count;
  }
  return Status::kOk;
}

// Without anything prepared, to int32 or int64.
template <class Symbol>
Status pop_cold(Chain& chain, const Rans64Table& table, uint64_t& position) {
  Symbol* symbols = static_cast<Symbol*>(chain.pull->symbols.data);
  for (position = 0; position < chain.pull->count; ++position) {
    uint32_t index = 0;
    if (!load_rans64_indexes(chain.pull->indexes, position, 1, table.rows().size(), &index)) {
      return Status::kBadIndex;
    }
    int64_t symbol = 0;
    const Status status = pop_symbol(table, index, chain.reader, symbol);
    if (status != Status::kOk) return status;
    if (symbol != static_cast<Symbol>(symbol)) return Status::kTooWide;
    symbols[position] = static_cast<Symbol>(symbol);
    if (position % kRans64Block == 0) check_interruption(kRans64Block);
  }
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

constexpr uint64_t kMostAtOnce = 4096;  // symbols between two looks at signals

Status pop_all(Chain& chain, const Rans64Table& table, uint64_t& position) {
  if (chain.pull->symbols.type == ElementType::kInt64) {
    return pop_cold<int64_t>(chain, table, position);
  }
  const Rans64BucketRow* bucket_rows = table.bucket_rows(chain.pull->count);
  if (bucket_rows == nullptr) return pop_cold<int32_t>(chain, table, position);
  Chain* const chains[] = {&chain};
  while (!chain.at_end()) {
    const Status fetched = fetch(chain, table.rows().size());
    position = chain.position();
    if (fetched != Status::kOk) return fetched;
    const uint64_t count = std::min(chain.ready, kMostAtOnce);
    check_interruption(count);
    const Status status = pop_ready<1>(chains, count, table, bucket_rows, position);
    if (status != Status::kOk) return status;
  }
  return Status::kOk;
}

constexpr size_t kChainsAtOnce = 4;

Status pop_chains(Chain* const* chains, size_t active, const Rans64Table& table,
                  const Rans64BucketRow* bucket_rows) {
  uint64_t count = kMostAtOnce;
  for (size_t c = 0; c < active; ++c) count = std::min(count, chains[c]->ready);
  check_interruption(active * count);
  uint64_t position = 0;
  switch (active) {
    case 4:
      return pop_ready<4>(chains, count, table, bucket_rows, position);
    case 3:
      return pop_ready<3>(chains, count, table, bucket_rows, position);
    case 2:
      return pop_ready<2>(chains, count, table, bucket_rows, position);
    default:
      return pop_ready<1>(chains, count, table, bucket_rows, position);
  }
}

// Every message, kChainsAtOnce at a time. False if one is at fault, or not of int32.
bool decode_messages(std::span<const Rans64Message> messages, const Rans64Table& table,
                     const Rans64BucketRow* bucket_rows) {
  Chain room[kChainsAtOnce];
  Chain* chains[kChainsAtOnce];
  size_t active = 0;
  size_t next = 0;
  const auto begin = [&](Chain& chain) {
    chain.begin(read_rans64(messages[next].bytes), messages[next].pull);
    ++next;
  };
  for (; active < kChainsAtOnce && next < messages.size(); ++active) {
    chains[active] = &room[active];
    begin(room[active]);
  }
  while (active > 0) {
    for (size_t c = 0; c < active;) {
      if (fetch(*chains[c], table.rows().size()) != Status::kOk) return false;
      if (!chains[c]->at_end()) {
        ++c;
        continue;
      }
      finish_rans64(chains[c]->reader);
      if (next < messages.size()) {
        begin(*chains[c]);
      } else {
        std::swap(chains[c], chains[--active]);
      }
    }
    if (active > 0 && pop_chains(chains, active, table, bucket_rows) != Status::kOk) return false;
  }
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
  Chain chain;
  chain.begin(reader, pull);
  uint64_t position = 0;
  const Status status = pop_all(chain, table, position);
  if (status == Status::kTooWide) return false;
  if (status == Status::kBadIndex) {
    throw_rans64_index(pull.indexes, position, pull.count - position, table.rows().size());
  }
  if (status != Status::kOk) throw_status(status, position);
  reader = chain.reader;
  return true;
}

bool decode_rans64_many(std::span<const Rans64Message> messages, const Rans64Table& table) {
  uint64_t count = 0;
  for (const Rans64Message& message : messages) count += message.pull.count;
  const Rans64BucketRow* bucket_rows = table.bucket_rows(count);
  try {
    if (bucket_rows != nullptr && decode_messages(messages, table, bucket_rows)) return true;
  } catch (const Error&) {  // which message it is comes out below
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    try {
      Rans64Reader reader = read_rans64(messages[i].bytes);
      if (!decode_rans64(reader, messages[i].pull, table)) return false;
      finish_rans64(reader);
    } catch (const Error& error) {
      throw Error(error.kind(), std::string(error.what()) + " (message " + std::to_string(i) + ")");
    }
  }
  return true;
}

}  // namespace fastcoder
