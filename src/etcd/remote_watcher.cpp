#include "etcd/remote_watcher.hpp"

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

void WatchClient::open(pb::Watch::Stub& stub, pb::WatchCreateRequest create) {
  self_ = shared_from_this();
  *create_.mutable_create_request() = std::move(create);
  progress_.mutable_progress_request();
  stub.async()->Watch(&context_, this);
  StartWrite(&create_);
  // The stream lives until its watcher cancels it, so reads and writes may start at any time.
  AddHold();
  StartCall();
}

Task<Result<std::optional<pb::WatchResponse>>> WatchClient::receive() {
  if (!reading_) {
    reading_ = read_.begin();
    StartRead(&response_);
  }
  const bool ok = CO_TRY(co_await reading_->wait());
  reading_.reset();
  if (!ok) co_return std::optional<pb::WatchResponse>();
  co_return std::move(response_);
}

void WatchClient::request_progress() {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    if (writing_) {
      progress_wanted_ = true;
      return;
    }
    writing_ = true;
  }
  StartWrite(&progress_);
}

void WatchClient::OnWriteDone(bool ok) {
  {
    const std::lock_guard lock(mutex_);
    writing_ = ok && std::exchange(progress_wanted_, false);
    ended_ = ended_ || !ok;
    if (!writing_) return;
  }
  StartWrite(&progress_);
}

void WatchClient::OnDone(const grpc::Status&) { self_.reset(); }

RemoteWatcher::~RemoteWatcher() { cancel(); }

void RemoteWatcher::reopen() {
  const std::lock_guard lock(mutex_);
  if (cancelled_) return;
  if (client_) {
    client_->cancel();
    client_->RemoveHold();
  }
  client_ = std::make_shared<WatchClient>();
  client_->open(*cluster_.member().watch, to_pb(request_));
}

Task<Result<>> RemoteWatcher::start() {
  reopen();
  const pb::WatchResponse created = CO_TRY(co_await receive());
  if (request_.start_revision == 0) request_.start_revision = created.header().revision() + 1;
  if (created.canceled()) co_return fail(Code::kInvalid, "{}", created.cancel_reason());
  co_return Result<>();
}

// The next response, over as many streams as it takes.
Task<Result<pb::WatchResponse>> RemoteWatcher::receive() {
  for (;;) {
    std::shared_ptr<WatchClient> client;
    {
      const std::lock_guard lock(mutex_);
      if (cancelled_) co_return fail(Code::kCancelled, "the watch was cancelled");
      client = client_;
    }
    if (auto response = CO_TRY(co_await client->receive())) co_return std::move(*response);
    {
      const std::lock_guard lock(mutex_);
      if (cancelled_) co_return fail(Code::kCancelled, "the watch was cancelled");
    }
    cluster_.move_on();
    CO_TRY(co_await runtime::sleep_for(kReopenPause));
    reopen();
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
    // The header may be ahead of the events that are still to come.
    if (!batch.events.empty()) {
      batch.revision = batch.events.back()->kv.mod_revision;
      request_.start_revision = batch.revision + 1;
    }
    co_return batch;
  }
  co_return std::unexpected(*failed_);
}

void RemoteWatcher::request_progress() {
  const std::lock_guard lock(mutex_);
  if (client_) client_->request_progress();
}

void RemoteWatcher::cancel() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(cancelled_, true) || !client_) return;
  client_->cancel();
  client_->RemoveHold();
}

}  // namespace cloudless::etcd
