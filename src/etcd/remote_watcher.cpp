#include "etcd/remote_watcher.hpp"

#include <cassert>

#include "etcd/client_convert.hpp"
#include "runtime/timer.hpp"
#include "store/errors.hpp"

namespace cloudless::etcd {

using runtime::Task;
namespace pb = ::etcdserverpb;

namespace {

// Between attempts to open a stream again.
constexpr Duration kReopenPause = std::chrono::milliseconds(200);

}  // namespace

RemoteWatcher::~RemoteWatcher() {
  if (!executor_) return;
  if (executor_->on_this_thread()) {
    shared_->stream.reset();
  } else {
    executor_->post([shared = shared_] { shared->stream.reset(); });
  }
}

void RemoteWatcher::Shared::request_progress() {
  pb::WatchRequest request;
  request.mutable_progress_request();
  progress_wanted = true;
  // A queue that is full holds one already.
  if (stream) stream->try_send(grpc::framed(request));
}

Task<Result<>> RemoteWatcher::open() {
  pb::WatchRequest request;
  *request.mutable_create_request() = to_pb(request_);
  grpc::Channel* const member = CO_TRY(co_await cluster_.reachable_member());
  shared_->stream =
      CO_TRY(co_await member->stream("/etcdserverpb.Watch/Watch", grpc::framed(request), grpc::Sending::kMore,
                                     {.limit = kCallLimit, .metadata = {}}));
  if (shared_->progress_wanted) shared_->request_progress();
  co_return Result<>();
}

Task<Result<>> RemoteWatcher::start() {
  executor_ = (co_await runtime::current_context()).executor;
  const pb::WatchResponse created = CO_TRY(co_await receive());
  if (request_.start_revision == 0) request_.start_revision = created.header().revision() + 1;
  if (created.canceled()) co_return fail(Code::kInvalid, "{}", created.cancel_reason());
  co_return Result<>();
}

// The next response, over as many streams as it takes.
Task<Result<pb::WatchResponse>> RemoteWatcher::receive() {
  const runtime::TaskContext context = co_await runtime::current_context();
  assert(context.executor == executor_);
  runtime::CancelState either;
  const runtime::LinkedCancel by_task(context.cancel, either);
  const runtime::LinkedCancel by_watch(&shared_->cancelled, either);
  co_return co_await runtime::run_in({context.executor, &either}, receive_unless_cancelled());
}

Task<Result<pb::WatchResponse>> RemoteWatcher::receive_unless_cancelled() {
  const runtime::TaskContext context = co_await runtime::current_context();
  for (;;) {
    if (context.cancelled()) co_return fail(Code::kCancelled, "the watch was cancelled");
    const bool opened = shared_->stream || co_await open();
    if (opened) {
      auto response = co_await grpc::receive<pb::WatchResponse>(*shared_->stream);
      if (response && *response) co_return std::move(**response);
    }
    if (context.cancelled()) continue;
    shared_->stream.reset();
    cluster_.move_on();
    CO_TRY(co_await runtime::sleep_for(kReopenPause));
  }
}

Error RemoteWatcher::error_of(const pb::WatchResponse& response) {
  if (response.compact_revision() == 0) return {Code::kUnavailable, response.cancel_reason()};
  compact_revision_ = response.compact_revision();
  return store::errors::compacted();
}

Task<Result<store::WatchBatch>> RemoteWatcher::next() {
  while (!failed_) {
    const pb::WatchResponse response = CO_TRY(co_await receive());
    if (response.canceled()) {
      failed_ = error_of(response);
      break;
    }
    if (response.created()) continue;
    store::WatchBatch batch{.revision = response.header().revision()};
    for (const auto& event : response.events()) batch.events.push_back(from_pb(event));
    if (batch.events.empty()) {
      shared_->progress_wanted = false;
    } else {
      // The header may be ahead of the events that are still to come.
      batch.revision = batch.events.back()->kv.mod_revision;
      request_.start_revision = batch.revision + 1;
    }
    co_return batch;
  }
  co_return std::unexpected(*failed_);
}

void RemoteWatcher::request_progress() {
  executor_->post([shared = shared_] { shared->request_progress(); });
}

void RemoteWatcher::cancel() {
  executor_->post([shared = shared_] { shared->cancelled.cancel(); });
}

}  // namespace cloudless::etcd
