// SPDX-License-Identifier: Apache-2.0
// A table as bytes, to be shipped with its model.
//
//   "FCT"  version 1  precision (u8)  flags (u8: bit 0 escape, others 0)  rows (varint)
//   for each row: offset (zigzag varint), slots (varint), every frequency - 1 (varints)
//   fingerprint: SipHash-2-4 with key 0 of all bytes before it, 8 bytes, little-endian
//
// A varint has 7 bits in each byte, least significant first, the top bit set in all but the last,
// and is as short as possible, so that a table has exactly one byte string.
#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/varint.h"
#include "coder/cdf_table.h"
#include "coder/siphash.h"
#include "format/params.h"

namespace fastcoder {
namespace {

constexpr uint8_t kMagic[3] = {'F', 'C', 'T'};
constexpr size_t kFingerprintBytes = 8;

uint32_t zigzag(int32_t value) {
  return (static_cast<uint32_t>(value) << 1) ^ static_cast<uint32_t>(value < 0 ? -1 : 0);
}

int32_t unzigzag(uint32_t value) {
  return static_cast<int32_t>((value >> 1) ^ (value & 1 ? 0xffffffffu : 0u));
}

[[noreturn]] void fail(size_t position, const std::string& found, const std::string& expected) {
  throw Error(ErrorKind::kTable,
              "data[" + std::to_string(position) + "] = " + found + ", expected " + expected);
}

// Every read is checked, and no number read here sizes anything before it was compared with the
// bytes that are left: a row takes at least 3 of them and a slot at least 1.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  uint8_t byte(const char* what) {
    if (left() == 0) fail(position_, "the end", what);
    return bytes_[position_++];
  }

  uint32_t varint(const char* what) {
    const size_t begin = position_;
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      const uint8_t part = byte(what);
      if (shift == 28 && part > 0x0f) break;  // beyond 32 bits, or a sixth byte
      value |= static_cast<uint32_t>(part & 0x7f) << shift;
      if (part < 0x80) {
        if (part == 0 && shift > 0) fail(begin, "a padded varint", what);
        return value;
      }
    }
    fail(begin, "a varint beyond 32 bits", what);
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
};

struct Header {
  int precision;
  bool escape;
  uint32_t rows;
};

Header read_header(Reader& reader) {
  for (const uint8_t letter : kMagic) {
    const size_t position = reader.position();
    const uint8_t found = reader.byte("the magic \"FCT\" of a table");
    if (found != letter) fail(position, std::to_string(found), "the magic \"FCT\" of a table");
  }
  const uint8_t version = reader.byte("a version");
  if (version != kFormatVersion) fail(3, std::to_string(version), "version 1");
  const uint8_t precision = reader.byte("a precision");
  if (precision < 1 || precision > kMaxPrecision) {
    fail(4, std::to_string(precision), "1 <= precision <= 16");
  }
  const uint8_t flags = reader.byte("flags");
  if (flags > 1) fail(5, std::to_string(flags), "flags 0 or 1");
  const uint32_t rows = reader.varint("a number of rows");
  const size_t most = reader.left() / 3;
  if (rows < 1 || rows > most) {
    fail(6, std::to_string(rows) + " rows",
         "1 <= rows <= " + std::to_string(most) + ", a third of the bytes left");
  }
  return {precision, flags == 1, rows};
}

// Appends the entries of one row to `cdf` and returns its number of slots.
uint32_t read_frequencies(Reader& reader, uint32_t total, std::vector<uint32_t>& cdf) {
  const size_t begin = reader.position();
  const uint32_t slots = reader.varint("a number of slots");
  const size_t most = std::min<size_t>(total, reader.left());
  if (slots < 1 || slots > most) {
    fail(begin, std::to_string(slots) + " slots", "1 <= slots <= " + std::to_string(most));
  }
  uint32_t start = 0;
  cdf.push_back(start);
  for (uint32_t k = 0; k < slots; ++k) {
    const size_t position = reader.position();
    const uint32_t below = reader.varint("a frequency - 1");
    if (below >= total - start) {
      fail(position, std::to_string(below), "a frequency - 1 < " + std::to_string(total - start));
    }
    start += below + 1;
    cdf.push_back(start);
  }
  if (start != total) {
    fail(reader.position(), "the end of a row of total " + std::to_string(start),
         "the total " + std::to_string(total));
  }
  return slots;
}

void read_fingerprint(Reader& reader, std::span<const uint8_t> bytes) {
  const size_t begin = reader.position();
  if (reader.left() != kFingerprintBytes) {
    fail(begin, std::to_string(reader.left()) + " last bytes", "the 8 bytes of the fingerprint");
  }
  uint64_t stored = 0;
  for (size_t i = 0; i < kFingerprintBytes; ++i) {
    stored |= uint64_t{reader.byte("a fingerprint")} << (8 * i);
  }
  if (siphash_2_4(bytes.first(begin)) != stored) {
    fail(begin, "another fingerprint", "the fingerprint of the bytes before it");
  }
}

}  // namespace

std::vector<uint8_t> CdfTable::bytes_before_fingerprint() const {
  std::vector<uint8_t> bytes(kMagic, kMagic + sizeof kMagic);
  bytes.reserve(2 * cdf_.size() + 16 + kFingerprintBytes);
  bytes.push_back(static_cast<uint8_t>(kFormatVersion));
  bytes.push_back(static_cast<uint8_t>(view_.precision));
  bytes.push_back(static_cast<uint8_t>(view_.escape));
  append_varint(bytes, static_cast<uint32_t>(rows()));
  for (const RowView& row : row_views_) {
    append_varint(bytes, zigzag(row.offset));
    append_varint(bytes, row.slots);
    const uint32_t* cdf = cdf_.data() + row.cdf_begin;
    for (uint32_t k = 0; k < row.slots; ++k) append_varint(bytes, cdf[k + 1] - cdf[k] - 1);
  }
  return bytes;
}

std::vector<uint8_t> CdfTable::to_bytes() const {
  std::vector<uint8_t> bytes = bytes_before_fingerprint();
  for (size_t i = 0; i < kFingerprintBytes; ++i) {
    bytes.push_back(static_cast<uint8_t>(fingerprint_ >> (8 * i)));
  }
  return bytes;
}

// Memory for n bytes: cdf holds at most n entries (4 n); a row takes at least 3 bytes and needs 40
// for its view, offset and slot count (13.4 n); a slot has fewer than 4 buckets of two bytes (8 n);
// the constructor writes the bytes anew for the fingerprint (at most 4 n with the growth of a
// vector). Together below 32 n.
std::shared_ptr<const CdfTable> CdfTable::from_bytes(std::span<const uint8_t> bytes) {
  Reader reader(bytes);
  const Header header = read_header(reader);
  std::vector<uint32_t> cdf;
  std::vector<uint32_t> slots;
  std::vector<int32_t> offsets;
  cdf.reserve(reader.left());
  slots.reserve(header.rows);
  offsets.reserve(header.rows);
  for (uint32_t r = 0; r < header.rows; ++r) {
    offsets.push_back(unzigzag(reader.varint("an offset")));
    slots.push_back(read_frequencies(reader, uint32_t{1} << header.precision, cdf));
  }
  read_fingerprint(reader, bytes);
  return std::shared_ptr<const CdfTable>(
      new CdfTable(std::move(cdf), slots, std::move(offsets), header.precision, header.escape));
}

}  // namespace fastcoder
