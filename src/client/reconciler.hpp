// Reconciler: the shell around every controller. It reads keys from its queue, calls the controller's pure
// plan, performs the actions in order, and tries again with back-off where one fails.
//
//   informer change -> keys -> WorkQueue -> plan(key, context) -> actions -> Performer -> API
//                                 ^                                  |
//                                 +---- back-off, or again_after ----+
//
// One key is worked on by one worker at a time. Because the performer feeds the answers of writes into the
// informers, the next plan of a key sees what the last one wrote. Where an answer was lost (a timeout, a
// broken connection, a 5xx), the write may have been done: its object is read before the key is planned
// again. Without that a set that scales down would choose other pods at the second try, and lose both
// choices.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/action.hpp"
#include "client/event_recorder.hpp"
#include "client/informers.hpp"
#include "client/work_queue.hpp"

namespace cloudless::client {

/// The object of a write that may or may not have been done.
struct Doubt {
  Resource resource;
  std::string ns;
  std::string name;
  std::string uid;  // of a delete
};

/// Performs actions: through the client, into the informers' caches, with their events.
class Performer {
 public:
  /// `component`: in whose name events are recorded ("deployment-controller").
  Performer(const Client& client, Informers& informers, EventRecorder& recorder, std::string component)
      : client_(client), informers_(informers), recorder_(recorder), component_(std::move(component)) {}

  runtime::Task<Result<>> perform(Action action);
  /// All of a plan; the first failure ends it. `doubt`, if given, is set where the failed write may have been
  /// done.
  runtime::Task<Result<>> perform(Plan plan, std::optional<Doubt>* doubt = nullptr);
  /// Reads the object, so that its informer shows what became of the write.
  runtime::Task<Result<>> settle(const Doubt& doubt);

 private:
  runtime::Task<Result<std::string>> send(const Action& action);
  void take_in(const Action& action, const std::string& answer, WallTime now);

  const Client& client_;
  Informers& informers_;
  EventRecorder& recorder_;
  const std::string component_;
};

/// What a plan may know beyond its view.
struct PlanContext {
  WallTime now;
  /// Why the key's last plan could not be carried out; empty otherwise. For conditions such as
  /// ReplicaFailure.
  std::string last_failure;
  /// How many plans of the key have failed in a row.
  int failures = 0;
};

using PlanFunction = std::function<Plan(const std::string& key, const PlanContext& context)>;
/// For plans that must ask the API for more than the informers hold, before they decide.
using AskingPlanFunction = std::function<runtime::Task<Result<Plan>>(std::string key, PlanContext context)>;
/// A plan that asks nothing.
AskingPlanFunction asking_nothing(PlanFunction plan);

class Reconciler {
 public:
  struct Options {
    std::string name;
    int workers = 1;
    Backoff backoff;
  };

  Reconciler(Options options, AskingPlanFunction plan, Performer& performer, runtime::Executor& executor,
             Random& random, Logger log);

  void enqueue(const std::string& key) { queue_.add(key); }
  void enqueue_after(const std::string& key, Duration delay) { queue_.add_after(key, delay); }

  /// Enqueues `keys(before, now)` for each change of the informer. Either pointer may be null.
  template <class T, class Keys>
  void watch(Informer<T>& informer, Keys keys) {
    sources_.push_back(&informer);
    informer.add_handler([this, keys](const auto& before, const auto& now) {
      for (const std::string& key : keys(before, now)) enqueue(key);
    });
  }
  /// Enqueues the key of each object that changes.
  template <class T>
  void watch(Informer<T>& informer) {
    watch(informer, [](const auto& before, const auto& now) {
      const T& object = now ? *now : *before;
      return std::vector<std::string>{object_key(namespace_of(object), name_of(object))};
    });
  }
  /// Waits for this informer too before the first plan, as the plan reads it.
  void needs(InformerBase& informer) { sources_.push_back(&informer); }

  /// Works until cancelled, once all informers that it watches or needs are synced.
  runtime::Task<void> run();

  size_t queue_size() const { return queue_.size(); }

 private:
  runtime::Task<void> work();
  runtime::Task<void> reconcile(const std::string& key);
  runtime::Task<Result<>> plan_and_perform(const std::string& key, std::optional<Duration>& again_after);

  const Options options_;
  const AskingPlanFunction plan_;
  Performer& performer_;
  runtime::Executor& executor_;
  Logger log_;
  WorkQueue queue_;
  std::vector<InformerBase*> sources_;
  std::map<std::string, std::string> last_failure_;
  std::map<std::string, Doubt> doubts_;  // by key
};

}  // namespace cloudless::client
