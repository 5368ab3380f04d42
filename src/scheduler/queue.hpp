// SchedulingQueue: pods that wait to be placed (upstream: pkg/scheduler/backend/queue). No I/O; the shell
// passes the time.
//
//   put --> active --pop--> (being placed) --failed--> unschedulable --wake--> back-off --time--> active
//                                                           \------- kFlushAfter ------------------^
//
// active is ordered by priority, then by age. An event that may make room wakes everything unschedulable;
// each pod still waits for its back-off, 1 s doubling to 10 s.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "base/clock.hpp"

namespace cloudless::scheduler {

class SchedulingQueue {
 public:
  static constexpr Duration kFirstBackoff = std::chrono::seconds(1);
  static constexpr Duration kMaxBackoff = std::chrono::seconds(10);
  /// Unschedulable pods are tried again after this even if nothing happened.
  static constexpr Duration kFlushAfter = std::chrono::minutes(5);

  /// Adds a pod, or moves one that has changed to the front of its trials.
  void put(const std::string& key, int32_t priority, SteadyTime now);
  void remove(const std::string& key);
  /// The most important pod that may be tried now; it is being placed until failed(), retry() or remove().
  std::optional<std::string> pop(SteadyTime now);
  /// No node fits: waits for an event.
  void failed(const std::string& key, SteadyTime now);
  /// Something else went wrong (a refused binding): waits for its back-off alone.
  void retry(const std::string& key, SteadyTime now);
  /// Something happened that may make room.
  void wake();

  /// When pop() may give something, if nothing else happens; nothing where no pod waits.
  std::optional<SteadyTime> next_time() const;
  size_t size() const { return pods_.size(); }

 private:
  enum class Place { kActive, kPlacing, kUnschedulable, kBackoff };
  struct Waiting {
    Place place = Place::kActive;
    int32_t priority = 0;
    uint64_t order = 0;
    int attempts = 0;
    SteadyTime failed_at;
    bool woken = false;  // while being placed
  };
  using Rank = std::tuple<int64_t, uint64_t, std::string>;  // minus the priority, order, key

  static Duration backoff(int attempts);
  static SteadyTime due(const Waiting& pod);
  void activate(const std::string& key, Waiting& pod);
  void leave(const std::string& key, const Waiting& pod);
  void fail_into(const std::string& key, Place place, SteadyTime now);

  uint64_t last_order_ = 0;
  std::map<std::string, Waiting> pods_;
  std::set<Rank> active_;
  std::set<std::pair<SteadyTime, std::string>> timed_;  // unschedulable and in back-off, by when to move
};

}  // namespace cloudless::scheduler
