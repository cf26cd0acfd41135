// SPDX-License-Identifier: Apache-2.0
#include "compat/rans64_encoder.h"

#include <algorithm>
#include <new>
#include <string>

#include "base/error.h"
#include "base/little_endian.h"
#include "coder/interruption.h"
#include "compat/rans64_blocks.h"

namespace fastcoder {
namespace {

// An escape at its longest: a slot of 16 bits and nine digits of four.
constexpr uint64_t kMaxWords = 3;

// What one symbol is, before it is coded.
struct Code {
  uint32_t start;
  uint32_t frequency;  // 0: cannot be coded
  bool escape;
  uint32_t raw;
};

Code code_of(const Rans64Table& table, uint32_t index, int64_t symbol) {
  const Rans64Row& row = table.rows()[index];
  const int32_t* cdf = table.content().cdf.data() + row.begin;
  Code code{};
  // A symbol is below 2^63 and an offset in int32, so unsigned differences are right, if large.
  const uint64_t place = static_cast<uint64_t>(symbol) - static_cast<uint64_t>(int64_t{row.offset});
  const bool below = symbol < row.offset;
  uint64_t slot = place;
  if (below || place >= row.plain) {
    const uint64_t away = below ? ~place : place - row.plain;  // from -1, or from the escape slot
    if (away > kRans64MaxRaw >> 1) return code;
    slot = row.plain;
    code.escape = true;
    code.raw = static_cast<uint32_t>(away << 1 | static_cast<uint64_t>(below));
  }
  code.start = static_cast<uint32_t>(cdf[slot]);
  code.frequency = static_cast<uint32_t>(cdf[slot + 1]) - code.start;
  return code;
}

[[noreturn]] void throw_first_fault(const Rans64Part& part, const Rans64Table& table) {
  const auto text = [](int64_t value) { return std::to_string(value); };
  for (uint64_t i = 0; i < part.count; ++i) {
    uint32_t index = 0;
    if (!load_rans64_indexes(part.indexes, i, 1, table.rows().size(), &index)) {
      throw_rans64_index(part.indexes, i, 1, table.rows().size());
    }
    const int64_t symbol = rans64_element(part.symbols.data, part.symbols.type, i);
    const Code code = code_of(table, index, symbol);
    if (code.frequency != 0) continue;
    const Rans64Row& row = table.rows()[index];
    const std::string what = "symbols[" + text(static_cast<int64_t>(i)) + "] = " + text(symbol);
    const std::string name = "cdfs[" + std::to_string(index) + "]";
    const int64_t escapes = int64_t{row.offset} + row.plain;
    if (symbol >= row.offset && symbol < escapes) {
      throw Error(ErrorKind::kSymbolRange,
                  what + ", expected one whose slot in " + name + " is not empty");
    }
    constexpr int64_t kReach = int64_t{1} << 31;
    if (symbol < row.offset - kReach || symbol >= escapes + kReach) {
      throw Error(ErrorKind::kSymbolRange, what + ", expected " + text(row.offset - kReach) +
                                               " <= symbol < " + text(escapes + kReach) +
                                               ", within 2**31 of " + name);
    }
    throw Error(ErrorKind::kSymbolRange,
                what + ", expected one inside " + name + ", whose escape slot is empty");
  }
  throw Error(ErrorKind::kIndexRange, "symbols, indexes = changing, expected arrays at rest");
}

void push_slot(uint64_t& state, uint32_t*& cursor, uint32_t start, uint32_t frequency) {
  if (state >= uint64_t{frequency} << kRans64LimitShift) {
    *cursor++ = static_cast<uint32_t>(state);
    state >>= 32;
  }
  state = (state / frequency << kRans64Precision) + state % frequency + start;
}

void push_digit(uint64_t& state, uint32_t*& cursor, uint32_t digit) {
  if (state >= kRans64Upper >> kRans64DigitBits) {
    *cursor++ = static_cast<uint32_t>(state);
    state >>= 32;
  }
  state = state << kRans64DigitBits | digit;
}

// Any symbol without anything prepared. False if it cannot be coded.
bool push_symbol(const Rans64Table& table, uint32_t index, int64_t symbol, uint64_t& state,
                 uint32_t*& cursor) {
  const Code code = code_of(table, index, symbol);
  if (code.frequency == 0) return false;
  if (code.escape) {
    const uint32_t digits = raw_digits(code.raw);
    for (uint32_t i = digits; i-- > 0;) {
      push_digit(state, cursor, code.raw >> (kRans64DigitBits * i) & 15);
    }
    push_digit(state, cursor, digits);
  }
  push_slot(state, cursor, code.start, code.frequency);
  return true;
}

// A stream that is being written, and what comes next of its symbols, from the last to the first.
struct Chain {
  const Rans64Part* part = nullptr;
  Rans64Stream* stream = nullptr;
  uint64_t left = 0;  // symbols that were not fetched yet
  // Fetched: the arrays themselves, where they are int32, else a block of copies.
  const int32_t* symbols = nullptr;
  const int32_t* indexes = nullptr;
  uint64_t ready = 0;
  int32_t symbol_block[kRans64Block];
  uint32_t index_block[kRans64Block];

  Chain() {}  // the blocks need no values

  void begin(const Rans64Part& next, Rans64Stream& target) {
    part = &next;
    stream = &target;
    left = next.count;
    ready = 0;
  }
};

// Until there is something ready, or nothing left. False if a symbol cannot be coded.
bool fetch(Chain& chain, const Rans64Table& table) {
  const Rans64Part& part = *chain.part;
  const uint64_t rows = table.rows().size();
  while (chain.ready == 0 && chain.left != 0) {
    if (part.symbols.type == ElementType::kInt32 && part.indexes.type == ElementType::kInt32) {
      chain.symbols = static_cast<const int32_t*>(part.symbols.data);
      chain.indexes = static_cast<const int32_t*>(part.indexes.data);
      chain.ready = chain.left;
      chain.left = 0;
      return true;
    }
    const uint64_t count = std::min(kRans64Block, chain.left);
    const uint64_t first = chain.left - count;
    chain.left = first;
    if (!load_rans64_indexes(part.indexes, first, count, rows, chain.index_block)) return false;
    if (load_rans64_symbols(part.symbols, first, count, chain.symbol_block)) {
      chain.symbols = chain.symbol_block;
      chain.indexes = reinterpret_cast<const int32_t*>(chain.index_block);
      chain.ready = count;
      return true;
    }
    for (uint64_t i = count; i-- > 0;) {  // what int32 does not hold, one at a time
      const int64_t symbol = rans64_element(part.symbols.data, part.symbols.type, first + i);
      uint32_t* cursor = chain.stream->reserve(kMaxWords);
      if (!push_symbol(table, chain.index_block[i], symbol, chain.stream->state, cursor)) {
        return false;
      }
      chain.stream->advance(cursor);
    }
  }
  return true;
}

// What of a chain changes with every symbol.
struct Live {
  uint64_t state;
  uint32_t* cursor;
};

Live start(Chain& chain, uint64_t count) {
  return {chain.stream->state, chain.stream->reserve(kMaxWords * count)};
}

void stop(Chain& chain, const Live& live) {
  chain.stream->state = live.state;
  chain.stream->advance(live.cursor);
}

// Symbol i of those that the chain has fetched. False if it cannot be coded.
bool push_any(const Chain& chain, uint64_t i, const Rans64Table& table, Live& live) {
  const uint32_t index = static_cast<uint32_t>(read_once(chain.indexes + i));
  return index < table.rows().size() &&
         push_symbol(table, index, read_once(chain.symbols + i), live.state, live.cursor);
}

constexpr uint32_t kNoPush = UINT32_MAX;  // the place of a symbol that push_any has to see

// Where the push of a symbol is, in units of 8 bytes.
FASTCODER_ALWAYS_INLINE uint32_t look_up(const int32_t* symbol, const int32_t* caller_index,
                                         const Rans64PushRow* rows, uint32_t row_count) {
  const uint32_t index = static_cast<uint32_t>(read_once(caller_index));
  const Rans64PushRow& row = rows[std::min(index, row_count)];  // the last one is without symbols
  const uint32_t place =
      static_cast<uint32_t>(read_once(symbol)) - static_cast<uint32_t>(row.offset);
  return place < row.plain ? row.begin + 2 * place : kNoPush;
}

// One symbol. False if it cannot be coded.
//
// From one state to the next: a multiplication, a shift, a multiplication, a sum: 9 or 10 cycles.
// Whether a word leaves is a branch, so that a processor goes on as if it knew. With a word in 8
// symbols that is as fast as a conditional move, which takes 2 cycles more for every symbol; below,
// where most latents are, it is faster.
FASTCODER_ALWAYS_INLINE bool push_one(const Chain& chain, uint64_t i, uint32_t place,
                                      const Rans64Table& table, const uint8_t* pushes, Live& live) {
  if (FASTCODER_UNLIKELY(place == kNoPush)) {
    Live copy = live;  // so that the other one can stay in registers
    if (!push_any(chain, i, table, copy)) return false;
    live = copy;
    return true;
  }
  const Rans64Push& push = *reinterpret_cast<const Rans64Push*>(pushes + uint64_t{place} * 8);
  if (FASTCODER_UNLIKELY(gives_word(live.state, push))) {
    *live.cursor++ = static_cast<uint32_t>(live.state);
    live.state >>= 32;
  }
  live.state = push_state(live.state, push);
  return true;
}

// What a call pushes with.
struct Tools {
  const Rans64Table& table;
  const Rans64PushRow* rows;
  const uint8_t* pushes;
  uint32_t row_count;
};

// The last `count` symbols that a chain has ready. Everything but the state is found meanwhile.
bool push_alone(Chain& chain, uint64_t count, const Tools& tools) {
  Live live = start(chain, count);
  chain.ready -= count;
  for (uint64_t i = chain.ready + count; i-- > chain.ready;) {
    const uint32_t place =
        look_up(chain.symbols + i, chain.indexes + i, tools.rows, tools.row_count);
    if (!push_one(chain, i, place, tools.table, tools.pushes, live)) return false;
  }
  stop(chain, live);
  return true;
}

constexpr size_t kChainsAtOnce = 4;
constexpr uint64_t kLookedUp = 128;  // symbols of a chain
constexpr int64_t kAhead = 512;

// The places of `count` symbols, kChainsAtOnce apart. Asks for memory half a page ahead: a
// processor does not foresee as many arrays that are read backwards.
void look_up_all(const int32_t* symbols, const int32_t* indexes, uint64_t count, const Tools& tools,
                 uint32_t* places) {
  const Rans64PushRow* const rows = tools.rows;
  const uint32_t row_count = tools.row_count;
  const auto look = [&](uint64_t i) FASTCODER_INLINED_LAMBDA {
    places[i * kChainsAtOnce] = look_up(symbols + i, indexes + i, rows, row_count);
  };
  uint64_t i = count;
  while (i >= 8) {
    i -= 8;
    FASTCODER_PREFETCH(symbols + i - kAhead);
    FASTCODER_PREFETCH(indexes + i - kAhead);
    look(i + 7), look(i + 6), look(i + 5), look(i + 4);
    look(i + 3), look(i + 2), look(i + 1), look(i);
  }
  while (i > 0) look(--i);
}

// The same of four chains. Their lookups have a loop of their own: together with the states they
// would need more registers than x86-64 has. They ask for memory half a page ahead, as a processor
// does not foresee as many arrays that are read backwards.
bool push_together(Chain* const* chains, uint64_t count, const Tools& tools) {
  Chain& first = *chains[0];
  Chain& second = *chains[1];
  Chain& third = *chains[2];
  Chain& fourth = *chains[3];
  Live first_live = start(first, count);
  Live second_live = start(second, count);
  Live third_live = start(third, count);
  Live fourth_live = start(fourth, count);
  uint32_t places[kLookedUp * kChainsAtOnce];
  for (uint64_t left = count; left > 0;) {
    const uint64_t size = std::min(kLookedUp, left);
    left -= size;
    for (size_t c = 0; c < kChainsAtOnce; ++c) {
      Chain& chain = *chains[c];
      chain.ready -= size;
      look_up_all(chain.symbols + chain.ready, chain.indexes + chain.ready, size, tools,
                  places + c);
    }
    const uint32_t* place = places + size * kChainsAtOnce;
    for (uint64_t i = size; i-- > 0;) {
      place -= kChainsAtOnce;
      const auto push = [&](Chain& chain, uint32_t c, Live& live) FASTCODER_INLINED_LAMBDA {
        return push_one(chain, chain.ready + i, place[c], tools.table, tools.pushes, live);
      };
      if (!push(first, 0, first_live)) return false;
      if (!push(second, 1, second_live)) return false;
      if (!push(third, 2, third_live)) return false;
      if (!push(fourth, 3, fourth_live)) return false;
    }
  }
  stop(first, first_live);
  stop(second, second_live);
  stop(third, third_live);
  stop(fourth, fourth_live);
  return true;
}

constexpr uint64_t kMostAtOnce = 4096;  // symbols between two looks at the room and at signals

bool push_chains(Chain* const* chains, size_t active, const Tools& tools) {
  uint64_t count = kMostAtOnce;
  for (size_t c = 0; c < active; ++c) count = std::min(count, chains[c]->ready);
  check_interruption(active * count);
  if (active == kChainsAtOnce) return push_together(chains, count, tools);
  for (size_t c = 0; c < active; ++c) {
    if (!push_alone(*chains[c], count, tools)) return false;
  }
  return true;
}

// Every part to its stream, kChainsAtOnce at a time. False if a symbol cannot be coded.
bool encode_parts(std::span<const Rans64Part> parts, const Rans64Table& table,
                  const Rans64PushRow* rows, Rans64Stream* streams) {
  const Tools tools{table, rows, reinterpret_cast<const uint8_t*>(table.pushes()),
                    static_cast<uint32_t>(table.rows().size())};
  Chain room[kChainsAtOnce];
  Chain* chains[kChainsAtOnce];
  size_t active = 0;
  size_t next = 0;
  while (active < kChainsAtOnce && next < parts.size()) {
    chains[active] = &room[active];
    chains[active++]->begin(parts[next], streams[next]);
    ++next;
  }
  while (active > 0) {
    for (size_t c = 0; c < active;) {
      if (!fetch(*chains[c], table)) return false;
      if (chains[c]->ready != 0) {
        ++c;
      } else if (next < parts.size()) {
        chains[c]->begin(parts[next], streams[next]);
        ++next;
      } else {
        std::swap(chains[c], chains[--active]);
      }
    }
    if (active > 0 && !push_chains(chains, active, tools)) return false;
  }
  return true;
}

bool encode_part(const Rans64Part& part, const Rans64Table& table, const Rans64PushRow* rows,
                 Rans64Stream& stream) {
  if (rows != nullptr) return encode_parts({&part, 1}, table, rows, &stream);
  for (uint64_t i = part.count; i-- > 0;) {
    uint32_t index = 0;
    if (!load_rans64_indexes(part.indexes, i, 1, table.rows().size(), &index)) return false;
    const int64_t symbol = rans64_element(part.symbols.data, part.symbols.type, i);
    uint32_t* cursor = stream.reserve(kMaxWords);
    if (!push_symbol(table, index, symbol, stream.state, cursor)) return false;
    stream.advance(cursor);
    if (i % kRans64Block == 0) check_interruption(kRans64Block);
  }
  return true;
}

// A push kept in 32 bits: start | (frequency - 1) << 16; a digit is one that exceeds a row.
constexpr uint32_t kDigitMark = 0xFFFF0000;

}  // namespace

void Rans64Stream::write(uint8_t* out) const {
  store_u32(out, static_cast<uint32_t>(state));
  store_u32(out + 4, static_cast<uint32_t>(state >> 32));
  out += 8;
  for (uint64_t i = words_; i-- > 0; out += 4) store_u32(out, room_.get()[i]);
}

uint32_t* Rans64Stream::reserve(uint64_t words) {
  if (capacity_ - words_ < words) {
    const uint64_t wanted = std::max(2 * capacity_, words_ + words);
    void* room = std::realloc(room_.get(), wanted * sizeof(uint32_t));
    if (room == nullptr) throw std::bad_alloc();
    static_cast<void>(room_.release());
    room_.reset(static_cast<uint32_t*>(room));
    capacity_ = wanted;
  }
  return room_.get() + words_;
}

Rans64Stream encode_rans64(const Rans64Part& part, const Rans64Table& table) {
  Rans64Stream stream;
  if (!encode_part(part, table, table.push_rows(part.count), stream))
    throw_first_fault(part, table);
  return stream;
}

std::vector<Rans64Stream> encode_rans64_many(std::span<const Rans64Part> parts,
                                             const Rans64Table& table) {
  std::vector<Rans64Stream> streams(parts.size());
  uint64_t count = 0;
  for (const Rans64Part& part : parts) count += part.count;
  const Rans64PushRow* rows = table.push_rows(count);
  if (rows != nullptr && encode_parts(parts, table, rows, streams.data())) return streams;
  for (size_t i = 0; i < parts.size(); ++i) {
    try {
      streams[i] = encode_rans64(parts[i], table);
    } catch (const Error& error) {
      throw Error(error.kind(), std::string(error.what()) + " (message " + std::to_string(i) + ")");
    }
  }
  return streams;
}

void Rans64Buffer::push(const Rans64Part& part, const Rans64Table& table) {
  const size_t before = pushes_.size();
  try {
    for (uint64_t first = 0; first < part.count; first += kRans64Block) {
      uint32_t indexes[kRans64Block];
      int64_t symbols[kRans64Block];
      const uint64_t count = std::min(kRans64Block, part.count - first);
      if (!load_rans64_indexes(part.indexes, first, count, table.rows().size(), indexes)) {
        throw_first_fault(part, table);
      }
      load_rans64_symbols(part.symbols, first, count, symbols);
      for (uint64_t i = 0; i < count; ++i) {
        const Code code = code_of(table, indexes[i], symbols[i]);
        if (code.frequency == 0) throw_first_fault(part, table);
        if (code.frequency != kRans64Whole) {
          pushes_.push_back(code.start | (code.frequency - 1) << 16);
        }
        if (!code.escape) continue;
        const uint32_t digits = raw_digits(code.raw);
        pushes_.push_back(kDigitMark + 1 + digits);
        for (uint32_t digit = 0; digit < digits; ++digit) {
          pushes_.push_back(kDigitMark + 1 + (code.raw >> (kRans64DigitBits * digit) & 15));
        }
      }
      check_interruption(count);
    }
  } catch (...) {
    pushes_.resize(before);
    throw;
  }
}

Rans64Stream Rans64Buffer::encode() const {
  Rans64Stream stream;
  for (size_t left = pushes_.size(); left > 0;) {
    const size_t first = left - std::min<size_t>(left, kRans64Block);
    uint32_t* cursor = stream.reserve(kRans64Block);
    for (; left > first; --left) {
      const uint32_t push = pushes_[left - 1];
      if (push > kDigitMark) {
        push_digit(stream.state, cursor, push - kDigitMark - 1);
      } else {
        push_slot(stream.state, cursor, push & 0xFFFF, (push >> 16) + 1);
      }
    }
    stream.advance(cursor);
    check_interruption(kRans64Block);
  }
  return stream;
}

}  // namespace fastcoder
