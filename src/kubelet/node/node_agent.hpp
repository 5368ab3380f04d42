// NodeAgent: registers the Node, keeps its status and lease current, and follows its own Node object
// (pkg/kubelet/kubelet_node_status.go, KEP-0009 node heartbeats).
//
// The lease is renewed every 10 s; the status is looked at every 10 s (far more often until it is first
// Ready) and written when it differs, or every 5 min.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/informer.hpp"
#include "kubelet/kubelet.hpp"
#include "kubelet/node/machine.hpp"
#include "kubelet/pod/events.hpp"
#include "runtime/channel.hpp"
#include "runtime/scope.hpp"

namespace cloudless::kubelet {

class NodeAgent {
 public:
  static constexpr Duration kRenew = std::chrono::seconds(10);
  static constexpr int32_t kLeaseSeconds = 40;
  static constexpr Duration kLook = std::chrono::seconds(10);
  static constexpr Duration kLookUntilReady = std::chrono::milliseconds(200);
  static constexpr Duration kReport = std::chrono::minutes(5);
  static constexpr Duration kRetry = std::chrono::milliseconds(500);
  static constexpr Duration kMaxRetry = std::chrono::seconds(7);

  NodeAgent(const Options& options, const Machine& machine, const client::Client& client,
            cri::RuntimeService& runtime, cri::ImageService& images, Random& random, EventSink record,
            Logger log);

  void on_pod_cidrs(std::function<void(const std::vector<std::string>&)> callback);
  /// The uid of the registered Node; empty before.
  const std::string& uid() const { return uid_; }

  /// Spawns its tasks.
  void start(runtime::TaskScope& scope);

 private:
  runtime::Task<void> run();
  runtime::Task<Result<>> register_node();
  runtime::Task<void> keep_status();
  runtime::Task<Result<bool>> look();
  runtime::Task<void> keep_lease();
  runtime::Task<Result<>> renew_lease();
  void on_node(const std::shared_ptr<const core::Node>& node);
  client::EventText event(std::string reason, std::string message) const;

  const Options& options_;
  const Machine& machine_;
  const client::Client& client_;
  cri::RuntimeService& runtime_;
  cri::ImageService& images_;
  EventSink record_;
  Logger log_;
  client::Informer<core::Node> informer_;
  runtime::TaskScope* scope_ = nullptr;
  std::string uid_;
  std::string runtime_version_;
  std::optional<core::NodeStatus> reported_;
  SteadyTime reported_at_;
  std::vector<std::string> pod_cidrs_;
  std::vector<std::function<void(const std::vector<std::string>&)>> callbacks_;
};

}  // namespace cloudless::kubelet
