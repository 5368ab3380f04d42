#include "client/informer.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "client/informers.hpp"
#include "client/work_queue.hpp"
#include "runtime/timer.hpp"

namespace cloudless::client {

namespace json = boost::json;

namespace {

constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

const json::object* metadata_of(const json::value& object) {
  const json::object* whole = object.if_object();
  const json::value* metadata = whole ? whole->if_contains("metadata") : nullptr;
  return metadata ? metadata->if_object() : nullptr;
}

std::string_view resource_version_in(const json::value& object) {
  const json::object* metadata = metadata_of(object);
  const json::value* version = metadata ? metadata->if_contains("resourceVersion") : nullptr;
  return version && version->is_string() ? std::string_view(version->get_string()) : std::string_view();
}

bool ends_initial_events(const json::value& bookmark) {
  const json::object* metadata = metadata_of(bookmark);
  const json::value* annotations = metadata ? metadata->if_contains("annotations") : nullptr;
  const json::object* map = annotations ? annotations->if_object() : nullptr;
  return map && map->contains(kInitialEventsEnd);
}

}  // namespace

int64_t revision_of(std::string_view resource_version) {
  int64_t revision = 0;
  std::from_chars(resource_version.data(), resource_version.data() + resource_version.size(), revision);
  return revision;
}

InformerBase::InformerBase(const Client& client, Resource resource, InformerOptions options, Random& random,
                           Logger log)
    : client_(client),
      resource_(std::move(resource)),
      options_(std::move(options)),
      random_(random),
      log_(std::move(log)) {}

InformerBase::~InformerBase() = default;

runtime::Task<Result<>> InformerBase::wait_synced() {
  if (synced_) co_return {};
  const auto signal = std::make_shared<runtime::Signal>();
  waiting_.push_back(signal);
  co_return co_await signal->wait();
}

void InformerBase::on_synced(std::function<void()> call) {
  if (synced_) return call();
  when_synced_.push_back(std::move(call));
}

void InformerBase::mark_synced() {
  if (std::exchange(synced_, true)) return;
  for (const auto& signal : std::exchange(waiting_, {})) signal->notify();
  for (const auto& call : std::exchange(when_synced_, {})) call();
}

runtime::Task<void> InformerBase::run() {
  const Backoff backoff{kFirstBackoff, kMaxBackoff};
  const Backoff absent_backoff{kFirstBackoff, kAbsentRetry};
  int failures = 0;
  int absences = 0;
  for (;;) {
    progressed_ = false;
    Result<> round;
    if (resource_version_.empty()) round = co_await list();
    if (round) round = co_await watch();
    failures = progressed_ ? 0 : failures + 1;
    Duration pause = backoff.delay(std::max(failures, 1), random_);
    if (progressed_) absences = 0;
    if (!round) {
      if (round.error().code == Code::kCancelled) co_return;
      if (round.error().code == Code::kCompacted) resource_version_.clear();
      if (round.error().code == Code::kNotFound) {
        // The definition of the resource is not there (yet, or any more): nothing of it exists.
        resource_version_.clear();
        begin_replace();
        end_replace();
        mark_synced();
        pause = absent_backoff.delay(++absences, random_);
      } else {
        log_.debug("list and watch interrupted",
                   {{"resource", resource_.qualified()}, {"error", round.error()}, {"failures", failures}});
      }
    }
    if (!co_await runtime::sleep_for(pause)) co_return;
  }
}

runtime::Task<Result<>> InformerBase::list() {
  if (options_.watch_list && !watch_list_refused_) {
    Result<> streamed = co_await stream_initial();
    const bool refused = !streamed && (streamed.error().code == Code::kInvalid);
    if (!refused) co_return streamed;
    watch_list_refused_ = true;
  }
  begin_replace();
  const ListOptions options{.label_selector = options_.label_selector,
                            .field_selector = options_.field_selector,
                            .metadata_only = options_.metadata_only};
  const ListMeta meta = CO_TRY(co_await client_.list_each(
      resource_, options_.ns, options, [this](const json::value& item) { return replace_one(item); }));
  resource_version_ = meta.resource_version;
  reached_ = revision_of(resource_version_);
  end_replace();
  progressed_ = true;
  mark_synced();
  co_return {};
}

runtime::Task<Result<>> InformerBase::stream_initial() {
  const WatchOptions options{.label_selector = options_.label_selector,
                             .field_selector = options_.field_selector,
                             .send_initial_events = true,
                             .metadata_only = options_.metadata_only};
  const auto stream = CO_TRY(co_await client_.watch_raw(resource_, options_.ns, options));
  begin_replace();
  for (;;) {
    const std::optional<WatchFrame> frame = CO_TRY(co_await stream->next());
    if (!frame) co_return fail(Code::kUnavailable, "the watch ended within its initial events");
    if (frame->type != EventType::kBookmark) {
      CO_TRY(replace_one(*frame->object));
    } else if (ends_initial_events(*frame->object)) {
      CO_TRY(move_to(*frame->object));
      end_replace();
      progressed_ = true;
      mark_synced();
      break;
    }
  }
  while (const std::optional<WatchFrame> frame = CO_TRY(co_await stream->next())) CO_TRY(consume(*frame));
  co_return {};
}

runtime::Task<Result<>> InformerBase::watch() {
  const std::chrono::seconds timeout =
      kMinWatchTimeout + std::chrono::seconds(random_.below(static_cast<uint64_t>(kMinWatchTimeout.count())));
  const WatchOptions options{.label_selector = options_.label_selector,
                             .field_selector = options_.field_selector,
                             .resource_version = resource_version_,
                             .timeout = timeout,
                             .metadata_only = options_.metadata_only};
  const auto stream = CO_TRY(co_await client_.watch_raw(resource_, options_.ns, options));
  while (const std::optional<WatchFrame> frame = CO_TRY(co_await stream->next())) CO_TRY(consume(*frame));
  co_return {};
}

Result<> InformerBase::consume(const WatchFrame& frame) {
  progressed_ = true;
  if (frame.type != EventType::kBookmark) {
    Result<> applied = apply(frame.type, *frame.object);
    // An object that we cannot read must not stop all others; it stays as it was.
    if (!applied) {
      log_.warn("an object of a watch cannot be read",
                {{"resource", resource_.qualified()}, {"error", applied.error()}});
    }
  }
  return move_to(*frame.object);
}

Result<> InformerBase::move_to(const json::value& object) {
  const std::string_view version = resource_version_in(object);
  if (version.empty()) return fail(Code::kInternal, "a watch event has no resource version");
  resource_version_ = version;
  reached_ = revision_of(version);
  return {};
}

runtime::Task<Result<>> Informers::wait_synced() {
  std::vector<InformerBase*> all;
  for (const auto& [resource, informer] : informers_) all.push_back(informer.get());
  for (InformerBase* informer : all) CO_TRY(co_await informer->wait_synced());
  co_return {};
}

}  // namespace cloudless::client
