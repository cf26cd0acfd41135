// SPDX-License-Identifier: Apache-2.0
// The bytes around the segments' bodies (docs/format.md 4 and 6): varints, flags, the one-shot
// header. Reading treats every byte as hostile and allocates nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fastcoder {

// Takes bytes off the front of a stream. `what` names the field in an error.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes), end_(bytes.size()) {}

  uint8_t read_u8(const char* what);
  uint32_t read_u32(const char* what);
  uint64_t read_varint(const char* what);
  std::span<const uint8_t> read(uint64_t count, const char* what);

  // Takes the last `count` bytes off the end.
  std::span<const uint8_t> read_back(uint64_t count, const char* what);

  uint64_t position() const { return position_; }
  uint64_t left() const { return end_ - position_; }

 private:
  void require(uint64_t count, const char* what) const;

  std::span<const uint8_t> bytes_;
  uint64_t position_ = 0;
  uint64_t end_;
};

// One segment as it stands in a stream.
struct SegmentView {
  uint32_t flags = 0;
  std::span<const uint8_t> body;
};

// Walks a stream from segment to segment without decoding. Copyable: a copy is a snapshot.
class SegmentWalker {
 public:
  // `reader` stands at the flags of the first segment; positions in errors are the reader's.
  explicit SegmentWalker(ByteReader reader);

  bool empty() const { return empty_; }
  bool wide() const { return wide_; }
  bool has_hash() const { return has_hash_; }
  uint32_t stored_hash() const { return stored_hash_; }
  // Symbols of every segment but the last; without limit if there is only one.
  uint64_t segment_symbols() const { return segment_symbols_; }
  bool at_end() const { return at_end_; }
  // Of the first byte behind what was walked over.
  uint64_t position() const { return reader_.position(); }

  // Requires !at_end().
  SegmentView next();

 private:
  ByteReader reader_;
  uint32_t first_flags_ = 0;
  bool empty_ = false;
  bool wide_ = false;
  bool has_hash_ = false;
  bool at_first_ = true;
  bool at_end_ = false;
  uint32_t stored_hash_ = 0;
  uint64_t segment_symbols_ = UINT64_MAX;
};

// The header that makes a one-shot stream self-checking.
struct OneShotHeader {
  uint32_t fingerprint = 0;
  uint32_t hash = 0;
  uint64_t count = 0;
};

inline constexpr size_t kOneShotHashPosition = 7;  // of the header's hash

void append_one_shot_header(std::vector<uint8_t>& bytes, const OneShotHeader& header);
// Checks magic and version; the caller compares the rest.
OneShotHeader read_one_shot_header(ByteReader& reader);

}  // namespace fastcoder
