#include "apiserver/registry/list.hpp"

#include <algorithm>

#include "apiserver/request/continue_token.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

// Objects read from the store at a time when a list goes back to an older revision.
constexpr int64_t kStorePage = 500;

constexpr std::string_view kExpiredContinue =
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list.";

// Ends `list` after `limit` items; `next` is the key behind the last one that was taken.
void close_chunk(ObjectList& list, std::string_view prefix, std::string_view last_key,
                 std::optional<int64_t> remaining) {
  std::string start(last_key.substr(prefix.size()));
  start.push_back('\0');
  list.continue_token = encode(ContinueToken{static_cast<int64_t>(list.revision), std::move(start)});
  list.remaining_items = remaining;
}

ObjectList select(std::vector<CachedObjectPtr> objects, uint64_t revision, std::string_view prefix,
                  std::string_view start_key, int64_t limit, const Scope& scope) {
  ObjectList list{.revision = revision};
  auto first = std::ranges::lower_bound(objects, start_key, std::less(), [](const CachedObjectPtr& object) {
    return std::string_view(object->key);
  });
  if (!scope.predicate && limit == 0 && first == objects.begin()) {
    list.items = std::move(objects);
    return list;
  }
  for (; first != objects.end(); ++first) {
    if (scope.predicate && !scope.predicate(**first)) continue;
    if (limit > 0 && static_cast<int64_t>(list.items.size()) == limit) {
      const std::optional<int64_t> remaining =
          scope.predicate ? std::nullopt : std::optional<int64_t>(objects.end() - first);
      close_chunk(list, prefix, list.items.back()->key, remaining);
      break;
    }
    list.items.push_back(std::move(*first));
  }
  return list;
}

// At an older revision the cache cannot answer; the store can.
Task<ApiResult<ObjectList>> list_from_store(const ResourceType& type, Storage& storage, std::string prefix,
                                            std::string key, uint64_t revision, int64_t limit,
                                            const Scope& scope) {
  ObjectList list{.revision = revision};
  for (;;) {
    Storage::Page page = CO_TRY(co_await storage.read_range(type, key, prefix, revision, kStorePage));
    if (list.revision == 0) list.revision = page.revision;
    if (!page.objects.empty()) key = page.objects.back()->key + '\0';
    for (CachedObjectPtr& object : page.objects) {
      if (scope.predicate && !scope.predicate(*object)) continue;
      if (limit > 0 && static_cast<int64_t>(list.items.size()) == limit) {
        close_chunk(list, prefix, list.items.back()->key, std::nullopt);
        co_return list;
      }
      list.items.push_back(std::move(object));
    }
    if (!page.more) co_return list;
  }
}

Task<ApiResult<ObjectList>> list_present(const ResourceType& type, CacheFeed& feed, const std::string& prefix,
                                         std::string start_key, int64_t limit, const Scope& scope) {
  WatchCache::Snapshot snapshot;
  if (scope.name.empty()) {
    snapshot = type.cache->list(prefix, feed.revision());
  } else {
    snapshot.revision = std::max(feed.revision(), type.cache->revision());
    if (CachedObjectPtr one = type.cache->get(type.key(scope.namespace_, scope.name))) {
      snapshot.objects.push_back(std::move(one));
    }
  }
  co_return select(std::move(snapshot.objects), snapshot.revision, prefix, start_key, limit, scope);
}

Task<ApiResult<ObjectList>> continue_list(const ResourceType& type, CacheFeed& feed, Storage& storage,
                                          const ListOptions& options, std::string prefix,
                                          const Scope& scope) {
  ContinueToken token = CO_TRY(parse_continue_token(options.continue_token));
  std::string key = prefix + token.start;
  if (token.revision < 0) {
    CO_TRY(co_await feed.wait_until_fresh());
    co_return co_await list_present(type, feed, prefix, key, options.limit, scope);
  }
  ApiResult<ObjectList> list = co_await list_from_store(
      type, storage, prefix, std::move(key), static_cast<uint64_t>(token.revision), options.limit, scope);
  if (!list && list.error().code == 410) {
    ApiStatus expired = resource_expired(kExpiredContinue);
    expired.continue_token = encode(ContinueToken{-1, token.start});
    co_return std::unexpected(std::move(expired));
  }
  co_return list;
}

bool wants_exact(const ListOptions& options) {
  if (options.match == VersionMatch::kExact) return true;
  // A limit with a revision and no match is the old way to ask for exactly that revision.
  return options.match == VersionMatch::kUnset && options.limit > 0 && options.revision > 0;
}

}  // namespace

Task<ApiResult<ObjectList>> list_objects(const ResourceType& type, CacheFeed& feed, Storage& storage,
                                         const ListOptions& options, const Scope& scope) {
  std::string prefix = type.key(scope.namespace_, "");
  if (!options.continue_token.empty()) {
    co_return co_await continue_list(type, feed, storage, options, std::move(prefix), scope);
  }
  if (wants_exact(options)) {
    std::string key = prefix;
    co_return co_await list_from_store(type, storage, std::move(prefix), std::move(key), options.revision,
                                       options.limit, scope);
  }
  if (options.resource_version.empty()) {
    CO_TRY(co_await feed.wait_until_fresh());
  } else {
    CO_TRY(co_await feed.wait_until(options.revision));
  }
  co_return co_await list_present(type, feed, prefix, prefix, options.limit, scope);
}

}  // namespace cloudless::apiserver
