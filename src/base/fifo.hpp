// Fifo<T>: a queue that takes no memory of its own before its first value, where a std::deque takes half a
// kilobyte. For queues that are many and mostly empty.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace cloudless {

template <class T>
class Fifo {
 public:
  bool empty() const { return first_ == values_.size(); }
  size_t size() const { return values_.size() - first_; }
  T& front() { return values_[first_]; }
  const T& front() const { return values_[first_]; }
  auto begin() const { return values_.begin() + static_cast<std::ptrdiff_t>(first_); }
  auto end() const { return values_.end(); }

  void push_back(T value) {
    // What was taken goes when it is half of all, so each value moves once on average.
    if (first_ > 0 && first_ >= values_.size() / 2) {
      values_.erase(values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    values_.push_back(std::move(value));
  }
  void pop_front() {
    values_[first_] = T();
    if (++first_ < values_.size()) return;
    values_.clear();
    first_ = 0;
  }

 private:
  std::vector<T> values_;
  size_t first_ = 0;  // what is before it is taken
};

}  // namespace cloudless
