// Watches: the state or a revision to start from, then events as they come, bookmarks in between
// (k8s.io/apiserver/pkg/endpoints/handlers/watch.go, KEP-3157 for sendInitialEvents).
#include <algorithm>

#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/printers/table.hpp"
#include "apiserver/registry/conversion.hpp"
#include "apiserver/verbs/verbs.hpp"
#include "runtime/timer.hpp"
#include "schema/json.hpp"
#include "schema/protobuf.hpp"

namespace cloudless::apiserver {

namespace {

/// A client that asks for bookmarks learns at least this often how far it has come (upstream: one minute).
constexpr Duration kBookmarkInterval = std::chrono::minutes(1);
/// Watches without timeoutSeconds end between this and twice this (upstream's --min-request-timeout).
constexpr Duration kMinWatchTimeout = std::chrono::minutes(30);
constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

enum class Bookmark { kProgress, kInitialEventsEnd };

class WatchStream {
 public:
  WatchStream(Registry& registry, const Call& call, net::ResponseWriter& response)
      : registry_(registry), call_(call), response_(response) {}

  Task<Result<>> start() {
    net::Headers headers{{"content-type", call_.media.content_type(true)},
                         {"cache-control", "no-cache, private"}};
    co_return co_await response_.start(200, std::move(headers));
  }

  Task<Result<>> send(const WatchEvent& event) {
    sent_ = std::max(sent_, event.object->revision);
    co_return co_await response_.write(encode(event));
  }

  Task<Result<>> send_bookmark(uint64_t revision, Bookmark kind) {
    if (kind == Bookmark::kProgress && revision <= sent_) co_return Result<>();
    sent_ = std::max(sent_, revision);
    json::object meta{{"resourceVersion", std::to_string(revision)}, {"creationTimestamp", nullptr}};
    if (kind == Bookmark::kInitialEventsEnd) meta["annotations"] = {{kInitialEventsEnd, "true"}};
    json::object object;
    if (call_.media.shape == Shape::kTable) {
      object = make_table(call_, {}, std::move(meta), TableHead::kWithoutColumns);
    } else {
      const bool partial = call_.media.shape == Shape::kPartial;
      object["kind"] = partial ? "PartialObjectMetadata" : call_.type().kind;
      object["apiVersion"] =
          partial ? "meta.k8s.io/" + call_.media.version : call_.representation().api_version();
      object["metadata"] = std::move(meta);
    }
    co_return co_await response_.write(frame("BOOKMARK", schema::serialize_json(object), shaped_schema()));
  }

  /// What ends a watch that cannot begin, as upstream has it: an event, not the status of the answer.
  Task<Result<>> send_error(const ApiStatus& status) {
    const schema::Schema& schema = *api::find_kind("", "v1", "Status");
    co_return co_await response_.write(frame("ERROR", json::serialize(to_json(status)), schema));
  }

  /// Events until `subscription` ends or `limit` has passed.
  Task<Result<>> follow(Subscription& subscription, Duration limit, bool bookmarks) {
    const Clock& clock = registry_.clock();
    const SteadyTime end = clock.steady_now() + limit;
    SteadyTime next_bookmark = clock.steady_now() + kBookmarkInterval;
    for (SteadyTime now = clock.steady_now(); now < end; now = clock.steady_now()) {
      const SteadyTime until = bookmarks ? std::min(end, next_bookmark) : end;
      Result<std::optional<WatchEventPtr>> event = co_await runtime::with_timeout(
          std::max<Duration>(until - now, Duration(1)), "the next event", subscription.next());
      if (event && !*event) co_return Result<>();
      if (event) {
        CO_TRY(co_await send(***event));
      } else if (event.error().code != Code::kDeadlineExceeded) {
        co_return std::unexpected(event.error());
      } else if (bookmarks) {
        next_bookmark = clock.steady_now() + kBookmarkInterval;
        CO_TRY(co_await bookmark_now(subscription));
      }
    }
    co_return Result<>();
  }

 private:
  // The feed's revision is read first: everything up to it is in the queue or sent, so once the queue is
  // empty the client has it.
  Task<Result<>> bookmark_now(Subscription& subscription) {
    const uint64_t revision = registry_.feed().revision();
    while (std::optional<WatchEventPtr> event = subscription.try_next()) CO_TRY(co_await send(**event));
    co_return co_await send_bookmark(revision, Bookmark::kProgress);
  }

  SharedBytes encode(const WatchEvent& event) {
    const bool as_stored = &call_.representation() == &call_.type().storage_representation();
    if (call_.media.shape == Shape::kObject && call_.media.format == Format::kProtobuf) {
      const auto make = [&] {
        const SharedBytes item = protobuf_item(call_, *event.object);
        return protobuf_frame(
            to_string(event.type),
            schema::wrap_item({call_.representation().api_version(), call_.type().kind}, view(item)));
      };
      return as_stored ? event.protobuf_frame(make) : make();
    }
    if (as_stored && !call_.type().custom && call_.media.shape == Shape::kObject) return event.json_line();
    const TableHead head =
        std::exchange(columns_sent_, true) ? TableHead::kWithoutColumns : TableHead::kWithColumns;
    return frame(to_string(event.type), *shape_object(call_, *event.object, head), shaped_schema());
  }

  const schema::Schema& shaped_schema() const {
    if (call_.media.shape == Shape::kObject) return *call_.representation().info->schema;
    return *api::find_kind("meta.k8s.io", "v1", "PartialObjectMetadata");
  }

  // `schema`: of the object, for its protobuf form.
  SharedBytes frame(std::string_view type, std::string_view object, const schema::Schema& schema) const {
    if (call_.media.format != Format::kProtobuf) {
      return share(fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object));
    }
    const Result<std::string> bytes = schema::encode_protobuf(json::parse(object), schema);
    return protobuf_frame(type, bytes ? *bytes : std::string());
  }

  static SharedBytes protobuf_frame(std::string_view type, std::string_view object) {
    const std::string event = schema::encode_watch_event(type, object);
    std::string framed;
    framed.reserve(event.size() + 4);
    for (int shift = 24; shift >= 0; shift -= 8)
      framed.push_back(static_cast<char>(event.size() >> shift & 255));
    return share(framed + event);
  }

  Registry& registry_;
  const Call& call_;
  net::ResponseWriter& response_;
  uint64_t sent_ = 0;
  bool columns_sent_ = false;
};

Duration watch_limit(const ListOptions& options, Random& random) {
  constexpr int64_t kLongest = int64_t{1} << 20;
  if (options.timeout_seconds && *options.timeout_seconds > 0) {
    return std::chrono::seconds(std::min(*options.timeout_seconds, kLongest));
  }
  return kMinWatchTimeout + Duration(random.below(static_cast<uint64_t>(kMinWatchTimeout.count())));
}

Task<ApiResult<WatchCache::Subscribed>> subscribe(Registry& registry, const Call& call,
                                                  const ListOptions& options, Scope scope) {
  const ResourceType& type = call.type();
  // Without a revision the initial state is as fresh as a list's.
  if (options.resource_version.empty()) CO_TRY(co_await registry.feed().wait_until_fresh());
  if (options.send_initial_events) CO_TRY(co_await registry.feed().wait_until(options.revision));
  WatchCache::Start start{.key = type.key(scope.namespace_, scope.name),
                          .exact = !scope.name.empty(),
                          .predicate = std::move(scope.predicate),
                          .feed_revision = registry.feed().revision()};
  if (!options.send_initial_events) {
    if (options.revision > 0) {
      start.since = options.revision;
    } else if (call.query.has("sendInitialEvents")) {
      start.since = std::max(start.feed_revision, type.cache->revision());
    }
  }
  co_return type.cache->subscribe(std::move(start));
}

}  // namespace

Task<ApiResult<>> watch_objects(Registry& registry, Call& call, net::ResponseWriter& response,
                                metrics::Counter& terminated) {
  const ListOptions options = CO_TRY(parse_list_options(call.query, true));
  Scope scope = CO_TRY(make_scope(call, options));
  ApiResult<WatchCache::Subscribed> start = co_await subscribe(registry, call, options, std::move(scope));
  WatchStream stream(registry, call, response);
  // From here on an error means that the client has gone.
  if (!co_await stream.start()) co_return ApiResult<>();
  if (!start) {
    if (co_await stream.send_error(start.error())) (void)co_await response.finish();
    co_return ApiResult<>();
  }
  WatchCache::Subscribed& subscribed = *start;
  for (const CachedObjectPtr& object : subscribed.initial.objects) {
    if (!co_await stream.send(WatchEvent(WatchEvent::Type::kAdded, object))) co_return ApiResult<>();
  }
  if (options.send_initial_events && options.allow_bookmarks) {
    if (!co_await stream.send_bookmark(subscribed.initial.revision, Bookmark::kInitialEventsEnd)) {
      co_return ApiResult<>();
    }
  }
  subscribed.initial.objects.clear();
  const Duration limit = watch_limit(options, registry.random());
  const Result<> followed = co_await stream.follow(*subscribed.subscription, limit, options.allow_bookmarks);
  if (subscribed.subscription->too_slow()) terminated.add();
  if (followed) (void)co_await response.finish();
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver
