// Storage: objects in the store: reads of the present, writes that name the version they replace, and claims.
//
// A claim is a key that stands for a thing that only one object may have: a cluster IP, a node port. It is
// taken in the same transaction that writes the object, so that several servers on one store never give one
// thing twice.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/registry/catalog.hpp"
#include "base/clock.hpp"
#include "store/store.hpp"

namespace cloudless::apiserver {

/// How long one lease takes in new events.
inline constexpr std::chrono::seconds kEventLeaseReuse = std::chrono::minutes(1);

struct Claims {
  struct Take {
    std::string key;
    std::string value;
  };
  std::vector<Take> take;
  std::vector<std::string> release;
};

struct WriteOutcome {
  enum class Kind {
    kWritten,
    kStale,    // the object is not as the writer thought (or exists already)
    kClaimed,  // one of the claims is taken
  };
  Kind kind = Kind::kWritten;
  uint64_t revision = 0;  // of the write
};

class Storage {
 public:
  /// `transformer` may be null. Events are kept for `event_ttl`.
  Storage(store::Store& store, ValueTransformer* transformer, const Clock& clock,
          std::chrono::seconds event_ttl = std::chrono::hours(1))
      : store_(store), transformer_(transformer), clock_(clock), event_ttl_(event_ttl) {}

  /// The present object, linearizable; null where there is none.
  runtime::Task<ApiResult<CachedObjectPtr>> read(const ResourceType& type, std::string key);
  /// Objects of [key, end of `prefix`) as of `revision` (0: the present), at most `limit` of them (0: all).
  struct Page {
    uint64_t revision = 0;
    std::vector<CachedObjectPtr> objects;
    bool more = false;
  };
  runtime::Task<ApiResult<Page>> read_range(const ResourceType& type, std::string key, std::string prefix,
                                            uint64_t revision, int64_t limit);

  /// Writes the object if `expected` is its present revision; 0: if it does not exist.
  runtime::Task<ApiResult<WriteOutcome>> write(const ResourceType& type, std::string key, uint64_t expected,
                                               const boost::json::object& object, Claims claims);
  runtime::Task<ApiResult<WriteOutcome>> erase(std::string key, uint64_t expected, Claims claims);

  store::Store& store() { return store_; }

 private:
  // A lease that lets events go when they are old; 0 for all other objects.
  runtime::Task<ApiResult<store::LeaseId>> lease_for(const ResourceType& type);
  runtime::Task<ApiResult<WriteOutcome>> commit(std::string key, uint64_t expected, store::TxnOp operation,
                                                Claims claims);

  store::Store& store_;
  ValueTransformer* const transformer_;
  const Clock& clock_;
  const std::chrono::seconds event_ttl_;

  std::mutex mutex_;
  store::LeaseId event_lease_ = 0;
  SteadyTime event_lease_until_;  // shared by new events up to then
};

/// The stored text: without resourceVersion, which is the key's revision.
std::string encode_stored(boost::json::object object);

}  // namespace cloudless::apiserver
