#include "runtime/event_loop.hpp"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
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

  // Posted jobs. Asio has one handler for all that wait, so many posts cost one wake-up of the thread.
  std::mutex jobs_mutex;
  std::deque<Job> jobs;
  bool handler_posted = false;
  std::deque<Job> running;  // on the loop's thread

  std::mutex mutex;
  TimerId last_timer = 0;
  std::unordered_map<TimerId, std::unique_ptr<asio::steady_timer>> timers;

  void post(Job job) {
    {
      const std::lock_guard lock(jobs_mutex);
      jobs.push_back(std::move(job));
      if (std::exchange(handler_posted, true)) return;
    }
    asio::post(io, [this] { run_jobs(); });
  }

  void run_jobs() {
    {
      const std::lock_guard lock(jobs_mutex);
      running.insert(running.end(), std::make_move_iterator(jobs.begin()),
                     std::make_move_iterator(jobs.end()));
      jobs.clear();
      handler_posted = false;
    }
    // What is left after stop(), or a job that threw, comes first next time.
    struct Rest {
      State& state;
      ~Rest() {
        if (!state.running.empty()) asio::post(state.io, [&state = state] { state.run_jobs(); });
      }
    } const rest{*this};
    while (!running.empty() && !io.stopped()) {
      Job job = std::move(running.front());
      running.pop_front();
      job();
    }
  }

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

void EventLoop::post(Job job) { state_->post(std::move(job)); }

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
