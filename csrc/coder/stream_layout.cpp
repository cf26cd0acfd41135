// SPDX-License-Identifier: Apache-2.0
#include "coder/stream_layout.h"

#include <string>

#include "base/error.h"
#include "base/little_endian.h"
#include "base/varint.h"
#include "format/params.h"

namespace fastcoder {
namespace {

constexpr uint8_t kMagic[2] = {0xFA, 0x57};

[[noreturn]] void throw_flags(uint64_t position, uint32_t flags, const char* expected) {
  throw Error(ErrorKind::kCorrupt, "stream[" + std::to_string(position) +
                                       "] = " + std::to_string(flags) + ", expected " + expected);
}

}  // namespace

void ByteReader::require(uint64_t count, const char* what) const {
  if (count <= left()) return;
  throw Error(ErrorKind::kTruncated,
              "len(stream) = " + std::to_string(bytes_.size()) + ", expected at least " +
                  std::to_string(bytes_.size() + count - left()) + " for the " + what);
}

std::span<const uint8_t> ByteReader::read(uint64_t count, const char* what) {
  require(count, what);
  position_ += count;
  return bytes_.subspan(position_ - count, count);
}

std::span<const uint8_t> ByteReader::read_back(uint64_t count, const char* what) {
  require(count, what);
  end_ -= count;
  return bytes_.subspan(end_, count);
}

uint8_t ByteReader::read_u8(const char* what) { return read(1, what)[0]; }

uint32_t ByteReader::read_u32(const char* what) { return load_u32(read(4, what).data()); }

uint64_t ByteReader::read_varint(const char* what) {
  uint64_t value = 0;
  for (uint32_t shift = 0; shift < 35; shift += 7) {
    const uint32_t byte = read_u8(what);
    value |= uint64_t{byte & 0x7F} << shift;
    if (byte < 0x80) {
      if (byte == 0 && shift > 0) break;  // not minimal
      return value;
    }
  }
  throw Error(ErrorKind::kCorrupt, "stream[" + std::to_string(position_ - 1) +
                                       "] = " + std::to_string(bytes_[position_ - 1]) +
                                       ", expected the end of a minimal varint (" + what + ")");
}

SegmentWalker::SegmentWalker(ByteReader reader) : reader_(reader) {
  const uint64_t position = reader_.position();
  first_flags_ = reader_.read_u8("flags");
  if (first_flags_ & kReservedFlag) throw_flags(position, first_flags_, "bit 7 to be 0");
  wide_ = (first_flags_ & kWideFlag) != 0;
  has_hash_ = (first_flags_ & kHashFlag) != 0;
  if (has_hash_) stored_hash_ = load_u32(reader_.read_back(4, "symbol hash").data());
  empty_ = reader_.left() == 0;
  at_end_ = empty_;
  if (empty_ && (first_flags_ & ~kHashFlag) != 0) {
    throw_flags(position, first_flags_, "0 or 64 for a stream without segments");
  }
}

SegmentView SegmentWalker::next() {
  SegmentView segment;
  segment.flags = at_first_ ? first_flags_ : reader_.read_u8("flags of a segment");
  const uint64_t position = reader_.position() - 1;
  if ((segment.flags & kLog2LanesMask) > kMaxLog2Lanes) {
    throw_flags(position, segment.flags, "log2 of the lanes (bits 0-2) <= 5");
  }
  if (!at_first_ && (segment.flags & (kWideFlag | kHashFlag | kReservedFlag)) != 0) {
    throw_flags(position, segment.flags, "bits 4, 6 and 7 to be 0");
  }
  const bool more = (segment.flags & kMoreFlag) != 0;
  if (at_first_ && more) {
    const uint32_t log2_segment = reader_.read_u8("segment size");
    if (log2_segment < kMinLog2Segment || log2_segment > kMaxLog2Segment) {
      throw_flags(position + 1, log2_segment, "4 <= s <= 30");
    }
    segment_symbols_ = uint64_t{1} << log2_segment;
  }
  at_first_ = false;
  at_end_ = !more;
  const uint64_t length = more ? reader_.read_varint("segment length") : reader_.left();
  segment.body = reader_.read(length, "segment");
  return segment;
}

void append_one_shot_header(std::vector<uint8_t>& bytes, const OneShotHeader& header) {
  bytes.insert(bytes.end(), {kMagic[0], kMagic[1], static_cast<uint8_t>(kFormatVersion)});
  bytes.resize(bytes.size() + 8);
  store_u32(bytes.data() + bytes.size() - 8, header.fingerprint);
  store_u32(bytes.data() + bytes.size() - 4, header.hash);
  append_varint(bytes, header.count);
}

OneShotHeader read_one_shot_header(ByteReader& reader) {
  const std::span<const uint8_t> magic = reader.read(2, "magic");
  for (uint32_t i = 0; i < 2; ++i) {
    if (magic[i] != kMagic[i]) {
      throw Error(ErrorKind::kCorrupt, "stream[" + std::to_string(i) +
                                           "] = " + std::to_string(magic[i]) + ", expected " +
                                           std::to_string(kMagic[i]) + " (the magic of a stream)");
    }
  }
  const uint32_t version = reader.read_u8("version");
  if (version != kFormatVersion) {
    throw Error(ErrorKind::kVersion, "stream[2] = " + std::to_string(version) + ", expected " +
                                         std::to_string(kFormatVersion) + " (the format version)");
  }
  OneShotHeader header;
  header.fingerprint = reader.read_u32("table fingerprint");
  header.hash = reader.read_u32("symbol hash");
  header.count = reader.read_varint("number of symbols");
  return header;
}

}  // namespace fastcoder
