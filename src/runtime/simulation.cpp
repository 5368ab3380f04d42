#include "runtime/simulation.hpp"

namespace cloudless::runtime {

void Simulation::post(Job job) {
  const std::lock_guard lock(mutex_);
  ready_.push_back(std::move(job));
}

Executor::TimerId Simulation::call_after(Duration delay, Job job) {
  const std::lock_guard lock(mutex_);
  const TimerId id = ++last_timer_;
  timers_.emplace(std::pair(clock_.steady_now() + std::max(delay, Duration(0)), id), std::move(job));
  return id;
}

void Simulation::cancel(TimerId timer) {
  const std::lock_guard lock(mutex_);
  std::erase_if(timers_, [timer](const auto& entry) { return entry.first.second == timer; });
}

void Simulation::run_ready() {
  for (;;) {
    Job job;
    {
      const std::lock_guard lock(mutex_);
      if (ready_.empty()) return;
      const size_t at = seed_ == 0 ? 0 : random_.below(ready_.size());
      job = std::move(ready_[at]);
      ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    job();
  }
}

bool Simulation::advance_to_next_timer(SteadyTime no_later_than) {
  const std::lock_guard lock(mutex_);
  if (timers_.empty()) return false;
  const SteadyTime due = timers_.begin()->first.first;
  if (due > no_later_than) return false;
  clock_.advance(due - clock_.steady_now());
  while (!timers_.empty() && timers_.begin()->first.first <= due) {
    ready_.push_back(std::move(timers_.begin()->second));
    timers_.erase(timers_.begin());
  }
  return true;
}

void Simulation::run_for(Duration span) {
  const SteadyTime end = clock_.steady_now() + span;
  run_ready();
  while (advance_to_next_timer(end)) run_ready();
  clock_.advance(end - clock_.steady_now());
}

bool Simulation::run_until_idle(Duration limit) {
  const SteadyTime end = clock_.steady_now() + limit;
  run_ready();
  while (advance_to_next_timer(end)) run_ready();
  const std::lock_guard lock(mutex_);
  return timers_.empty();
}

}  // namespace cloudless::runtime
