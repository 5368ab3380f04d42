// open_store(): a Store from an endpoint URL, as kine's --endpoint has it.
//
//     memory://                                   in memory; gone with the process
//     sqlite:///var/lib/cloudless/state.db        one file and its journal beside it; one process
//     postgres://user:password@host:5432/db?...   shared by several processes; libpq's URL
//     http://host:2379,https://...                a remote etcd, through Options::remote
//
// An empty endpoint is sqlite at ./db/state.db, as kine's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "store/store.hpp"

namespace cloudless::store {

enum class EndpointKind { kMemory, kSqlite, kPostgres, kEtcd };

struct Endpoint {
  EndpointKind kind = EndpointKind::kSqlite;
  /// The file of SQLite; the whole URL of the others.
  std::string target;
};

/// kInvalid, with what is wrong and what would do, for anything else.
Result<Endpoint> parse_endpoint(std::string_view url);

struct Options {
  std::string endpoint;
  /// Keys under these prefixes are acknowledged before they are durable (store/log.hpp).
  std::vector<std::string> relaxed_prefixes = {"/registry/leases/", "/registry/events/"};
  /// Every write is strict, whatever its prefix.
  bool all_strict = false;
  /// Beyond this size the NOSPACE alarm is raised and writes fail until it is disarmed; etcd's default.
  int64_t quota_bytes = int64_t{2} << 30;
  /// Operations in each list of a transaction; etcd's --max-txn-ops.
  size_t max_txn_ops = 128;
  /// Bytes of one request's keys and values; etcd's --max-request-bytes.
  size_t max_request_bytes = 3 << 19;
  /// Decoded values kept in memory.
  size_t value_cache_bytes = 8 << 20;
  /// Makes the Store of an EndpointKind::kEtcd.
  std::function<Result<std::unique_ptr<Store>>(const Endpoint&)> remote;
};

/// Opens the store and reads its index (100,000 keys in well under a second). Blocks; for start-up. The
/// clock, the random source and whatever the log writes to outlive the store, and so do the event loops whose
/// tasks call it: it answers from threads of its own. Destroying the store makes it durable and ends its
/// threads; no call may be under way.
Result<std::unique_ptr<Store>> open_store(Options options, const Clock& clock, Random& random, Logger log);

}  // namespace cloudless::store
