// Scheduler: gives every pod of its name a node (upstream: kube-scheduler with the default profile). The
// shell around schedule(): it keeps a Snapshot from informers, takes pods from the queue one by one, assumes
// the outcome and binds in the background, at most kMaxBindings at a time.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "client/event_recorder.hpp"
#include "client/informers.hpp"
#include "client/reconciler.hpp"
#include "scheduler/queue.hpp"
#include "scheduler/schedule.hpp"
#include "scheduler/volumes.hpp"

namespace cloudless::scheduler {

struct SchedulerOptions {
  std::string name = "default-scheduler";  // spec.schedulerName of the pods it cares for
};

class Scheduler {
 public:
  static constexpr int kMaxBindings = 64;

  /// Everything given outlives the scheduler. `informers` may be shared with other roles of the process; they
  /// keep calling the scheduler's handlers, so they are stopped before it is destroyed.
  Scheduler(SchedulerOptions options, const client::Client& client, client::Informers& informers,
            runtime::Executor& executor, Random& random, Logger log);
  ~Scheduler();

  /// Begins; places pods once all informers are synced.
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

 private:
  void watch();
  void on_pod(const PodPtr& before, const PodPtr& now);
  void on_node(const NodePtr& before, const NodePtr& now);
  void note_event();
  bool is_ours(const Pod& pod) const;

  runtime::Task<void> run();
  runtime::Task<void> place(std::string key);
  runtime::Task<void> place_on(PodPtr pod, std::string node, ClaimedVolumes volumes);
  runtime::Task<void> bind(PodPtr pod, std::string node);
  runtime::Task<void> refuse(PodPtr pod, Diagnosis diagnosis, VolumeNeeds volumes);
  runtime::Task<void> evict(PodPtr pod, Preemption preemption);
  runtime::Task<void> write_condition(PodPtr pod, std::string message, std::string nominated);
  void forget(const Pod& pod);

  const SchedulerOptions options_;
  client::Informers& informers_;
  runtime::Executor& executor_;
  Random& random_;
  Logger log_;
  runtime::TaskScope scope_;
  client::EventRecorder recorder_;
  client::Performer performer_;
  client::Informer<Pod>& pods_;
  client::Informer<Node>& nodes_;
  client::Informer<api::core::v1::Namespace>& namespaces_;
  VolumeView volumes_;

  Snapshot snapshot_;
  SchedulingQueue queue_;
  std::map<std::string, PodPtr> assumed_;  // by uid
  int bindings_ = 0;
  runtime::Signal wake_;
  runtime::Executor::TimerId timer_ = 0;
};

}  // namespace cloudless::scheduler
