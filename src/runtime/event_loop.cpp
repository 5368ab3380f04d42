#include "runtime/event_loop.hpp"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace cloudless::runtime {

namespace asio = boost::asio;

struct EventLoop::State {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  SystemClock clock;
  std::atomic<std::thread::id> thread{};

  std::mutex mutex;
  TimerId last_timer = 0;
  std::unordered_map<TimerId, std::unique_ptr<asio::steady_timer>> timers;

  // Takes the timer out of the table; what was cancelled is not there any more.
  bool forget(TimerId id) {
    const std::lock_guard lock(mutex);
    return timers.erase(id) > 0;
  }
};

EventLoop::EventLoop() : state_(std::make_unique<State>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  state_->thread = std::this_thread::get_id();
  state_->io.run();
  state_->thread = std::thread::id();
  state_->io.restart();
}

void EventLoop::stop() { state_->io.stop(); }

void EventLoop::post(Job job) { asio::post(state_->io, std::move(job)); }

Executor::TimerId EventLoop::call_after(Duration delay, Job job) {
  auto timer = std::make_unique<asio::steady_timer>(state_->io, delay);
  asio::steady_timer& armed = *timer;
  const std::lock_guard lock(state_->mutex);
  const TimerId id = ++state_->last_timer;
  state_->timers.emplace(id, std::move(timer));
  armed.async_wait(
      [state = state_.get(), id, job = std::move(job)](const boost::system::error_code&) mutable {
        if (state->forget(id)) job();
      });
  return id;
}

void EventLoop::cancel(TimerId timer) { state_->forget(timer); }

const Clock& EventLoop::clock() const { return state_->clock; }
bool EventLoop::on_this_thread() const { return state_->thread.load() == std::this_thread::get_id(); }
asio::io_context& EventLoop::io() { return state_->io; }

struct LoopThread::State {
  EventLoop loop;
  std::thread thread;
};

LoopThread::LoopThread(std::string name) : state_(std::make_unique<State>()) {
  state_->thread = std::thread([this] { state_->loop.run(); });
  pthread_setname_np(state_->thread.native_handle(), name.substr(0, 15).c_str());
}

LoopThread::~LoopThread() {
  state_->loop.stop();
  state_->thread.join();
}

EventLoop& LoopThread::loop() { return state_->loop; }

}  // namespace cloudless::runtime
