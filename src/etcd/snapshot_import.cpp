#include "etcd/snapshot_import.hpp"

#include <map>

#include "etcd/bolt.hpp"
#include "etcd/client_convert.hpp"
#include "etcd/lease.pb.h"
#include "etcd/snapshot_format.hpp"

namespace cloudless::etcd {

namespace {

using namespace snapshot;

std::unexpected<Error> damaged(std::string_view why) {
  return fail(Code::kDataLoss, "this is no intact snapshot of etcd: {}", why);
}

template <class Message>
Result<Message> parse(std::string_view bytes, std::string_view what) {
  Message message;
  if (bytes.size() > INT32_MAX || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return damaged(what);
  }
  return message;
}

Result<> check_sum(const bolt::Source& file) {
  constexpr size_t kPieceBytes = 1 << 20;
  Sha256 hash;
  for (uint64_t at = 0; at < file.bytes; at += kPieceBytes) {
    hash.add(TRY(file.read(at, std::min<uint64_t>(kPieceBytes, file.bytes - at))));
  }
  if (hash.finish() == TRY(file.read(file.bytes, kChecksumBytes))) return {};
  return damaged("wrong checksum");
}

class SnapshotReader {
 public:
  Result<store::ArchiveContents> read(const bolt::Reader& file) {
    TRY(file.visit(kMetaBucket, [this](auto key, auto value) { return read_meta(key, value); }));
    TRY(file.visit(kKeyBucket, [this](auto key, auto value) { return read_pair(key, value); }));
    TRY(file.visit(kLeaseBucket, [this](auto, auto value) { return read_lease(value); }));
    while (!newest_.empty()) {
      auto node = newest_.extract(newest_.begin());
      node.mapped().key = std::move(node.key());
      contents_.kvs.push_back(std::move(node.mapped()));
    }
    return std::move(contents_);
  }

 private:
  Result<> read_meta(std::string_view key, std::string_view value) {
    if (key == kFinishedCompaction && value.size() >= kRevisionBytes) see(value);
    return {};
  }
  // Revisions come in their order, so the last one of a key is its newest.
  Result<> read_pair(std::string_view revision, std::string_view value) {
    if (revision.size() < kRevisionBytes) return damaged("a revision is too short");
    see(revision);
    store::KeyValue kv = from_pb(TRY(parse<mvccpb::KeyValue>(value, "a pair cannot be read")));
    if (revision.size() > kRevisionBytes) {
      newest_.erase(kv.key);
    } else {
      std::string key = std::exchange(kv.key, {});
      newest_[std::move(key)] = std::move(kv);
    }
    return {};
  }
  Result<> read_lease(std::string_view value) {
    const auto lease = TRY(parse<leasepb::Lease>(value, "a lease cannot be read"));
    const std::chrono::seconds ttl(lease.ttl());
    contents_.leases.push_back({.id = lease.id(), .granted_ttl = ttl, .ttl = ttl});
    return {};
  }
  void see(std::string_view revision) {
    contents_.revision =
        std::max(contents_.revision, static_cast<store::Revision>(from_big_endian(revision)));
  }

  store::ArchiveContents contents_;
  std::map<std::string, store::KeyValue> newest_;  // whose own keys are empty
};

}  // namespace

bool is_snapshot(std::string_view file) { return bolt::Reader::recognizes(file); }

Result<store::ArchiveContents> read_snapshot(bolt::Source file) {
  if (file.bytes % kUnit == kChecksumBytes) {
    file.bytes -= kChecksumBytes;
    TRY(check_sum(file));
  }
  const bolt::Reader reader = TRY(bolt::Reader::open(std::move(file)));
  return SnapshotReader().read(reader);
}

}  // namespace cloudless::etcd
