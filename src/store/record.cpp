#include "store/record.hpp"

#include <algorithm>

#include "store/crc32c.hpp"
#include "store/varint.hpp"

namespace cloudless::store {
namespace {

constexpr uint8_t kFormat = 1;
constexpr uint8_t kPut = 1;
constexpr uint8_t kHasLease = 2;
constexpr int kEncodingShift = 2;
constexpr uint8_t kEncodingMask = 3;
constexpr size_t kChecksumSize = 4;

void encode_change(std::string& out, Revision revision, const Change& change) {
  const bool put = change.type == EventType::kPut;
  out.push_back(static_cast<char>((put ? kPut : 0) | (change.lease ? kHasLease : 0) |
                                  (static_cast<uint8_t>(change.encoding) << kEncodingShift)));
  put_bytes(out, change.key);
  if (!put) return;
  put_varint(out, revision - change.create_revision);
  put_varint(out, change.version);
  if (change.lease) put_varint(out, static_cast<uint64_t>(change.lease));
  if (change.encoding == Encoding::kDelta) put_varint(out, revision - change.base);
  put_varint(out, change.size);
  put_bytes(out, change.payload);
}

Change decode_change(ByteReader& in, Revision revision) {
  const uint8_t flags = in.byte();
  Change change;
  change.type = flags & kPut ? EventType::kPut : EventType::kDelete;
  change.key = in.bytes();
  if (change.type == EventType::kDelete) return change;
  change.create_revision = revision - static_cast<Revision>(in.varint());
  change.version = static_cast<int64_t>(in.varint());
  if (flags & kHasLease) change.lease = static_cast<LeaseId>(in.varint());
  change.encoding = static_cast<Encoding>((flags >> kEncodingShift) & kEncodingMask);
  if (change.encoding == Encoding::kDelta) change.base = revision - static_cast<Revision>(in.varint());
  change.size = in.varint();
  change.payload = in.bytes();
  return change;
}

}  // namespace

std::string encode_record(Revision revision, std::span<const Change> changes) {
  std::string out;
  size_t expected = 16;
  for (const Change& change : changes) expected += 40 + change.key.size() + change.payload.size();
  out.reserve(expected);
  out.push_back(kFormat);
  put_varint(out, changes.size());
  for (const Change& change : changes) encode_change(out, revision, change);
  put_fixed32(out, crc32c(out));
  return out;
}

Result<> decode_record(Revision revision, std::string_view record,
                       const std::function<bool(const Change&)>& visit) {
  const auto damaged = [&](std::string_view why) {
    return fail(Code::kDataLoss, "revision {} in the log is damaged: {}", revision, why);
  };
  if (record.size() < kChecksumSize + 2) return damaged("too short");
  const std::string_view body = record.substr(0, record.size() - kChecksumSize);
  if (load_fixed32(record.data() + body.size()) != crc32c(body)) return damaged("wrong checksum");
  ByteReader in(body);
  if (const uint8_t format = in.byte(); format != kFormat) {
    return fail(Code::kDataLoss, "revision {} in the log has format {}, which this program does not know",
                revision, format);
  }
  for (uint64_t left = in.varint(); left > 0; --left) {
    const Change change = decode_change(in, revision);
    if (!in.ok()) return damaged("cut short");
    if (!visit(change)) return {};
  }
  return {};
}

Result<std::string> prune_record(Revision revision, std::string_view record,
                                 std::span<const std::string> keys) {
  std::vector<Change> kept;
  TRY(decode_record(revision, record, [&](const Change& change) {
    if (std::ranges::find(keys, change.key) == keys.end()) kept.push_back(change);
    return true;
  }));
  return kept.empty() ? std::string() : encode_record(revision, kept);
}

}  // namespace cloudless::store
