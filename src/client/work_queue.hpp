// WorkQueue: the keys that a controller has yet to look at.
//
// Invariants (those of client-go's workqueue):
//   - a key is queued at most once, however often it is added;
//   - a key is handed to one worker at a time: added while it is processed, it is queued again when done;
//   - a delayed key is queued when its time comes; added again, the earlier time counts.
// At most kMaxKeys wait; what is beyond is refused and left to the informers' resync.
//
// Belongs to one executor.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "runtime/channel.hpp"
#include "runtime/executor.hpp"

namespace cloudless::client {

/// How long a key waits after its nth failure in a row: base * 2^(n-1), at most `limit`, less up to a tenth
/// by chance, so that keys that failed together do not come back together.
struct Backoff {
  Duration base = std::chrono::milliseconds(5);
  Duration limit = std::chrono::seconds(60);

  Duration delay(int failures, Random& random) const;
};

class WorkQueue {
 public:
  static constexpr size_t kMaxKeys = 1'000'000;

  WorkQueue(runtime::Executor& executor, Random& random, Backoff backoff = {});
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// False where the queue is full or shut down.
  bool add(const std::string& key);
  void add_after(const std::string& key, Duration delay);
  /// Adds after the key's back-off, which grows with each call until forget().
  void add_rate_limited(const std::string& key);
  void forget(const std::string& key);
  int failures(const std::string& key) const;

  /// The next key, which stays in process until done(key). Nothing once shut down; kCancelled where the task
  /// is. Several tasks may wait.
  runtime::Task<Result<std::optional<std::string>>> get();
  void done(const std::string& key);

  void shut_down();
  /// Keys ready to be handed out.
  size_t size() const { return ready_.size(); }

 private:
  void on_timer();
  void arm();

  runtime::Executor& executor_;
  Random& random_;
  const Backoff backoff_;
  bool closed_ = false;
  std::deque<std::string> ready_;
  std::set<std::string> dirty_;       // queued, or to be queued when done
  std::set<std::string> processing_;  // handed out
  std::map<std::string, int> failures_;
  std::map<std::string, SteadyTime> delayed_;
  std::set<std::pair<SteadyTime, std::string>> by_time_;
  runtime::Executor::TimerId timer_ = 0;
  runtime::Signal wake_;
};

}  // namespace cloudless::client
