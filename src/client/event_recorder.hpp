// EventRecorder: core/v1 Events as kubectl describe shows them, without flooding the API.
//
// As client-go's correlator (tools/record/events_cache.go):
//   - the same event again raises its count (a patch) instead of making another object;
//   - more than kAggregateAfter different messages of one reason about one object within kAggregateWindow
//   become
//     one event "(combined from similar events): ...";
//   - each source and object has a bucket of kBurst events, refilled by one every kRefill.
// At most kMaxKnown events and objects are remembered and kMaxQueued wait to be sent; what is beyond is
// dropped: events are hints, never state. Belongs to one executor.
#pragma once

#include <list>
#include <map>
#include <set>
#include <string>

#include "client/action.hpp"
#include "client/client.hpp"
#include "runtime/scope.hpp"

namespace cloudless::client {

/// Decides what to do with an event; no I/O.
class EventCorrelator {
 public:
  static constexpr size_t kAggregateAfter = 10;
  static constexpr Duration kAggregateWindow = std::chrono::minutes(10);
  static constexpr double kBurst = 25;
  static constexpr Duration kRefill = std::chrono::minutes(5);
  static constexpr size_t kMaxKnown = 4096;

  struct Outcome {
    bool drop = false;
    std::string message;
    std::string known_key;   // to remember the object under once it is written
    std::string event_name;  // of the event to count up; empty: a new one
    int32_t count = 1;
    WallTime first_seen;
  };
  Outcome correlate(const EventText& event, WallTime now);
  void remember(const std::string& known_key, const std::string& event_name);
  /// The event object is gone: the next one is new.
  void forget(const std::string& known_key);

 private:
  struct Bucket {
    double tokens = kBurst;
    WallTime filled;
  };
  struct Group {
    std::set<std::string> messages;
    WallTime last;
  };
  struct Known {
    std::string event_name;
    int32_t count = 0;
    WallTime first_seen;
  };
  bool is_spam(const EventText& event, WallTime now);
  bool is_aggregated(const EventText& event, WallTime now);

  std::map<std::string, Bucket> buckets_;
  std::map<std::string, Group> groups_;
  std::map<std::string, Known> known_;
};

class EventRecorder {
 public:
  static constexpr size_t kMaxQueued = 1000;

  /// `component`: who reports ("deployment-controller", "default-scheduler", "kubelet"); `host` may be empty.
  EventRecorder(const Client& client, runtime::TaskScope& scope, Random& random, std::string component,
                std::string host, Logger log);

  /// Records without waiting.
  void record(EventText event) { record(std::move(event), component_); }
  /// In the name of another component of the same process.
  void record(EventText event, const std::string& component);

 private:
  struct Queued {
    EventText event;
    std::string component;
  };
  runtime::Task<void> send_all();
  runtime::Task<void> send(Queued queued);

  const Client& client_;
  Random& random_;
  const std::string component_;
  const std::string host_;
  Logger log_;
  runtime::Executor& executor_;
  EventCorrelator correlator_;
  runtime::Channel<Queued> queue_{kMaxQueued};
};

}  // namespace cloudless::client
