// Snapshot<T>: an immutable value that one thread replaces as a whole while others read it without waiting.
// A Reader keeps a copy of the pointer and looks at one atomic number to see whether it is still the newest:
// in between changes, reading takes no lock and touches no reference count that others share.
//
// A reader that does not read keeps the value that it read last alive.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace cloudless::dns {

template <class T>
class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<const T> value) : value_(std::move(value)) {}

  /// Any thread.
  void set(std::shared_ptr<const T> value) {
    {
      const std::lock_guard lock(mutex_);
      value_.swap(value);
      version_.fetch_add(1, std::memory_order_release);
    }
    // The old value goes here, outside of the lock.
  }

  /// Of one thread each; must not outlive the snapshot.
  class Reader {
   public:
    explicit Reader(const Snapshot& snapshot) : snapshot_(snapshot) { take(); }
    const T& get() {
      if (snapshot_.version_.load(std::memory_order_acquire) != version_) take();
      return *value_;
    }

   private:
    void take() {
      const std::lock_guard lock(snapshot_.mutex_);
      value_ = snapshot_.value_;
      version_ = snapshot_.version_.load(std::memory_order_relaxed);
    }

    const Snapshot& snapshot_;
    std::shared_ptr<const T> value_;
    uint64_t version_ = 0;
  };

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
  std::atomic<uint64_t> version_{0};
};

}  // namespace cloudless::dns
