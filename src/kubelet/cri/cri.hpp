// The Container Runtime Interface v1 as plain structs and two abstract services. Nothing here knows gRPC: the
// client (cri/cri_client.hpp) speaks it, tests use a fake. Names and meanings are those of k8s.io/cri-api
// pkg/apis/runtime/v1.
//
// Times are nanoseconds since the Unix epoch, 0 for "not yet".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "runtime/task.hpp"

namespace cloudless::kubelet::cri {

using Labels = std::map<std::string, std::string>;

enum class Protocol { kTcp, kUdp, kSctp };
enum class NamespaceMode { kPod, kContainer, kNode, kTarget };
enum class MountPropagation { kPrivate, kHostToContainer, kBidirectional };
enum class SeccompProfile { kRuntimeDefault, kUnconfined, kLocalhost };

struct VersionInfo {
  std::string runtime_name;
  std::string runtime_version;
};

struct DnsConfig {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
  friend bool operator==(const DnsConfig&, const DnsConfig&) = default;
};

struct PortMapping {
  Protocol protocol = Protocol::kTcp;
  int32_t container_port = 0;
  int32_t host_port = 0;
  std::string host_ip;
};

struct NamespaceOptions {
  NamespaceMode network = NamespaceMode::kPod;
  NamespaceMode pid = NamespaceMode::kContainer;
  NamespaceMode ipc = NamespaceMode::kPod;
  std::string target_id;
};

struct Seccomp {
  SeccompProfile type = SeccompProfile::kUnconfined;
  std::string localhost_path;
};

struct SandboxMetadata {
  std::string name;
  std::string uid;
  std::string ns;
  uint32_t attempt = 0;
};

struct SandboxConfig {
  SandboxMetadata metadata;
  std::string hostname;
  std::string log_directory;
  std::optional<DnsConfig> dns;
  std::vector<PortMapping> ports;
  Labels labels;
  Labels annotations;
  std::string cgroup_parent;
  Labels sysctls;
  NamespaceOptions namespaces;
  std::optional<int64_t> run_as_user;
  std::optional<int64_t> run_as_group;
  std::vector<int64_t> supplemental_groups;
  bool privileged = false;
  Seccomp seccomp;
};

enum class SandboxState { kReady, kNotReady };

struct Sandbox {
  std::string id;
  SandboxMetadata metadata;
  SandboxState state = SandboxState::kNotReady;
  int64_t created_at = 0;
  Labels labels;
  Labels annotations;
};

struct SandboxStatus {
  Sandbox sandbox;
  std::vector<std::string> ips;
};

struct Resources {
  int64_t cpu_period = 0;
  int64_t cpu_quota = 0;
  int64_t cpu_shares = 0;
  int64_t memory_limit_bytes = 0;
  int64_t oom_score_adj = 0;
  Labels unified;
};

struct Mount {
  std::string container_path;
  std::string host_path;
  bool read_only = false;
  MountPropagation propagation = MountPropagation::kPrivate;
};

struct Device {
  std::string container_path;
  std::string host_path;
  std::string permissions;
};

struct ContainerSecurity {
  std::vector<std::string> add_capabilities;
  std::vector<std::string> drop_capabilities;
  bool privileged = false;
  NamespaceOptions namespaces;
  std::optional<int64_t> run_as_user;
  std::optional<int64_t> run_as_group;
  std::string run_as_username;
  bool read_only_root = false;
  std::vector<int64_t> supplemental_groups;
  bool no_new_privileges = false;
  std::vector<std::string> masked_paths;
  std::vector<std::string> read_only_paths;
  Seccomp seccomp;
};

struct ContainerConfig {
  std::string name;
  uint32_t attempt = 0;
  std::string image;                 // the reference that the runtime resolves
  std::string user_specified_image;  // as the pod has it
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<Mount> mounts;
  std::vector<Device> devices;
  Labels labels;
  Labels annotations;
  std::string log_path;  // below the sandbox's log_directory
  bool stdin_open = false;
  bool stdin_once = false;
  bool tty = false;
  Resources resources;
  ContainerSecurity security;
};

enum class ContainerState { kCreated, kRunning, kExited, kUnknown };

/// A row of ListContainers.
struct Container {
  std::string id;
  std::string sandbox_id;
  std::string name;
  uint32_t attempt = 0;
  ContainerState state = ContainerState::kUnknown;
  int64_t created_at = 0;
  Labels labels;
  Labels annotations;
};

struct ContainerStatus {
  std::string id;
  std::string name;
  uint32_t attempt = 0;
  ContainerState state = ContainerState::kUnknown;
  int64_t created_at = 0;
  int64_t started_at = 0;
  int64_t finished_at = 0;
  int32_t exit_code = 0;
  std::string image;
  std::string image_ref;  // digest, or the image's id where it was imported
  std::string image_id;
  std::string reason;
  std::string message;
  Labels labels;
  Labels annotations;
  std::string log_path;  // absolute
};

struct ExecResult {
  std::string out;
  std::string err;
  int32_t exit_code = 0;
};

struct StreamOptions {
  bool stdin_open = false;
  bool out = false;
  bool err = false;
  bool tty = false;
};

struct ContainerStats {
  std::string id;
  Labels labels;
  int64_t cpu_time = 0;  // when the CPU figure was taken
  uint64_t cpu_usage_nanoseconds = 0;
  int64_t memory_time = 0;
  uint64_t memory_working_set_bytes = 0;
  uint64_t memory_usage_bytes = 0;
  uint64_t file_system_used_bytes = 0;
  uint64_t file_system_inodes_used = 0;
};

struct RuntimeCondition {
  std::string type;  // "RuntimeReady", "NetworkReady"
  bool status = false;
  std::string reason;
  std::string message;
};

struct Image {
  std::string id;
  std::vector<std::string> repo_tags;
  std::vector<std::string> repo_digests;
  uint64_t size_bytes = 0;
  std::optional<int64_t> uid;  // the user that the image runs as, by number
  std::string username;        // or by name
  bool pinned = false;
};

struct AuthConfig {
  std::string username;
  std::string password;
  std::string auth;
  std::string server_address;
  std::string identity_token;
  std::string registry_token;
};

struct FileSystemUsage {
  std::string mountpoint;
  uint64_t used_bytes = 0;
  uint64_t inodes_used = 0;
};

template <class T = void>
using Reply = runtime::Task<Result<T>>;

/// Sandboxes and containers. Calls are idempotent where the CRI says so: stopping what has stopped and
/// removing what is gone succeed. kNotFound for an unknown id elsewhere, kUnavailable while the runtime does
/// not answer, kDeadlineExceeded past the call's limit. Cancelling the awaiting task cancels the call.
class RuntimeService {
 public:
  virtual ~RuntimeService() = default;

  virtual Reply<VersionInfo> version() = 0;
  virtual Reply<std::vector<RuntimeCondition>> status() = 0;
  virtual Reply<> update_pod_cidr(std::string pod_cidr) = 0;

  /// The id of a sandbox that is ready.
  virtual Reply<std::string> run_sandbox(SandboxConfig config) = 0;
  virtual Reply<> stop_sandbox(std::string id) = 0;
  virtual Reply<> remove_sandbox(std::string id) = 0;
  virtual Reply<SandboxStatus> sandbox_status(std::string id) = 0;
  /// Those that bear all of `labels`; all where it is empty. The same below.
  virtual Reply<std::vector<Sandbox>> list_sandboxes(Labels labels) = 0;

  /// The id of a container that has not started.
  virtual Reply<std::string> create_container(std::string sandbox_id, ContainerConfig config,
                                              SandboxConfig sandbox_config) = 0;
  virtual Reply<> start_container(std::string id) = 0;
  /// Sends the stop signal, and SIGKILL after `grace`; at once where that is zero.
  virtual Reply<> stop_container(std::string id, std::chrono::seconds grace) = 0;
  virtual Reply<> remove_container(std::string id) = 0;
  virtual Reply<std::vector<Container>> list_containers(Labels labels) = 0;
  virtual Reply<ContainerStatus> container_status(std::string id) = 0;
  virtual Reply<> reopen_container_log(std::string id) = 0;

  /// Runs a command to its end; kDeadlineExceeded after `limit`.
  virtual Reply<ExecResult> exec_sync(std::string id, std::vector<std::string> command, Duration limit) = 0;
  /// URLs on the runtime's streaming server, each good for one connection.
  virtual Reply<std::string> exec_url(std::string id, std::vector<std::string> command,
                                      StreamOptions streams) = 0;
  virtual Reply<std::string> attach_url(std::string id, StreamOptions streams) = 0;
  virtual Reply<std::string> port_forward_url(std::string sandbox_id) = 0;

  virtual Reply<std::vector<ContainerStats>> list_stats() = 0;

  /// Calls `changed` on the awaiting task's executor each time a sandbox or container may have changed, until
  /// the stream ends; then returns why. kUnimplemented where this runtime tells nothing.
  virtual Reply<> watch(std::function<void()> changed) = 0;
};

class ImageService {
 public:
  virtual ~ImageService() = default;
  virtual Reply<std::vector<Image>> list_images() = 0;
  /// Nothing where the image is not on this node.
  virtual Reply<std::optional<Image>> image_status(std::string image) = 0;
  /// The reference of what was pulled.
  virtual Reply<std::string> pull_image(std::string image, AuthConfig auth) = 0;
  virtual Reply<> remove_image(std::string image) = 0;
  virtual Reply<std::vector<FileSystemUsage>> image_file_systems() = 0;
};

}  // namespace cloudless::kubelet::cri
