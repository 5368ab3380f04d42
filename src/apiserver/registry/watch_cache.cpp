#include "apiserver/registry/watch_cache.hpp"

#include <algorithm>

namespace cloudless::apiserver {

std::string_view to_string(WatchEvent::Type type) {
  switch (type) {
    case WatchEvent::Type::kAdded:
      return "ADDED";
    case WatchEvent::Type::kModified:
      return "MODIFIED";
    case WatchEvent::Type::kDeleted:
      return "DELETED";
  }
  return "";
}

SharedBytes WatchEvent::json_line() const {
  SharedBytes line = json_line_.load();
  if (line) return line;
  std::string text;
  text.reserve(object->json->size() + 40);
  text.append("{\"type\":\"")
      .append(to_string(type))
      .append("\",\"object\":")
      .append(*object->json)
      .append("}\n");
  line = share(std::move(text));
  json_line_.store(line);
  return line;
}

runtime::Task<Result<std::optional<WatchEventPtr>>> Subscription::next() {
  std::optional<WatchEventPtr> event = CO_TRY(co_await queue_.receive());
  if (event) taken(**event);
  co_return event;
}

std::optional<WatchEventPtr> Subscription::try_next() {
  std::optional<WatchEventPtr> event = queue_.try_receive();
  if (event) taken(**event);
  return event;
}

bool Subscription::push(WatchEventPtr event) {
  const size_t size = event->object->json->size();
  const size_t queued = queued_bytes_.fetch_add(size);
  const bool fits = queued == 0 || queued + size <= kWatcherQueueBytes;
  if (fits && queue_.try_send(std::move(event))) return true;
  queued_bytes_ -= size;
  too_slow_ = true;
  queue_.close();
  while (try_next()) {
  }
  return false;
}

// What one change means to a subscriber depends on whether its predicate held before and holds now.
// Subscribers share the event, which is made when the first one needs it.
class WatchCache::EventMaker {
 public:
  explicit EventMaker(const Past& past) : past_(past) {}

  WatchEventPtr for_predicate(const Predicate& predicate) {
    const bool before = past_.previous && (!predicate || predicate(*past_.previous));
    const bool after = !past_.removed && (!predicate || predicate(*past_.object));
    if (before && after) return make(modified_, WatchEvent::Type::kModified, past_.object);
    if (after) return make(added_, WatchEvent::Type::kAdded, past_.object);
    if (!before) return nullptr;
    if (!deleted_) {
      // One that leaves the selection is shown as it was last seen, under the revision of its leaving.
      const CachedObjectPtr last =
          past_.removed ? past_.object : at_revision(*past_.previous, past_.revision);
      make(deleted_, WatchEvent::Type::kDeleted, last);
    }
    return deleted_;
  }

 private:
  static WatchEventPtr make(WatchEventPtr& slot, WatchEvent::Type type, const CachedObjectPtr& object) {
    if (!slot) slot = std::make_shared<const WatchEvent>(type, object);
    return slot;
  }
  const Past& past_;
  WatchEventPtr added_;
  WatchEventPtr modified_;
  WatchEventPtr deleted_;
};

void WatchCache::load(uint64_t revision, std::vector<CachedObjectPtr> objects) {
  const std::lock_guard lock(mutex_);
  close_locked();
  objects_.clear();
  history_.clear();
  history_bytes_ = 0;
  for (CachedObjectPtr& object : objects) {
    std::string key = object->key;
    objects_.insert_or_assign(std::move(key), std::move(object));
  }
  revision_ = std::max(revision_, revision);
  oldest_ = loaded_at_ = revision_;
  loaded_ = true;
  for (const Change& change : std::exchange(early_, {})) apply_locked(change);
}

void WatchCache::apply(std::span<const Change> changes) {
  const std::lock_guard lock(mutex_);
  if (!loaded_) {
    early_.insert(early_.end(), changes.begin(), changes.end());
    return;
  }
  for (const Change& change : changes) apply_locked(change);
}

void WatchCache::apply_locked(const Change& change) {
  // The load has seen what is not newer than it; several keys may change in one revision.
  if (change.revision <= loaded_at_ || change.revision < revision_) return;
  revision_ = change.revision;
  const auto found = objects_.find(change.key);
  Past past{.revision = change.revision};
  if (found != objects_.end()) past.previous = found->second;
  if (change.object) {
    past.object = change.object;
    objects_.insert_or_assign(change.key, change.object);
  } else {
    if (found == objects_.end()) return;
    past.removed = true;
    past.object = at_revision(*past.previous, change.revision);
    objects_.erase(found);
  }
  publish_locked(past);
  remember_locked(std::move(past));
}

void WatchCache::remember_locked(Past past) {
  history_bytes_ += past.object->json->size();
  history_.push_back(std::move(past));
  while (history_.size() > kHistoryEvents || (history_bytes_ > kHistoryBytes && history_.size() > 1)) {
    oldest_ = history_.front().revision;
    history_bytes_ -= history_.front().object->json->size();
    history_.pop_front();
  }
}

void WatchCache::publish_locked(const Past& past) {
  EventMaker maker(past);
  std::erase_if(subscriptions_, [&](const std::weak_ptr<Subscription>& weak) {
    const std::shared_ptr<Subscription> subscription = weak.lock();
    if (!subscription) return true;
    if (!subscription->covers(past.object->key)) return false;
    WatchEventPtr event = maker.for_predicate(subscription->predicate_);
    return event && !subscription->push(std::move(event));
  });
}

void WatchCache::close_locked() {
  for (const auto& weak : std::exchange(subscriptions_, {})) {
    if (const std::shared_ptr<Subscription> subscription = weak.lock()) subscription->queue_.close();
  }
}

void WatchCache::close() {
  const std::lock_guard lock(mutex_);
  close_locked();
}

bool WatchCache::loaded() const {
  const std::lock_guard lock(mutex_);
  return loaded_;
}

uint64_t WatchCache::revision() const {
  const std::lock_guard lock(mutex_);
  return revision_;
}

CachedObjectPtr WatchCache::get(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

WatchCache::Snapshot WatchCache::list(std::string_view prefix, uint64_t feed_revision) const {
  const std::lock_guard lock(mutex_);
  return list_locked(prefix, feed_revision);
}

WatchCache::Snapshot WatchCache::list_locked(std::string_view prefix, uint64_t feed_revision) const {
  Snapshot snapshot{.revision = std::max(feed_revision, revision_)};
  auto object = objects_.lower_bound(prefix);
  if (object == objects_.begin()) snapshot.objects.reserve(objects_.size());
  for (; object != objects_.end() && object->first.starts_with(prefix); ++object) {
    snapshot.objects.push_back(object->second);
  }
  return snapshot;
}

ApiResult<WatchCache::Subscribed> WatchCache::subscribe(Start start) {
  Subscribed out;
  out.subscription = std::make_shared<Subscription>(start.key, start.exact, start.predicate);
  const std::lock_guard lock(mutex_);
  if (start.since && *start.since < oldest_) {
    return std::unexpected(
        resource_expired(fmt::format("too old resource version: {} ({})", *start.since, oldest_)));
  }
  if (start.since) {
    for (const Past& past : history_) {
      if (past.revision <= *start.since || !out.subscription->covers(past.object->key)) continue;
      WatchEventPtr event = EventMaker(past).for_predicate(start.predicate);
      // More than a queue takes: so far behind, a list costs less.
      if (event && !out.subscription->push(std::move(event))) {
        return std::unexpected(
            resource_expired(fmt::format("too old resource version: {} ({})", *start.since, oldest_)));
      }
    }
  } else {
    out.initial = list_locked(start.key, start.feed_revision);
    std::erase_if(out.initial.objects, [&](const CachedObjectPtr& object) {
      return !out.subscription->covers(object->key) || (start.predicate && !start.predicate(*object));
    });
  }
  std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
  subscriptions_.push_back(out.subscription);
  return out;
}

}  // namespace cloudless::apiserver
