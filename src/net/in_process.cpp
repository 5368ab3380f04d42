#include "net/in_process.hpp"

#include <atomic>
#include <deque>
#include <mutex>

#include "net/background.hpp"
#include "runtime/channel.hpp"
#include "runtime/completion.hpp"
#include "runtime/scope.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

using Pieces = runtime::Channel<SharedBytes>;

// What the two sides of a request share.
struct Call {
  runtime::Completion<Result<Response>> head;
  Pieces pieces{kInProcessQueuePieces};
  std::atomic<bool> complete{false};  // finish() was called

  explicit Call(runtime::Executor& home) : executor(home) {}
  // The caller has no interest any more. Any thread.
  void abandon() {
    if (abandoned.exchange(true)) return;
    pieces.close();
    if (complete) return;
    executor.post([cancel = cancel] { cancel->cancel(); });
  }

  runtime::Executor& executor;
  std::atomic<bool> abandoned{false};
  std::shared_ptr<runtime::CancelState> cancel = std::make_shared<runtime::CancelState>();
};

class ResponseBody final : public BodyReader {
 public:
  explicit ResponseBody(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  ~ResponseBody() override { call_->abandon(); }
  Task<Result<std::optional<SharedBytes>>> next() override {
    std::optional<SharedBytes> piece = CO_TRY(co_await call_->pieces.receive());
    if (!piece && !call_->complete) co_return fail(Code::kUnavailable, "the response was aborted");
    co_return piece;
  }

 private:
  std::shared_ptr<Call> call_;
};

class WholeResponse final : public BodyReader {
 public:
  explicit WholeResponse(std::vector<SharedBytes> pieces) : pieces_(std::move(pieces)) {}
  Task<Result<std::optional<SharedBytes>>> next() override {
    while (next_ < pieces_.size() && view(pieces_[next_]).empty()) ++next_;
    if (next_ == pieces_.size()) co_return std::optional<SharedBytes>();
    co_return std::optional<SharedBytes>(std::move(pieces_[next_++]));
  }

 private:
  std::vector<SharedBytes> pieces_;
  size_t next_ = 0;
};

class Writer final : public ResponseWriter {
 public:
  Writer(std::shared_ptr<Call> call, bool head_request)
      : call_(std::move(call)), head_request_(head_request) {}
  ~Writer() override {
    // A handler that ends early: the caller must not wait for more.
    call_->pieces.close();
    call_->head.complete(fail(Code::kUnavailable, "the handler ended without a response"));
  }

  Task<Result<>> start(int status, Headers headers) override {
    if (started_) co_return fail(Code::kInternal, "the response was started before");
    started_ = true;
    Response response{status, std::move(headers), std::make_unique<ResponseBody>(call_), nullptr};
    call_->head.complete(std::move(response));
    co_return Result<>();
  }
  Task<Result<>> write(SharedBytes piece) override {
    if (!started_ || finished_) co_return fail(Code::kInternal, "the response is not open");
    if (head_request_ || view(piece).empty()) co_return Result<>();
    co_return co_await call_->pieces.send(std::move(piece));
  }
  Task<Result<>> finish() override {
    if (!started_ || finished_) co_return fail(Code::kInternal, "the response is not open");
    finished_ = true;
    call_->complete = true;
    call_->pieces.close();
    co_return Result<>();
  }
  Task<Result<>> respond(int status, Headers headers, std::vector<SharedBytes> body) override {
    if (started_) co_return fail(Code::kInternal, "the response was started before");
    started_ = finished_ = true;
    call_->complete = true;
    if (head_request_) body.clear();
    Response response{status, std::move(headers), std::make_unique<WholeResponse>(std::move(body)), nullptr};
    call_->head.complete(std::move(response));
    co_return Result<>();
  }
  Task<Result<std::unique_ptr<ByteStream>>> upgrade(Headers headers) override {
    if (started_) co_return fail(Code::kInternal, "the response was started before");
    started_ = finished_ = true;
    call_->complete = true;
    auto [ours, theirs] = make_pipe();
    Response response{101, std::move(headers), std::make_unique<WholeResponse>(std::vector<SharedBytes>()),
                      std::move(theirs)};
    call_->head.complete(std::move(response));
    co_return std::move(ours);
  }
  bool started() const override { return started_; }

 private:
  std::shared_ptr<Call> call_;
  const bool head_request_;
  bool started_ = false;
  bool finished_ = false;
};

// Abandons the call unless the response came.
class AbandonUnlessAnswered {
 public:
  explicit AbandonUnlessAnswered(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  ~AbandonUnlessAnswered() {
    if (call_) call_->abandon();
  }
  void disarm() { call_ = nullptr; }

 private:
  std::shared_ptr<Call> call_;
};

}  // namespace

namespace {

// What handlers need, and no more: they may unwind after the transport is gone.
struct Core {
  Handler handler;
  Logger log;
};

Task<void> run(std::shared_ptr<const Core> core, std::shared_ptr<Call> call, Request request) {
  const runtime::TaskContext context = co_await runtime::current_context();
  const runtime::LinkedCancel link(context.cancel, *call->cancel);
  Writer writer(call, request.method == "HEAD");
  try {
    co_await runtime::run_in({context.executor, call->cancel.get()},
                             core->handler(std::move(request), writer));
  } catch (const std::exception& exception) {
    core->log.error("a handler ended by an exception", {{"what", exception.what()}});
  }
  if (!writer.started() && !call->cancel->cancelled())
    static_cast<void>(co_await writer.respond(500, {}, {}));
}

Task<void> reap(std::shared_ptr<runtime::TaskScope> scope) { co_await scope->join(); }

}  // namespace

struct InProcessTransport::State {
  runtime::Executor& executor;
  const std::shared_ptr<const Core> core;
  const std::shared_ptr<runtime::TaskScope> scope;
  const std::string user;
  const std::vector<std::string> groups;
};

InProcessTransport::InProcessTransport(runtime::Executor& executor, Handler handler, std::string user,
                                       std::vector<std::string> groups, Logger log)
    : state_(new State{executor, std::make_shared<Core>(Core{std::move(handler), log}),
                       std::make_shared<runtime::TaskScope>(executor, log), std::move(user),
                       std::move(groups)}) {}

InProcessTransport::~InProcessTransport() {
  state_->scope->cancel();
  if (!state_->scope->idle()) Background::start(state_->executor, reap(state_->scope)).detach();
}

Task<Result<Response>> InProcessTransport::send(Request request) {
  const std::shared_ptr<State> state = state_;
  request.peer = {};
  request.peer.in_process_user = state->user;
  request.peer.in_process_groups = state->groups;
  if (!request.headers.get("host")) request.headers.add("Host", "localhost");
  const auto call = std::make_shared<Call>(state->executor);
  AbandonUnlessAnswered abandon(call);
  state->scope->spawn(run(state->core, call, std::move(request)));
  Result<Response> response = CO_TRY(co_await call->head.wait());
  abandon.disarm();
  co_return response;
}

Task<void> InProcessTransport::stop() {
  const std::shared_ptr<State> state = state_;
  state->scope->cancel();
  co_await state->scope->join();
}

namespace {

// One direction of a pipe: bytes wait up to a capacity.
class Conduit {
 public:
  explicit Conduit(size_t capacity) : capacity_(capacity) {}

  Task<Result<std::string>> read(size_t limit) {
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (aborted_) co_return fail(Code::kUnavailable, "io: read/write on closed pipe");
        if (!bytes_.empty()) {
          std::string taken = bytes_.substr(0, limit);
          bytes_.erase(0, taken.size());
          room_.notify();
          co_return taken;
        }
        if (ended_) co_return std::string();
      }
      CO_TRY(co_await arrived_.wait());
    }
  }

  Task<Result<>> write(std::string_view bytes) {
    while (!bytes.empty()) {
      {
        const std::lock_guard lock(mutex_);
        if (aborted_ || ended_) co_return fail(Code::kUnavailable, "io: read/write on closed pipe");
        const size_t taken = std::min(bytes.size(), capacity_ - bytes_.size());
        bytes_ += bytes.substr(0, taken);
        bytes.remove_prefix(taken);
        if (taken > 0) arrived_.notify();
        if (bytes.empty()) break;
      }
      CO_TRY(co_await room_.wait());
    }
    co_return Result<>();
  }

  // What was written before can still be read.
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    arrived_.notify();
  }
  void abort() {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
    arrived_.notify();
    room_.notify();
  }

 private:
  const size_t capacity_;
  std::mutex mutex_;
  std::string bytes_;
  bool ended_ = false;
  bool aborted_ = false;
  runtime::Signal arrived_;
  runtime::Signal room_;
};

class PipeEnd final : public ByteStream {
 public:
  PipeEnd(std::shared_ptr<Conduit> in, std::shared_ptr<Conduit> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~PipeEnd() override {
    // As close(2): the other end reads what is left, then the end; its writes fail.
    out_->end();
    in_->abort();
  }
  Task<Result<std::string>> read(size_t limit) override {
    const std::shared_ptr<Conduit> in = in_;
    co_return co_await in->read(limit);
  }
  Task<Result<>> write(std::string bytes) override {
    const std::shared_ptr<Conduit> out = out_;
    co_return co_await out->write(bytes);
  }
  Task<Result<>> close_write() override {
    out_->end();
    co_return Result<>();
  }
  void abort() override {
    in_->abort();
    out_->abort();
  }

 private:
  std::shared_ptr<Conduit> in_;
  std::shared_ptr<Conduit> out_;
};

}  // namespace

std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_pipe(size_t capacity_bytes) {
  const auto forth = std::make_shared<Conduit>(capacity_bytes);
  const auto back = std::make_shared<Conduit>(capacity_bytes);
  return {std::make_unique<PipeEnd>(back, forth), std::make_unique<PipeEnd>(forth, back)};
}

}  // namespace cloudless::net
