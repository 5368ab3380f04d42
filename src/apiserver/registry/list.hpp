// Lists: which objects, as of which revision, and where the next chunk begins (k8s.io/apiserver/pkg/storage:
// the semantics of resourceVersion, resourceVersionMatch, limit and continue).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apiserver/registry/cache_feed.hpp"
#include "apiserver/registry/storage.hpp"
#include "apiserver/request/options.hpp"

namespace cloudless::apiserver {

/// What a list or a watch selects.
struct Scope {
  std::string namespace_;  // empty: all
  std::string name;        // one object, where metadata.name is pinned
  Predicate predicate;     // empty: all
};

struct ObjectList {
  uint64_t revision = 0;
  std::vector<CachedObjectPtr> items;
  std::string continue_token;              // empty at the end
  std::optional<int64_t> remaining_items;  // known only without selectors
};

/// Answers `options` on `type`. 410 where a chunk's revision is compacted, with a token to go on
/// inconsistently; 504 where the revision asked for does not come in time.
runtime::Task<ApiResult<ObjectList>> list_objects(const ResourceType& type, CacheFeed& feed, Storage& storage,
                                                  const ListOptions& options, const Scope& scope);

}  // namespace cloudless::apiserver
