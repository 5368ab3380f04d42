#include "client/work_queue.hpp"

#include <algorithm>

namespace cloudless::client {

Duration Backoff::delay(int failures, Random& random) const {
  Duration delay = base;
  for (int i = 1; i < failures && delay < limit; ++i) delay *= 2;
  delay = std::min(delay, limit);
  return delay - Duration(static_cast<int64_t>(static_cast<double>(delay.count()) * 0.1 * random.fraction()));
}

WorkQueue::WorkQueue(runtime::Executor& executor, Random& random, Backoff backoff)
    : executor_(executor), random_(random), backoff_(backoff) {}

WorkQueue::~WorkQueue() {
  if (timer_ != 0) executor_.cancel(timer_);
}

bool WorkQueue::add(const std::string& key) {
  if (closed_ || dirty_.size() >= kMaxKeys) return false;
  if (!dirty_.insert(key).second) return true;
  if (processing_.contains(key)) return true;
  ready_.push_back(key);
  wake_.notify();
  return true;
}

void WorkQueue::add_after(const std::string& key, Duration delay) {
  if (closed_) return;
  if (delay <= Duration(0)) {
    add(key);
    return;
  }
  const SteadyTime due = executor_.clock().steady_now() + delay;
  const auto [entry, is_new] = delayed_.try_emplace(key, due);
  if (!is_new) {
    if (entry->second <= due) return;
    by_time_.erase({entry->second, key});
    entry->second = due;
  } else if (delayed_.size() > kMaxKeys) {
    delayed_.erase(entry);
    return;
  }
  by_time_.emplace(due, key);
  if (by_time_.begin()->second == key) arm();
}

void WorkQueue::add_rate_limited(const std::string& key) {
  add_after(key, backoff_.delay(++failures_[key], random_));
}

void WorkQueue::forget(const std::string& key) { failures_.erase(key); }

int WorkQueue::failures(const std::string& key) const {
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

runtime::Task<Result<std::optional<std::string>>> WorkQueue::get() {
  while (ready_.empty() && !closed_) CO_TRY(co_await wake_.wait());
  if (ready_.empty()) {
    wake_.notify();  // the next waiting worker
    co_return std::nullopt;
  }
  std::string key = std::move(ready_.front());
  ready_.pop_front();
  dirty_.erase(key);
  processing_.insert(key);
  if (!ready_.empty()) wake_.notify();
  co_return key;
}

void WorkQueue::done(const std::string& key) {
  processing_.erase(key);
  if (!dirty_.contains(key)) return;
  ready_.push_back(key);
  wake_.notify();
}

void WorkQueue::shut_down() {
  closed_ = true;
  wake_.notify();
}

void WorkQueue::arm() {
  if (timer_ != 0) executor_.cancel(timer_);
  const Duration wait = by_time_.begin()->first - executor_.clock().steady_now();
  timer_ = executor_.call_after(std::max(wait, Duration(0)), [this] { on_timer(); });
}

void WorkQueue::on_timer() {
  timer_ = 0;
  const SteadyTime now = executor_.clock().steady_now();
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    const std::string key = by_time_.begin()->second;
    by_time_.erase(by_time_.begin());
    delayed_.erase(key);
    add(key);
  }
  if (!by_time_.empty()) arm();
}

}  // namespace cloudless::client
