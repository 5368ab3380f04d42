#include "scheduler/queue.hpp"

#include <algorithm>
#include <vector>

namespace cloudless::scheduler {

Duration SchedulingQueue::backoff(int attempts) {
  Duration delay = kFirstBackoff;
  for (int i = 1; i < attempts && delay < kMaxBackoff; ++i) delay *= 2;
  return std::min(delay, kMaxBackoff);
}

SteadyTime SchedulingQueue::due(const Waiting& pod) {
  return pod.failed_at + (pod.place == Place::kBackoff ? backoff(pod.attempts) : kFlushAfter);
}

void SchedulingQueue::activate(const std::string& key, Waiting& pod) {
  pod.place = Place::kActive;
  active_.emplace(-int64_t{pod.priority}, pod.order, key);
}

void SchedulingQueue::leave(const std::string& key, const Waiting& pod) {
  if (pod.place == Place::kActive) active_.erase({-int64_t{pod.priority}, pod.order, key});
  if (pod.place == Place::kUnschedulable || pod.place == Place::kBackoff) timed_.erase({due(pod), key});
}

void SchedulingQueue::put(const std::string& key, int32_t priority, SteadyTime) {
  auto [entry, is_new] = pods_.try_emplace(key);
  Waiting& pod = entry->second;
  if (is_new) {
    pod.order = ++last_order_;
  } else if (pod.place == Place::kPlacing) {
    pod.woken = true;
    return;
  } else {
    leave(key, pod);
  }
  pod.priority = priority;
  activate(key, pod);
}

void SchedulingQueue::remove(const std::string& key) {
  const auto found = pods_.find(key);
  if (found == pods_.end()) return;
  leave(key, found->second);
  pods_.erase(found);
}

std::optional<std::string> SchedulingQueue::pop(SteadyTime now) {
  while (!timed_.empty() && timed_.begin()->first <= now) {
    const std::string key = timed_.begin()->second;
    timed_.erase(timed_.begin());
    activate(key, pods_.at(key));
  }
  if (active_.empty()) return std::nullopt;
  std::string key = std::get<2>(*active_.begin());
  active_.erase(active_.begin());
  Waiting& pod = pods_.at(key);
  pod.place = Place::kPlacing;
  pod.woken = false;
  return key;
}

void SchedulingQueue::fail_into(const std::string& key, Place place, SteadyTime now) {
  const auto found = pods_.find(key);
  if (found == pods_.end()) return;
  Waiting& pod = found->second;
  leave(key, pod);
  ++pod.attempts;
  pod.failed_at = now;
  pod.place = pod.woken ? Place::kBackoff : place;
  timed_.emplace(due(pod), key);
}

void SchedulingQueue::failed(const std::string& key, SteadyTime now) {
  fail_into(key, Place::kUnschedulable, now);
}
void SchedulingQueue::retry(const std::string& key, SteadyTime now) { fail_into(key, Place::kBackoff, now); }

void SchedulingQueue::wake() {
  for (auto& [key, pod] : pods_) {
    if (pod.place == Place::kPlacing) pod.woken = true;
    if (pod.place != Place::kUnschedulable) continue;
    timed_.erase({due(pod), key});
    pod.place = Place::kBackoff;
    timed_.emplace(due(pod), key);
  }
}

std::optional<SteadyTime> SchedulingQueue::next_time() const {
  if (!active_.empty()) return SteadyTime();
  if (timed_.empty()) return std::nullopt;
  return timed_.begin()->first;
}

}  // namespace cloudless::scheduler
