// The store's vocabulary: etcd v3's data model (keys with versions, one revision per transaction) as plain
// structs. Names and meanings are those of etcd's API (api/etcdserverpb/rpc.proto, api/mvccpb/kv.proto).
//
// A range is a key and a range_end: an empty range_end means that one key, "\0" (one zero byte) means all
// keys from `key` on, and anything else is exclusive. prefix_range_end() makes the range_end of a prefix.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"

namespace cloudless::store {

/// Counts transactions that changed something. The first write to an empty store makes revision 2, as etcd's.
using Revision = int64_t;
/// 0 is no lease.
using LeaseId = int64_t;

/// One version of a key. `value` is shared and immutable; null where a request asked for keys only.
struct KeyValue {
  std::string key;
  SharedBytes value;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  int64_t version = 0;
  LeaseId lease = 0;
};

/// The range_end that covers all keys with this prefix; "\0" for the empty prefix.
std::string prefix_range_end(std::string_view prefix);
/// True where `key` lies in the range.
bool in_range(std::string_view key, std::string_view range_key, std::string_view range_end);

enum class SortOrder { kNone, kAscend, kDescend };
enum class SortTarget { kKey, kVersion, kCreate, kMod, kValue };

struct RangeRequest {
  std::string key;
  std::string range_end;
  /// At the most so many pairs; 0 is all of them.
  int64_t limit = 0;
  /// As of this revision; 0 is the present.
  Revision revision = 0;
  SortOrder sort_order = SortOrder::kNone;
  SortTarget sort_target = SortTarget::kKey;
  /// Answer from what this process knows, without asking a shared backend whether it has moved.
  bool serializable = false;
  bool keys_only = false;
  bool count_only = false;
  /// Bounds on what is returned, inclusive; 0 is none.
  Revision min_mod_revision = 0;
  Revision max_mod_revision = 0;
  Revision min_create_revision = 0;
  Revision max_create_revision = 0;
};

struct RangeResponse {
  /// The store's revision when it answered.
  Revision revision = 0;
  std::vector<KeyValue> kvs;
  /// There are more pairs than `limit` let through.
  bool more = false;
  /// Pairs in the range, whatever the limit.
  int64_t count = 0;
};

struct PutRequest {
  std::string key;
  SharedBytes value;
  LeaseId lease = 0;
  bool prev_kv = false;
  /// Keep the present value (and change the lease); the key must exist.
  bool ignore_value = false;
  /// Keep the present lease; the key must exist.
  bool ignore_lease = false;
};

struct PutResponse {
  Revision revision = 0;
  std::optional<KeyValue> prev_kv;
};

struct DeleteRangeRequest {
  std::string key;
  std::string range_end;
  bool prev_kv = false;
};

struct DeleteRangeResponse {
  Revision revision = 0;
  int64_t deleted = 0;
  std::vector<KeyValue> prev_kvs;
};

enum class CompareResult { kEqual, kGreater, kLess, kNotEqual };
enum class CompareTarget { kVersion, kCreate, kMod, kValue, kLease };

/// `target of key` `result` `number or value`. A missing key has version, create and mod revision and lease 0
/// and fails every comparison of its value. With a range_end, all keys of the range must hold.
struct Compare {
  CompareResult result = CompareResult::kEqual;
  CompareTarget target = CompareTarget::kVersion;
  std::string key;
  std::string range_end;
  int64_t number = 0;
  std::string value;
};

struct TxnRequest;
using TxnOp = std::variant<RangeRequest, PutRequest, DeleteRangeRequest, std::shared_ptr<const TxnRequest>>;

/// If all comparisons hold, the operations of `success`, else those of `failure`, in one revision.
struct TxnRequest {
  std::vector<Compare> compare;
  std::vector<TxnOp> success;
  std::vector<TxnOp> failure;
};

struct TxnResponse;
using TxnOpResponse =
    std::variant<RangeResponse, PutResponse, DeleteRangeResponse, std::shared_ptr<const TxnResponse>>;

struct TxnResponse {
  Revision revision = 0;
  bool succeeded = false;
  std::vector<TxnOpResponse> responses;
};

enum class EventType { kPut, kDelete };

/// One change of one key. Shared by all watchers and immutable. A deletion's kv has the key and the mod
/// revision alone.
struct Event {
  EventType type = EventType::kPut;
  KeyValue kv;
  /// What the key held before, present where a watcher of this key asked for it and it was not yet compacted;
  /// a watcher that did not ask may see it as well.
  std::optional<KeyValue> prev_kv;

  bool is_create() const { return type == EventType::kPut && kv.create_revision == kv.mod_revision; }
};
using SharedEvent = std::shared_ptr<const Event>;

struct WatchRequest {
  std::string key;
  std::string range_end;
  /// The first revision to deliver; 0 is from now on.
  Revision start_revision = 0;
  bool prev_kv = false;
  bool no_put = false;
  bool no_delete = false;
};

struct WatchBatch {
  /// Everything up to this revision has been delivered. No events: a progress report.
  Revision revision = 0;
  /// By revision; all events of one revision are in one batch.
  std::vector<SharedEvent> events;
};

struct Lease {
  LeaseId id = 0;
  std::chrono::seconds granted_ttl{0};
  /// Whole seconds left; -1 where the lease has expired or does not exist.
  std::chrono::seconds ttl{0};
  /// Attached keys in order, where asked for.
  std::vector<std::string> keys;
};

enum class AlarmType { kNoSpace, kCorrupt };

/// How healthy the backend is. Reads go on in every state.
enum class Health {
  kServing,
  kReadOnly,     // the disk is full or read-only: writes fail, each one tries again
  kUnreachable,  // the database does not answer; reconnecting
  kDamaged,      // stored data fails its checks
};

struct Status {
  Revision revision = 0;
  Revision compact_revision = 0;
  /// What the backend takes on disk, and how much of it holds data.
  int64_t db_size_bytes = 0;
  int64_t db_size_in_use_bytes = 0;
  /// Keys that exist now.
  int64_t keys = 0;
  Health health = Health::kServing;
  /// Why health is not kServing; empty otherwise.
  std::string reason;
  std::vector<AlarmType> alarms;
  /// Stable for the life of the data.
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  /// The version that the backend claims, as etcd's status does ("3.6.0").
  std::string version;
};

struct HashKv {
  uint32_t hash = 0;
  Revision revision = 0;
  Revision compact_revision = 0;
};

}  // namespace cloudless::store
