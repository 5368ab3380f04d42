// Channel<T>: a bounded queue between tasks, on one executor or several. Signal: a wake-up that is never lost
// and never piles up. Both are thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/fifo.hpp"
#include "runtime/waiter.hpp"

namespace cloudless::runtime {

namespace detail {

// Those who wait, in order. wake_one() skips waiters that were cancelled meanwhile.
class WaiterQueue {
 public:
  void add(const std::shared_ptr<Waiter>& waiter) { waiters_.push_back(waiter); }
  std::shared_ptr<Waiter> claim_one() {
    while (!waiters_.empty()) {
      std::shared_ptr<Waiter> waiter = std::move(waiters_.front());
      waiters_.pop_front();
      if (waiter->claim()) return waiter;
    }
    return nullptr;
  }
  std::vector<std::shared_ptr<Waiter>> claim_all() {
    std::vector<std::shared_ptr<Waiter>> claimed;
    while (std::shared_ptr<Waiter> waiter = claim_one()) claimed.push_back(std::move(waiter));
    return claimed;
  }

 private:
  Fifo<std::shared_ptr<Waiter>> waiters_;
};

}  // namespace detail

template <class T>
class Channel {
 public:
  /// `capacity` > 0: how many values wait at the most.
  explicit Channel(size_t capacity) : capacity_(capacity) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// False where the channel is full or closed; `value` is moved from only on success. Any thread.
  bool try_send(T&& value) {
    std::shared_ptr<Waiter> waiter;
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || values_.size() >= capacity_) return false;
      values_.push_back(std::move(value));
      waiter = receivers_.claim_one();
    }
    if (waiter) waiter->resume();
    return true;
  }

  /// Waits for room. kUnavailable where the channel is closed, kCancelled where the task is.
  Task<Result<>> send(T value) {
    for (;;) {
      if (try_send(std::move(value))) co_return {};
      bool closed = false;
      const auto enlist = [this, &closed](const std::shared_ptr<Waiter>& waiter) {
        closed = closed_;
        if (closed_ || values_.size() < capacity_) return false;
        senders_.add(waiter);
        return true;
      };
      if (!co_await Suspension(mutex_, enlist)) co_return fail(Code::kCancelled, "cancelled");
      if (closed) co_return fail(Code::kUnavailable, "channel closed");
    }
  }

  /// The next value; nothing once the channel is closed and drained; kCancelled where the task is.
  Task<Result<std::optional<T>>> receive() {
    for (;;) {
      bool drained = false;
      if (std::optional<T> value = take(drained)) co_return value;
      if (drained) co_return std::optional<T>();
      const auto enlist = [this](const std::shared_ptr<Waiter>& waiter) {
        if (closed_ || !values_.empty()) return false;
        receivers_.add(waiter);
        return true;
      };
      if (!co_await Suspension(mutex_, enlist)) co_return fail(Code::kCancelled, "cancelled");
    }
  }

  /// The next value if there is one now.
  std::optional<T> try_receive() {
    bool drained = false;
    return take(drained);
  }

  /// No more values come in; what is queued can still be received. Any thread.
  void close() {
    std::vector<std::shared_ptr<Waiter>> woken;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      woken = senders_.claim_all();
      for (auto& waiter : receivers_.claim_all()) woken.push_back(std::move(waiter));
    }
    for (const auto& waiter : woken) waiter->resume();
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  std::optional<T> take(bool& drained) {
    std::shared_ptr<Waiter> sender;
    std::optional<T> value;
    {
      const std::lock_guard lock(mutex_);
      drained = closed_ && values_.empty();
      if (values_.empty()) return std::nullopt;
      value.emplace(std::move(values_.front()));
      values_.pop_front();
      sender = senders_.claim_one();
    }
    if (sender) sender->resume();
    return value;
  }

  const size_t capacity_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::deque<T> values_;
  detail::WaiterQueue senders_;
  detail::WaiterQueue receivers_;
};

class Signal {
 public:
  /// Wakes the waiting task, or the next one that waits. Several calls before it wakes count once. Any
  /// thread.
  void notify() {
    std::shared_ptr<Waiter> waiter;
    {
      const std::lock_guard lock(mutex_);
      waiter = waiters_.claim_one();
      raised_ = !waiter;
    }
    if (waiter) waiter->resume();
  }

  /// Returns once notified, or with kCancelled.
  Task<Result<>> wait() {
    const auto enlist = [this](const std::shared_ptr<Waiter>& waiter) {
      if (std::exchange(raised_, false)) return false;
      waiters_.add(waiter);
      return true;
    };
    if (!co_await Suspension(mutex_, enlist)) co_return fail(Code::kCancelled, "cancelled");
    co_return {};
  }

 private:
  std::mutex mutex_;
  bool raised_ = false;
  detail::WaiterQueue waiters_;
};

}  // namespace cloudless::runtime
