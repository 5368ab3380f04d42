// CriClient: the CRI v1 services over gRPC on a unix socket. One channel, which reconnects by itself; calls
// made while the runtime is away fail with kUnavailable at once.
//
// Error messages are in the words that upstream's kubelet shows: "rpc error: code = NotFound desc = ...".
#pragma once

#include <memory>
#include <string>

#include "kubelet/cri/cri.hpp"

namespace cloudless::kubelet::cri {

class CriClient final : public RuntimeService, public ImageService {
 public:
  /// `endpoint`: "unix:///run/containerd/containerd.sock", or the path alone.
  explicit CriClient(const std::string& endpoint);
  ~CriClient() override;

  Reply<VersionInfo> version() override;
  Reply<std::vector<RuntimeCondition>> status() override;
  Reply<> update_pod_cidr(std::string pod_cidr) override;

  Reply<std::string> run_sandbox(SandboxConfig config) override;
  Reply<> stop_sandbox(std::string id) override;
  Reply<> remove_sandbox(std::string id) override;
  Reply<SandboxStatus> sandbox_status(std::string id) override;
  Reply<std::vector<Sandbox>> list_sandboxes(Labels labels) override;

  Reply<std::string> create_container(std::string sandbox_id, ContainerConfig config,
                                      SandboxConfig sandbox_config) override;
  Reply<> start_container(std::string id) override;
  Reply<> stop_container(std::string id, std::chrono::seconds grace) override;
  Reply<> remove_container(std::string id) override;
  Reply<std::vector<Container>> list_containers(Labels labels) override;
  Reply<ContainerStatus> container_status(std::string id) override;
  Reply<> reopen_container_log(std::string id) override;

  Reply<ExecResult> exec_sync(std::string id, std::vector<std::string> command, Duration limit) override;
  Reply<std::string> exec_url(std::string id, std::vector<std::string> command,
                              StreamOptions streams) override;
  Reply<std::string> attach_url(std::string id, StreamOptions streams) override;
  Reply<std::string> port_forward_url(std::string sandbox_id) override;

  Reply<std::vector<ContainerStats>> list_stats() override;
  /// By CRI's GetContainerEvents, or by containerd's own event stream where a runtime lacks that
  /// (containerd 1.6).
  Reply<> watch(std::function<void()> changed) override;

  Reply<std::vector<Image>> list_images() override;
  Reply<std::optional<Image>> image_status(std::string image) override;
  Reply<std::string> pull_image(std::string image, AuthConfig auth) override;
  Reply<> remove_image(std::string image) override;
  Reply<std::vector<FileSystemUsage>> image_file_systems() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::kubelet::cri
