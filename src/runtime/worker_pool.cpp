#include "runtime/worker_pool.hpp"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace cloudless::runtime {

struct WorkerPool::State {
  explicit State(size_t limit) : queue_limit(limit) {}

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return stopping || !jobs.empty(); });
      if (jobs.empty()) return;
      {
        auto job = std::move(jobs.front());
        jobs.pop_front();
        lock.unlock();
        job();
      }
      lock.lock();
    }
  }

  const size_t queue_limit;
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::deque<std::move_only_function<void()>> jobs;
  std::vector<std::thread> threads;
};

WorkerPool::WorkerPool(std::string name, size_t threads, size_t queue_limit)
    : state_(std::make_unique<State>(queue_limit)) {
  for (size_t i = 0; i < threads; ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->work(); });
    pthread_setname_np(state_->threads.back().native_handle(), name.substr(0, 15).c_str());
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

bool WorkerPool::try_submit(std::move_only_function<void()> job) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopping || state_->jobs.size() >= state_->queue_limit) return false;
    state_->jobs.push_back(std::move(job));
  }
  state_->wake.notify_one();
  return true;
}

}  // namespace cloudless::runtime
