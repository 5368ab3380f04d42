// For tests: a node's pod machinery without an API server. Pods are given to it directly, their objects come
// from maps, events and statuses are kept. Belongs to one executor.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/pod/pod_worker.hpp"

namespace cloudless::kubelet::testing {

class MapObjects final : public ObjectSource {
 public:
  std::map<std::string, core::ConfigMap> config_maps;
  std::map<std::string, core::Secret> secrets;
  std::vector<std::shared_ptr<const core::Service>> known_services;

  runtime::Task<Result<core::ConfigMap>> config_map(std::string ns, std::string name) override;
  runtime::Task<Result<core::Secret>> secret(std::string ns, std::string name) override;
  runtime::Task<Result<IssuedToken>> token(const core::Pod& pod, std::string audience,
                                           int64_t expiration_seconds) override;
  Result<std::vector<std::shared_ptr<const core::Service>>> services() override { return known_services; }
};

class TestNode {
 public:
  TestNode(Options options, cri::RuntimeService& runtime, cri::ImageService& images,
           runtime::WorkerPool& pool, runtime::Executor& executor);

  /// Starts a worker for `pod`, which is poked on every change of the runtime.
  std::shared_ptr<PodWorker> add(core::Pod pod);
  /// Follows the runtime until stop().
  void follow();
  /// Ends all tasks; pods go on running.
  runtime::Task<void> stop();

  /// Waits until `condition` holds, looking after every status; kDeadlineExceeded after `limit`.
  runtime::Task<Result<>> wait_for(std::function<bool()> condition, Duration limit);

  const core::PodStatus& status(const std::string& uid) { return statuses[uid]; }
  /// "reason: message" of all events so far.
  std::string event_text() const;

  Options options;
  MapObjects objects;
  std::map<std::string, core::PodStatus> statuses;  // by uid
  std::vector<std::string> ended;                   // uids
  std::vector<client::EventText> events;

 private:
  runtime::Task<void> watch_runtime();

  cri::RuntimeService& runtime_;
  Cgroups cgroups_;
  NodeFacts facts_;
  ImagePuller puller_;
  Volumes volumes_;
  std::unique_ptr<Prober> prober_;
  runtime::TaskScope scope_;
  PodServices services_;
  std::vector<std::shared_ptr<PodWorker>> workers_;
  runtime::Signal changed_;
};

}  // namespace cloudless::kubelet::testing
