// PodWorker: carries out the plan for one pod.
//
//   woken (pod changed, runtime changed, job ended, time) -> read the runtime -> plan_pod() -> report status
//        ^                                                                            |
//        +------------------------ jobs, each a task of its own <---------------------+
//
// A worker is shared by its tasks and the Kubelet's table. It ends when its pod has been cleaned up, or with
// the scope; only the former touches the pod.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "kubelet/cgroups.hpp"
#include "kubelet/image/image_puller.hpp"
#include "kubelet/pod/pod_config.hpp"
#include "kubelet/pod/pod_status.hpp"
#include "kubelet/pod/probes.hpp"
#include "kubelet/volumes/volumes.hpp"
#include "runtime/scope.hpp"

namespace cloudless::kubelet {

/// What the node is, as pods see it.
struct NodeFacts {
  int64_t memory_capacity_bytes = 0;
  std::map<std::string, schema::Quantity> allocatable;
  cri::DnsConfig host_dns;
};

/// What all workers of a node share; outlives them.
struct PodServices {
  const Options& options;
  cri::RuntimeService& runtime;
  ImagePuller& images;
  Volumes& volumes;
  ObjectSource& objects;
  Prober& prober;
  const Cgroups& cgroups;
  runtime::WorkerPool& pool;
  runtime::TaskScope& scope;
  const NodeFacts& facts;
  EventSink record;
  /// The pod's status is now this.
  std::function<void(const core::Pod& pod, const core::PodStatus& status)> report;
  /// Nothing of the pod is left on this node.
  std::function<void(const core::Pod& pod)> ended;
  Logger log;
};

class PodWorker : public std::enable_shared_from_this<PodWorker> {
 public:
  PodWorker(PodServices& services, std::shared_ptr<const core::Pod> pod);

  const core::Pod& pod() const { return *pod_; }
  bool terminating() const { return termination_.has_value(); }
  const core::PodStatus& status() const { return status_; }
  const PodRuntime& runtime() const { return runtime_; }

  /// Spawns the worker's task.
  void start();
  /// A newer version of the same pod; a deletionTimestamp in it begins termination.
  void update(std::shared_ptr<const core::Pod> pod);
  /// Takes the pod down within `grace`, which may be shortened but not extended by a later call.
  void terminate(std::chrono::seconds grace);
  /// Something of this pod may have changed in the runtime.
  void poke() { wake_.notify(); }
  /// Config maps or secrets that it names may have changed: volumes get their new content, and what waited
  /// for one is tried again.
  void objects_changed();

 private:
  static constexpr Duration kReadRetry = std::chrono::seconds(1);
  // The safety net under objects_changed(), and the time of tokens to be renewed.
  static constexpr Duration kVolumeRefresh = std::chrono::minutes(5);
  static constexpr Duration kFirstMountBackoff = std::chrono::milliseconds(500);
  static constexpr Duration kMaxMountBackoff = std::chrono::seconds(122);
  static constexpr Duration kSandboxBackoff = std::chrono::seconds(1);
  static constexpr Duration kMaxSandboxBackoff = std::chrono::seconds(60);
  static constexpr Duration kStartRetry = std::chrono::seconds(10);
  static constexpr Duration kCleanUpRetry = std::chrono::seconds(1);

  struct Job {
    runtime::CancelState cancel;
  };
  struct ProbeTask {
    runtime::CancelState cancel;
  };
  using Self = std::shared_ptr<PodWorker>;

  // The loop (pod_worker.cpp).
  static runtime::Task<void> run(Self self);
  runtime::Task<bool> step(std::set<std::string> busy_before);
  PodView make_view(std::set<std::string> busy_before) const;
  std::set<std::string> busy() const;
  void forget_gone();
  void publish(const PodPlan& plan, const PodView& view);
  void tell_crash_loops(const PodPlan& plan);
  void read_termination_message(const RuntimeContainer& container);
  void begin(PodAction action);
  static runtime::Task<void> run_job(Self self, std::shared_ptr<Job> job, PodAction action);
  runtime::Task<void> perform(const PodAction& action);
  void cancel_makers();
  WallTime now() const;
  void tell(client::EventLevel level, std::string reason, std::string message) const;
  void tell(const std::string& container, client::EventLevel level, std::string reason,
            std::string message) const;
  const core::Container* container_named(const std::string& name) const;
  DownwardFacts downward_facts() const;

  // Jobs (pod_jobs.cpp).
  runtime::Task<void> mount_volumes();
  runtime::Task<void> create_sandbox(uint32_t attempt);
  runtime::Task<void> start_container(const PodAction& action);
  runtime::Task<std::expected<std::string, StartProblem>> try_start(std::shared_ptr<const core::Pod> pod,
                                                                    const core::Container& container,
                                                                    uint32_t attempt);
  runtime::Task<Result<cri::ContainerConfig>> container_config(std::shared_ptr<const core::Pod> pod,
                                                               const core::Container& container,
                                                               uint32_t attempt, ImageUse image);
  Result<std::vector<cri::Mount>> own_mounts(const core::Container& container, uint32_t attempt) const;
  std::string termination_file(const std::string& container, uint32_t attempt) const;
  runtime::Task<std::vector<std::string>> pull_secrets();
  runtime::Task<Result<>> run_hook(const core::LifecycleHandler& hook, const core::Container& container,
                                   std::string id, Duration limit);
  runtime::Task<void> kill_container(const PodAction& action);
  runtime::Task<void> clean_up();
  runtime::Task<Result<>> try_clean_up();

  // Probes (pod_probes.cpp).
  void track_probes();
  void track(const core::Container& container, const std::string& id, ProbeKind kind);
  static runtime::Task<void> run_probe(Self self, std::shared_ptr<ProbeTask> task, std::string container,
                                       std::string id, ProbeKind kind);
  runtime::Task<void> probe_loop(std::string container, std::string id, ProbeKind kind);
  void note_probe(const std::string& id, ProbeKind kind, bool success);

  PodServices& services_;
  std::shared_ptr<const core::Pod> pod_;
  runtime::Signal wake_;
  PodRuntime runtime_;
  core::PodStatus status_;
  bool reported_ = false;

  std::optional<Termination> termination_;
  std::optional<PodFailure> failure_;
  bool done_ = false;

  bool volumes_ready_ = false;
  std::map<std::string, std::string> volume_paths_;
  std::optional<WallTime> volumes_retry_at_;
  Duration volumes_backoff_{0};
  std::optional<WallTime> volumes_refresh_at_;
  std::optional<WallTime> sandbox_retry_at_;
  Duration sandbox_backoff_{0};

  std::map<std::string, ContainerNote> notes_;
  std::map<std::string, ProbeVerdict> verdicts_;
  std::map<std::string, WallTime> kill_deadlines_;
  std::map<std::string, std::string> termination_messages_;
  std::map<std::string, std::shared_ptr<Job>> jobs_;
  std::map<std::pair<std::string, ProbeKind>, std::shared_ptr<ProbeTask>> probes_;
  std::set<std::string> told_crash_loops_;
};

}  // namespace cloudless::kubelet
