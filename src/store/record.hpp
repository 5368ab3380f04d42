// Record: the bytes of one revision in the log: the changes of one transaction, each with what the index
// needs to know, so that a start reads no value.
//
//     record := format(1 byte) count(varint) change* crc32c(4 bytes, of all before)
//     change := flags(1 byte) key(bytes)
//               put: age(varint) version(varint) [lease(varint)] [base(varint)] size(varint) payload(bytes)
//
//     flags: bit 0 put, bit 1 has a lease, bits 2..3 encoding of the payload (store/value_codec.hpp)
//     age:   mod revision - create revision
//     base:  mod revision - revision of the version of the same key that a delta extends; deltas only
//     size:  bytes of the decoded value
//     bytes: length(varint) and so many bytes
//
// A key changes at most once in a revision. The order of changes is the order of their events.
#pragma once

#include <functional>
#include <span>

#include "base/result.hpp"
#include "store/types.hpp"

namespace cloudless::store {

enum class Encoding : uint8_t {
  kRaw = 0,
  kCompressed = 1,  // against the built-in dictionary
  kDelta = 2,       // against an earlier version of the key that is itself not a delta
};

/// One change as it stands in a record. The views point into the record (or, when encoding, into the
/// caller's).
struct Change {
  EventType type = EventType::kPut;
  std::string_view key;
  Revision create_revision = 0;
  int64_t version = 0;
  LeaseId lease = 0;
  Encoding encoding = Encoding::kRaw;
  /// The revision that a delta extends.
  Revision base = 0;
  uint64_t size = 0;
  std::string_view payload;
};

std::string encode_record(Revision revision, std::span<const Change> changes);

/// Calls `visit` for each change in order; kDataLoss where the record is damaged. `visit` returns false to
/// stop.
Result<> decode_record(Revision revision, std::string_view record,
                       const std::function<bool(const Change&)>& visit);

/// The record without the changes of these keys; empty where none is left.
Result<std::string> prune_record(Revision revision, std::string_view record,
                                 std::span<const std::string> keys);

}  // namespace cloudless::store
