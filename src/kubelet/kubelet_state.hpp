// Kubelet's inside, shared by its sources (kubelet.cpp, pod_table.cpp) and its HTTP API (server/).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "client/event_recorder.hpp"
#include "kubelet/kubelet.hpp"
#include "kubelet/node/node_agent.hpp"
#include "kubelet/pod/pod_worker.hpp"
#include "kubelet/server/access.hpp"
#include "kubelet/sources/api_objects.hpp"
#include "kubelet/sources/object_watches.hpp"
#include "kubelet/sources/status_reporter.hpp"

namespace cloudless::kubelet {

struct Kubelet::State {
  // --- what it was made with ---
  const Options options;
  client::Client* const client;
  cri::RuntimeService& runtime;
  cri::ImageService& images;
  runtime::WorkerPool& pool;
  Random& random;
  Logger log;

  // --- made by start(), in this order ---
  Machine machine;
  NodeFacts facts;
  Cgroups cgroups;
  std::unique_ptr<runtime::TaskScope> scope;
  std::unique_ptr<client::EventRecorder> recorder;
  std::unique_ptr<client::Informer<core::Pod>> pods;
  std::unique_ptr<client::Informer<core::Service>> services;
  std::unique_ptr<ApiObjects> objects;
  std::unique_ptr<ObjectWatches> watches;  // null without an API
  std::unique_ptr<Volumes> volumes;
  std::unique_ptr<ImagePuller> puller;
  std::unique_ptr<Prober> prober;
  std::unique_ptr<StatusReporter> reporter;
  std::unique_ptr<NodeAgent> node;
  std::unique_ptr<PodServices> shared;
  std::unique_ptr<AccessGuard> guard;

  // --- pods, by uid ---
  std::map<std::string, std::shared_ptr<PodWorker>> workers;
  std::map<std::string, core::Pod> static_pods;  // by manifest path
  /// A static pod of a changed manifest waits here, by name, until the one before has ended.
  std::map<std::string, core::Pod> waiting_static;
  std::map<std::string, std::string> fingerprints;  // what the runtime last had, by uid
  bool manifests_read = false;
  std::vector<std::function<void(const std::vector<std::string>&)>> cidr_callbacks;

  State(Options options, client::Client* client, cri::RuntimeService& runtime, cri::ImageService& images,
        runtime::WorkerPool& pool, Random& random, Logger log);

  // kubelet.cpp
  Result<> prepare();
  void wire(runtime::Executor& executor);
  void record(client::EventText event);
  runtime::Task<void> follow_runtime();
  runtime::Task<void> relist_often();
  runtime::Task<Result<>> relist();

  // pod_table.cpp
  void on_api_pod(const std::shared_ptr<const core::Pod>& before,
                  const std::shared_ptr<const core::Pod>& now);
  void add(std::shared_ptr<const core::Pod> pod);
  void on_status(const core::Pod& pod, const core::PodStatus& status);
  void on_ended(const core::Pod& pod);
  void on_objects_changed(const std::string& uid);
  runtime::Task<void> follow_manifests();
  void take_manifests(std::map<std::string, core::Pod> found);
  void start_static(const core::Pod& pod);
  std::shared_ptr<PodWorker> static_worker(const std::string& ns, const std::string& name) const;
  void on_mirror_pod(const core::Pod* mirror, const core::Pod& last);
  runtime::Task<void> create_mirror(core::Pod pod);
  runtime::Task<void> delete_mirror(core::Pod mirror);
  runtime::Task<void> end_orphans();
  runtime::Task<Result<>> find_orphans();
  void end_orphan(const cri::Sandbox& sandbox);
  void remove_stray_folders(const std::set<std::string>& known);

  // server/
  runtime::Task<void> serve(net::Request request, net::ResponseWriter& response);
};

}  // namespace cloudless::kubelet
