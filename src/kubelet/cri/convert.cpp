#include "kubelet/cri/convert.hpp"

namespace cloudless::kubelet::cri {

namespace {

template <class Repeated>
void copy(const std::vector<std::string>& from, Repeated* to) {
  for (const std::string& item : from) to->Add(std::string(item));
}

template <class Map>
void copy_labels(const Labels& from, Map* to) {
  for (const auto& [name, value] : from) (*to)[name] = value;
}

template <class Map>
Labels labels_of(const Map& from) {
  return Labels(from.begin(), from.end());
}

pb::NamespaceMode to_proto(NamespaceMode mode) {
  switch (mode) {
    case NamespaceMode::kPod:
      return pb::POD;
    case NamespaceMode::kContainer:
      return pb::CONTAINER;
    case NamespaceMode::kNode:
      return pb::NODE;
    case NamespaceMode::kTarget:
      return pb::TARGET;
  }
  return pb::POD;
}

pb::Protocol to_proto(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return pb::TCP;
    case Protocol::kUdp:
      return pb::UDP;
    case Protocol::kSctp:
      return pb::SCTP;
  }
  return pb::TCP;
}

pb::MountPropagation to_proto(MountPropagation propagation) {
  switch (propagation) {
    case MountPropagation::kPrivate:
      return pb::PROPAGATION_PRIVATE;
    case MountPropagation::kHostToContainer:
      return pb::PROPAGATION_HOST_TO_CONTAINER;
    case MountPropagation::kBidirectional:
      return pb::PROPAGATION_BIDIRECTIONAL;
  }
  return pb::PROPAGATION_PRIVATE;
}

void fill(const NamespaceOptions& from, pb::NamespaceOption* to) {
  to->set_network(to_proto(from.network));
  to->set_pid(to_proto(from.pid));
  to->set_ipc(to_proto(from.ipc));
  to->set_target_id(from.target_id);
}

void fill(const Seccomp& from, pb::SecurityProfile* to) {
  switch (from.type) {
    case SeccompProfile::kRuntimeDefault:
      to->set_profile_type(pb::SecurityProfile::RuntimeDefault);
      break;
    case SeccompProfile::kUnconfined:
      to->set_profile_type(pb::SecurityProfile::Unconfined);
      break;
    case SeccompProfile::kLocalhost:
      to->set_profile_type(pb::SecurityProfile::Localhost);
      break;
  }
  to->set_localhost_ref(from.localhost_path);
}

void fill(const Resources& from, pb::LinuxContainerResources* to) {
  to->set_cpu_period(from.cpu_period);
  to->set_cpu_quota(from.cpu_quota);
  to->set_cpu_shares(from.cpu_shares);
  to->set_memory_limit_in_bytes(from.memory_limit_bytes);
  to->set_oom_score_adj(from.oom_score_adj);
  copy_labels(from.unified, to->mutable_unified());
}

void fill(const ContainerSecurity& from, pb::LinuxContainerSecurityContext* to) {
  copy(from.add_capabilities, to->mutable_capabilities()->mutable_add_capabilities());
  copy(from.drop_capabilities, to->mutable_capabilities()->mutable_drop_capabilities());
  to->set_privileged(from.privileged);
  fill(from.namespaces, to->mutable_namespace_options());
  if (from.run_as_user) to->mutable_run_as_user()->set_value(*from.run_as_user);
  if (from.run_as_group) to->mutable_run_as_group()->set_value(*from.run_as_group);
  to->set_run_as_username(from.run_as_username);
  to->set_readonly_rootfs(from.read_only_root);
  for (const int64_t group : from.supplemental_groups) to->add_supplemental_groups(group);
  to->set_no_new_privs(from.no_new_privileges);
  copy(from.masked_paths, to->mutable_masked_paths());
  copy(from.read_only_paths, to->mutable_readonly_paths());
  fill(from.seccomp, to->mutable_seccomp());
}

SandboxMetadata metadata_of(const pb::PodSandboxMetadata& from) {
  return {.name = from.name(), .uid = from.uid(), .ns = from.namespace_(), .attempt = from.attempt()};
}

SandboxState state_of(pb::PodSandboxState state) {
  return state == pb::SANDBOX_READY ? SandboxState::kReady : SandboxState::kNotReady;
}

ContainerState state_of(pb::ContainerState state) {
  switch (state) {
    case pb::CONTAINER_CREATED:
      return ContainerState::kCreated;
    case pb::CONTAINER_RUNNING:
      return ContainerState::kRunning;
    case pb::CONTAINER_EXITED:
      return ContainerState::kExited;
    default:
      return ContainerState::kUnknown;
  }
}

}  // namespace

pb::PodSandboxConfig to_proto(const SandboxConfig& from) {
  pb::PodSandboxConfig to;
  to.mutable_metadata()->set_name(from.metadata.name);
  to.mutable_metadata()->set_uid(from.metadata.uid);
  to.mutable_metadata()->set_namespace_(from.metadata.ns);
  to.mutable_metadata()->set_attempt(from.metadata.attempt);
  to.set_hostname(from.hostname);
  to.set_log_directory(from.log_directory);
  if (from.dns) {
    copy(from.dns->servers, to.mutable_dns_config()->mutable_servers());
    copy(from.dns->searches, to.mutable_dns_config()->mutable_searches());
    copy(from.dns->options, to.mutable_dns_config()->mutable_options());
  }
  for (const PortMapping& port : from.ports) {
    pb::PortMapping* mapping = to.add_port_mappings();
    mapping->set_protocol(to_proto(port.protocol));
    mapping->set_container_port(port.container_port);
    mapping->set_host_port(port.host_port);
    mapping->set_host_ip(port.host_ip);
  }
  copy_labels(from.labels, to.mutable_labels());
  copy_labels(from.annotations, to.mutable_annotations());
  pb::LinuxPodSandboxConfig* linux_config = to.mutable_linux();
  linux_config->set_cgroup_parent(from.cgroup_parent);
  copy_labels(from.sysctls, linux_config->mutable_sysctls());
  pb::LinuxSandboxSecurityContext* security = linux_config->mutable_security_context();
  fill(from.namespaces, security->mutable_namespace_options());
  if (from.run_as_user) security->mutable_run_as_user()->set_value(*from.run_as_user);
  if (from.run_as_group) security->mutable_run_as_group()->set_value(*from.run_as_group);
  for (const int64_t group : from.supplemental_groups) security->add_supplemental_groups(group);
  security->set_privileged(from.privileged);
  fill(from.seccomp, security->mutable_seccomp());
  return to;
}

pb::ContainerConfig to_proto(const ContainerConfig& from) {
  pb::ContainerConfig to;
  to.mutable_metadata()->set_name(from.name);
  to.mutable_metadata()->set_attempt(from.attempt);
  to.mutable_image()->set_image(from.image);
  to.mutable_image()->set_user_specified_image(from.user_specified_image);
  copy(from.command, to.mutable_command());
  copy(from.args, to.mutable_args());
  to.set_working_dir(from.working_dir);
  for (const auto& [name, value] : from.env) {
    pb::KeyValue* variable = to.add_envs();
    variable->set_key(name);
    variable->set_value(value);
  }
  for (const Mount& from_mount : from.mounts) {
    pb::Mount* mount = to.add_mounts();
    mount->set_container_path(from_mount.container_path);
    mount->set_host_path(from_mount.host_path);
    mount->set_readonly(from_mount.read_only);
    mount->set_propagation(to_proto(from_mount.propagation));
  }
  for (const Device& from_device : from.devices) {
    pb::Device* device = to.add_devices();
    device->set_container_path(from_device.container_path);
    device->set_host_path(from_device.host_path);
    device->set_permissions(from_device.permissions);
  }
  copy_labels(from.labels, to.mutable_labels());
  copy_labels(from.annotations, to.mutable_annotations());
  to.set_log_path(from.log_path);
  to.set_stdin(from.stdin_open);
  to.set_stdin_once(from.stdin_once);
  to.set_tty(from.tty);
  fill(from.resources, to.mutable_linux()->mutable_resources());
  fill(from.security, to.mutable_linux()->mutable_security_context());
  return to;
}

pb::AuthConfig to_proto(const AuthConfig& from) {
  pb::AuthConfig to;
  to.set_username(from.username);
  to.set_password(from.password);
  to.set_auth(from.auth);
  to.set_server_address(from.server_address);
  to.set_identity_token(from.identity_token);
  to.set_registry_token(from.registry_token);
  return to;
}

Sandbox from_proto(const pb::PodSandbox& from) {
  return {.id = from.id(),
          .metadata = metadata_of(from.metadata()),
          .state = state_of(from.state()),
          .created_at = from.created_at(),
          .labels = labels_of(from.labels()),
          .annotations = labels_of(from.annotations())};
}

SandboxStatus from_proto(const pb::PodSandboxStatus& from) {
  SandboxStatus to;
  to.sandbox = {.id = from.id(),
                .metadata = metadata_of(from.metadata()),
                .state = state_of(from.state()),
                .created_at = from.created_at(),
                .labels = labels_of(from.labels()),
                .annotations = labels_of(from.annotations())};
  if (!from.network().ip().empty()) to.ips.push_back(from.network().ip());
  for (const pb::PodIP& ip : from.network().additional_ips()) to.ips.push_back(ip.ip());
  return to;
}

Container from_proto(const pb::Container& from) {
  return {.id = from.id(),
          .sandbox_id = from.pod_sandbox_id(),
          .name = from.metadata().name(),
          .attempt = from.metadata().attempt(),
          .state = state_of(from.state()),
          .created_at = from.created_at(),
          .labels = labels_of(from.labels()),
          .annotations = labels_of(from.annotations())};
}

ContainerStatus from_proto(const pb::ContainerStatus& from) {
  return {.id = from.id(),
          .name = from.metadata().name(),
          .attempt = from.metadata().attempt(),
          .state = state_of(from.state()),
          .created_at = from.created_at(),
          .started_at = from.started_at(),
          .finished_at = from.finished_at(),
          .exit_code = from.exit_code(),
          .image = from.image().image(),
          .image_ref = from.image_ref(),
          .image_id = from.image_id(),
          .reason = from.reason(),
          .message = from.message(),
          .labels = labels_of(from.labels()),
          .annotations = labels_of(from.annotations()),
          .log_path = from.log_path()};
}

ContainerStats from_proto(const pb::ContainerStats& from) {
  return {.id = from.attributes().id(),
          .labels = labels_of(from.attributes().labels()),
          .cpu_time = from.cpu().timestamp(),
          .cpu_usage_nanoseconds = from.cpu().usage_core_nano_seconds().value(),
          .memory_time = from.memory().timestamp(),
          .memory_working_set_bytes = from.memory().working_set_bytes().value(),
          .memory_usage_bytes = from.memory().usage_bytes().value(),
          .file_system_used_bytes = from.writable_layer().used_bytes().value(),
          .file_system_inodes_used = from.writable_layer().inodes_used().value()};
}

Image from_proto(const pb::Image& from) {
  Image to{.id = from.id(),
           .repo_tags = {from.repo_tags().begin(), from.repo_tags().end()},
           .repo_digests = {from.repo_digests().begin(), from.repo_digests().end()},
           .size_bytes = from.size(),
           .username = from.username(),
           .pinned = from.pinned()};
  if (from.has_uid()) to.uid = from.uid().value();
  return to;
}

FileSystemUsage from_proto(const pb::FilesystemUsage& from) {
  return {.mountpoint = from.fs_id().mountpoint(),
          .used_bytes = from.used_bytes().value(),
          .inodes_used = from.inodes_used().value()};
}

}  // namespace cloudless::kubelet::cri
