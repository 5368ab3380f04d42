#include "client/event_recorder.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "api/core_v1.hpp"
#include "base/strings.hpp"

namespace cloudless::client {

namespace {

using api::core::v1::Event;

constexpr std::string_view kCombined = "(combined from similar events): ";

std::string object_part(const ObjectRef& about) {
  return join(std::vector<std::string>{about.kind, about.ns, about.name, about.uid, about.field_path}, "/");
}

std::string_view level_name(EventLevel level) { return level == EventLevel::kNormal ? "Normal" : "Warning"; }

// Forgets the oldest half by key order; what is forgotten merely counts from one again.
template <class Map>
void keep_bounded(Map& map) {
  if (map.size() > EventCorrelator::kMaxKnown) map.erase(map.begin(), std::next(map.begin(), map.size() / 2));
}

}  // namespace

bool EventCorrelator::is_spam(const EventText& event, WallTime now) {
  keep_bounded(buckets_);
  auto [entry, is_new] = buckets_.try_emplace(object_part(event.about));
  Bucket& bucket = entry->second;
  if (is_new) bucket.filled = now;
  const double refilled =
      static_cast<double>((now - bucket.filled).count()) / static_cast<double>(kRefill.count());
  bucket.tokens = std::min(kBurst, bucket.tokens + std::max(refilled, 0.0));
  bucket.filled = now;
  if (bucket.tokens < 1) return true;
  bucket.tokens -= 1;
  return false;
}

bool EventCorrelator::is_aggregated(const EventText& event, WallTime now) {
  keep_bounded(groups_);
  const std::string key =
      object_part(event.about) + "/" + event.reason + "/" + std::string(level_name(event.level));
  Group& group = groups_[key];
  if (now - group.last > kAggregateWindow) group.messages.clear();
  group.last = now;
  if (group.messages.size() < kAggregateAfter) group.messages.insert(event.message);
  return group.messages.size() >= kAggregateAfter;
}

EventCorrelator::Outcome EventCorrelator::correlate(const EventText& event, WallTime now) {
  Outcome outcome{.message = event.message, .first_seen = now};
  const std::string group =
      object_part(event.about) + "/" + event.reason + "/" + std::string(level_name(event.level));
  if (is_aggregated(event, now)) {
    outcome.message = std::string(kCombined) + event.message;
    outcome.known_key = group;
  } else {
    outcome.known_key = group + "/" + event.message;
  }
  if (is_spam(event, now)) {
    outcome.drop = true;
    return outcome;
  }
  keep_bounded(known_);
  Known& known = known_[outcome.known_key];
  if (known.count++ == 0) known.first_seen = now;
  outcome.event_name = known.event_name;
  outcome.count = known.count;
  outcome.first_seen = known.first_seen;
  return outcome;
}

void EventCorrelator::remember(const std::string& known_key, const std::string& event_name) {
  if (const auto known = known_.find(known_key); known != known_.end()) known->second.event_name = event_name;
}

void EventCorrelator::forget(const std::string& known_key) { known_.erase(known_key); }

EventRecorder::EventRecorder(const Client& client, runtime::TaskScope& scope, Random& random,
                             std::string component, std::string host, Logger log)
    : client_(client),
      random_(random),
      component_(std::move(component)),
      host_(std::move(host)),
      log_(std::move(log)),
      executor_(scope.executor()) {
  scope.spawn(send_all());
}

void EventRecorder::record(EventText event, const std::string& component) {
  if (!queue_.try_send({std::move(event), component})) log_.debug("an event was dropped: too many wait");
}

runtime::Task<void> EventRecorder::send_all() {
  for (;;) {
    auto queued = co_await queue_.receive();
    if (!queued || !*queued) co_return;
    co_await send(std::move(**queued));
  }
}

runtime::Task<void> EventRecorder::send(Queued queued) {
  const WallTime now = executor_.clock().wall_now();
  const EventText& text = queued.event;
  const EventCorrelator::Outcome outcome = correlator_.correlate(text, now);
  if (outcome.drop) co_return;
  Event event;
  const std::string ns = text.about.ns.empty() ? "default" : text.about.ns;
  event.metadata.namespace_ = ns;
  event.message = outcome.message;
  event.count = outcome.count;
  event.lastTimestamp = now;
  if (!outcome.event_name.empty()) {
    const boost::json::object patch{
        {"count", outcome.count}, {"message", outcome.message}, {"lastTimestamp", format_rfc3339(now)}};
    const auto counted = co_await client_.patch<Event>(ns, outcome.event_name, PatchType::kMerge,
                                                       boost::json::serialize(patch));
    if (counted || counted.error().code != Code::kNotFound) co_return;
    event.count = 1;  // the object has expired: tell it anew
  }
  event.metadata.name = fmt::format("{}.{:016x}", text.about.name, random_.next());
  event.involvedObject.kind = text.about.kind;
  event.involvedObject.apiVersion = text.about.api_version;
  event.involvedObject.namespace_ = text.about.ns;
  event.involvedObject.name = text.about.name;
  event.involvedObject.uid = text.about.uid;
  event.involvedObject.resourceVersion = text.about.resource_version;
  event.involvedObject.fieldPath = text.about.field_path;
  event.reason = text.reason;
  event.type = level_name(text.level);
  event.source.component = queued.component;
  event.source.host = host_;
  event.reportingComponent = queued.component;
  event.reportingInstance = host_;
  event.firstTimestamp = outcome.first_seen;
  const auto created = co_await client_.create(event);
  if (created) {
    correlator_.remember(outcome.known_key, created->metadata.name);
  } else if (created.error().code != Code::kCancelled) {
    correlator_.forget(outcome.known_key);
    log_.debug("an event was not recorded", {{"reason", text.reason}, {"error", created.error()}});
  }
}

}  // namespace cloudless::client
