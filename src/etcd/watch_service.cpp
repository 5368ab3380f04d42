#include "etcd/watch_service.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "etcd/convert.hpp"
#include "runtime/timer.hpp"

namespace cloudless::etcd {

using runtime::Task;

namespace {

// A message of nothing but its framing and header, and events as their watchers share them.
grpc::Message message_of(const pb::WatchResponse& head, std::vector<SharedBytes> events) {
  size_t size = head.ByteSizeLong();
  for (const SharedBytes& event : events) size += event->size();
  std::string first(grpc::kPrefixBytes, '\0');
  grpc::put_prefix(first.data(), size);
  head.AppendToString(&first);
  grpc::Message message{share(std::move(first))};
  message.insert(message.end(), std::make_move_iterator(events.begin()),
                 std::make_move_iterator(events.end()));
  return message;
}

// Responses of a stream that wait for the client; watches of that stream stop reading the store meanwhile.
constexpr size_t kQueuedResponses = 32;
constexpr int64_t kInvalidWatchId = -1;
// What a client that asked for fragments gets in one message at the most (api/v3rpc/watch.go: the request
// limit).
constexpr size_t kFragmentBytes = 3 << 19;

// The watches of one stream.
class Session {
 public:
  Session(Backend& backend, Duration progress_interval, grpc::ServerStream& stream,
          runtime::Executor& executor)
      : backend_(backend),
        progress_interval_(progress_interval),
        stream_(stream),
        requests_(stream),
        scope_(executor, Logger()),
        queue_(kQueuedResponses) {}

  Task<Result<>> run() {
    scope_.spawn(write_all());
    Result<> outcome;
    for (;;) {
      const auto request = co_await requests_.receive();
      if (!request) {
        outcome = std::unexpected(request.error());
        break;
      }
      if (!*request) {
        // Watches go on for a client that has only ended its side, as etcd's do.
        co_await stream_.gone();
        break;
      }
      outcome = co_await handle(**request);
      if (!outcome) break;
    }
    for (auto& [id, watch] : watches_) watch->watcher->cancel();
    scope_.cancel();
    co_await scope_.join();
    co_return outcome;
  }

 private:
  struct Watch {
    int64_t id = 0;
    std::unique_ptr<store::Watcher> watcher;
    PrevKv prev_kv = PrevKv::kLeaveOut;
    bool progress_notify = false;
    bool fragment = false;
    bool cancelled = false;
    bool quiet = true;  // nothing was sent since the last progress tick
    store::Revision reached = 0;
    bool asked_for_progress = false;  // by the client's RequestProgress
    bool notify_progress = false;     // by our own interval
  };
  using WatchPtr = std::shared_ptr<Watch>;

  pb::WatchResponse response_for(int64_t id, store::Revision revision) const {
    pb::WatchResponse response;
    response.set_watch_id(id);
    response.mutable_header()->set_revision(revision);
    backend_.identity.fill(*response.mutable_header());
    return response;
  }

  Task<Result<>> handle(const pb::WatchRequest& request) {
    if (request.has_create_request()) co_return co_await create(request.create_request());
    if (request.has_cancel_request()) co_return co_await cancel(request.cancel_request().watch_id());
    if (request.has_progress_request()) co_return co_await request_progress();
    // What a newer client may send is passed over, as etcd does.
    co_return {};
  }

  Task<Result<>> create(const pb::WatchCreateRequest& request) {
    const store::Revision now = CO_TRY(co_await backend_.store.revision());
    pb::WatchResponse response = response_for(kInvalidWatchId, now);
    response.set_created(true);
    store::WatchRequest wanted = to_store(request);
    if (wanted.key.empty()) wanted.key.assign(1, '\0');
    if (wanted.start_revision == 0) wanted.start_revision = now + 1;
    const auto refuse = [&response](std::string reason) {
      response.set_canceled(true);
      response.set_cancel_reason(std::move(reason));
    };
    if (request.watch_id() != 0 && watches_.contains(request.watch_id())) {
      refuse("mvcc: duplicate watch ID provided on the WatchStream");
      co_return co_await send(response);
    }
    const bool to_the_end = wanted.range_end.size() == 1 && wanted.range_end[0] == '\0';
    if (!wanted.range_end.empty() && !to_the_end && wanted.key >= wanted.range_end) {
      refuse("mvcc: watcher range is empty");
      co_return co_await send(response);
    }
    auto watcher = co_await backend_.store.watch(std::move(wanted));
    if (!watcher) {
      refuse(watcher.error().message);
      co_return co_await send(response);
    }
    const auto watch =
        std::make_shared<Watch>(Watch{.id = request.watch_id() != 0 ? request.watch_id() : next_id(),
                                      .watcher = std::move(*watcher),
                                      .prev_kv = request.prev_kv() ? PrevKv::kInclude : PrevKv::kLeaveOut,
                                      .progress_notify = request.progress_notify(),
                                      .fragment = request.fragment(),
                                      .reached = now});
    watches_.emplace(watch->id, watch);
    response.set_watch_id(watch->id);
    CO_TRY(co_await send(response));
    scope_.spawn(follow(watch));
    if (watch->progress_notify) scope_.spawn(tick(watch));
    co_return {};
  }

  int64_t next_id() {
    while (watches_.contains(last_id_)) ++last_id_;
    return last_id_++;
  }

  Task<Result<>> cancel(int64_t id) {
    const auto found = watches_.find(id);
    if (found == watches_.end()) co_return {};
    const WatchPtr watch = found->second;
    watches_.erase(found);
    watch->cancelled = true;
    watch->watcher->cancel();
    pb::WatchResponse response = response_for(id, CO_TRY(co_await backend_.store.revision()));
    response.set_canceled(true);
    CO_TRY(co_await send(response));
    // The others may have been waiting for this one.
    if (watch->asked_for_progress) co_return co_await answer_progress();
    co_return Result<>();
  }

  // One answer for the whole stream, once every watch has delivered all up to the present.
  Task<Result<>> request_progress() {
    progress_wanted_ = true;
    if (watches_.empty()) co_return co_await answer_progress();
    for (auto& [id, watch] : watches_) {
      watch->asked_for_progress = true;
      watch->watcher->request_progress();
    }
    co_return {};
  }

  Task<void> follow(WatchPtr watch) {
    for (;;) {
      auto batch = co_await watch->watcher->next();
      if (watch->cancelled) co_return;
      if (!batch) {
        co_await end(*watch, batch.error());
        co_return;
      }
      watch->reached = batch->revision;
      const auto sent =
          batch->events.empty() ? co_await report_progress(*watch) : co_await deliver(*watch, *batch);
      if (!sent) co_return;
    }
  }

  Task<Result<>> deliver(Watch& watch, const store::WatchBatch& batch) {
    watch.quiet = false;
    pb::WatchResponse head = response_for(watch.id, batch.revision);
    std::vector<SharedBytes> events;
    size_t bytes = 0;
    for (const store::SharedEvent& event : batch.events) {
      SharedBytes encoded = backend_.events.encode(event, watch.prev_kv);
      if (watch.fragment && bytes > 0 && bytes + encoded->size() > kFragmentBytes) {
        head.set_fragment(true);
        CO_TRY(co_await queue_.send(message_of(head, std::exchange(events, {}))));
        head.clear_fragment();
        bytes = 0;
      }
      bytes += encoded->size();
      events.push_back(std::move(encoded));
    }
    co_return co_await queue_.send(message_of(head, std::move(events)));
  }

  Task<Result<>> report_progress(Watch& watch) {
    if (std::exchange(watch.notify_progress, false)) {
      CO_TRY(co_await send(response_for(watch.id, watch.reached)));
    }
    if (!std::exchange(watch.asked_for_progress, false)) co_return {};
    co_return co_await answer_progress();
  }

  Task<Result<>> answer_progress() {
    const auto behind = [](const auto& watch) { return watch.second->asked_for_progress; };
    if (std::ranges::any_of(watches_, behind) || !std::exchange(progress_wanted_, false)) co_return {};
    store::Revision reached = CO_TRY(co_await backend_.store.revision());
    for (const auto& [id, watch] : watches_) reached = std::min(reached, watch->reached);
    co_return co_await send(response_for(kInvalidWatchId, reached));
  }

  // A watch that asked for it hears from us even when nothing happens.
  Task<void> tick(WatchPtr watch) {
    while (co_await runtime::sleep_for(progress_interval_)) {
      if (watch->cancelled) co_return;
      if (std::exchange(watch->quiet, true)) {
        watch->notify_progress = true;
        watch->watcher->request_progress();
      }
    }
  }

  Task<void> end(Watch& watch, const Error& error) {
    if (error.code == Code::kCancelled) co_return;
    watch.cancelled = true;
    watches_.erase(watch.id);
    const auto now = co_await backend_.store.revision();
    pb::WatchResponse response = response_for(watch.id, now ? *now : watch.reached);
    response.set_canceled(true);
    if (error.code == Code::kCompacted) {
      response.mutable_header()->clear_revision();  // as etcd does
      response.set_compact_revision(watch.watcher->compact_revision());
    } else {
      response.set_cancel_reason(error.message);
    }
    static_cast<void>(co_await send(response));
    if (watch.asked_for_progress) static_cast<void>(co_await answer_progress());
  }

  Task<Result<>> send(const pb::WatchResponse& response) {
    co_return co_await queue_.send({grpc::framed(response)});
  }

  Task<void> write_all() {
    for (;;) {
      auto message = co_await queue_.receive();
      if (!message || !*message || !co_await stream_.send(std::move(**message))) co_return;
    }
  }

  Backend& backend_;
  const Duration progress_interval_;
  grpc::ServerStream& stream_;
  RequestStream<pb::WatchRequest> requests_;
  runtime::TaskScope scope_;
  runtime::Channel<grpc::Message> queue_;
  std::map<int64_t, WatchPtr> watches_;
  int64_t last_id_ = 0;
  bool progress_wanted_ = false;  // asked for and not answered yet
};

Task<Result<>> serve(Backend& backend, Duration progress_interval, grpc::ServerStream& stream) {
  const auto context = co_await runtime::current_context();
  Session session(backend, progress_interval, stream, *context.executor);
  co_return co_await session.run();
}

}  // namespace

void add_watch_methods(grpc::Methods& methods, Backend& backend, Duration progress_interval) {
  methods["/etcdserverpb.Watch/Watch"].streaming = [&backend, progress_interval](grpc::ServerStream& stream) {
    return serve(backend, progress_interval, stream);
  };
}

}  // namespace cloudless::etcd
