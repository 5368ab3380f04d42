#include "net/descriptor.hpp"

#include <fcntl.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cassert>

namespace cloudless::net {

namespace asio = boost::asio;
using asio::posix::descriptor_base;

struct Descriptor::State {
  State(runtime::EventLoop& home, int fd) : loop(home), descriptor(home.io(), fd) {}

  runtime::EventLoop& loop;
  asio::posix::stream_descriptor descriptor;  // on the loop's thread
  std::atomic<bool> aborted{false};
};

namespace {

// Suspends until the descriptor is ready. Cancelling one wait makes the others on the same descriptor return
// early, which their callers take for readiness: they try and wait again.
template <class State>
class ReadyWait final : public runtime::CancelState::Callback {
 public:
  ReadyWait(State& state, descriptor_base::wait_type type) : state_(state), type_(type) {}

  bool await_ready() const noexcept { return false; }
  template <class Awaiting>
  bool await_suspend(std::coroutine_handle<Awaiting> awaiting) {
    const runtime::TaskContext context = awaiting.promise().context;
    assert(context.executor == &state_.loop);
    cancelled_ = context.cancelled();
    if (cancelled_ || state_.aborted) return false;
    if (context.cancel) context.cancel->add(*this);
    state_.descriptor.async_wait(type_, [awaiting](const boost::system::error_code&) { awaiting.resume(); });
    return true;
  }
  Result<> await_resume() {
    unlink();
    if (cancelled_) return fail(Code::kCancelled, "cancelled");
    if (state_.aborted) return fail(Code::kUnavailable, "the connection was closed on this side");
    return {};
  }
  void on_cancel() override {
    cancelled_ = true;
    state_.descriptor.cancel();
  }

 private:
  State& state_;
  descriptor_base::wait_type type_;
  bool cancelled_ = false;
};

}  // namespace

Descriptor::Descriptor(runtime::EventLoop& loop, int fd) : state_(std::make_shared<State>(loop, fd)) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}
Descriptor::Descriptor(Descriptor&&) noexcept = default;
Descriptor& Descriptor::operator=(Descriptor&&) noexcept = default;
Descriptor::~Descriptor() {
  if (!state_) return;
  boost::system::error_code ignored;
  state_->aborted = true;
  state_->descriptor.close(ignored);
}

int Descriptor::fd() const { return state_->descriptor.native_handle(); }
runtime::EventLoop& Descriptor::loop() const { return state_->loop; }
bool Descriptor::aborted() const { return state_->aborted; }

runtime::Task<Result<>> Descriptor::readable() {
  const std::shared_ptr<State> state = state_;
  co_return co_await ReadyWait(*state, descriptor_base::wait_read);
}

runtime::Task<Result<>> Descriptor::writable() {
  const std::shared_ptr<State> state = state_;
  co_return co_await ReadyWait(*state, descriptor_base::wait_write);
}

void Descriptor::abort() {
  if (state_->aborted.exchange(true)) return;
  state_->loop.post([state = state_] {
    boost::system::error_code ignored;
    if (state->descriptor.is_open()) state->descriptor.cancel(ignored);
  });
}

runtime::Task<runtime::EventLoop*> current_loop() {
  const runtime::TaskContext context = co_await runtime::current_context();
  auto* loop = dynamic_cast<runtime::EventLoop*>(context.executor);
  assert(loop);
  co_return loop;
}

}  // namespace cloudless::net
