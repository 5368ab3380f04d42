// From a pod's spec to what the runtime is asked for: the sandbox's and the containers' configuration
// (pkg/kubelet/kuberuntime). Pure; files and images are looked at before.
#pragma once

#include <string>
#include <vector>

#include "kubelet/kubelet.hpp"
#include "kubelet/pod/environment.hpp"
#include "kubelet/pod/pod_plan.hpp"

namespace cloudless::kubelet {

/// The pod's host name, its domain, and resolv.conf.
std::string pod_hostname(const core::Pod& pod);
/// "host.sub.ns.svc.cluster.local" without the host; empty where the pod has no subdomain.
std::string pod_domain(const core::Pod& pod, const std::string& cluster_domain);

/// What resolv.conf (resolv.conf(5)) says.
cri::DnsConfig parse_resolv_conf(std::string_view text);
/// By dnsPolicy and dnsConfig; `host` is the node's own. At most 3 servers and 32 search domains, as libc
/// takes.
cri::DnsConfig pod_dns(const core::Pod& pod, const Options& options, const cri::DnsConfig& host);

/// The content of the /etc/hosts that kubelet manages. `host_file`: the node's own, for pods on its network.
std::string pod_hosts_file(const core::Pod& pod, const std::vector<std::string>& pod_ips,
                           const std::string& cluster_domain, const std::string& host_file);

/// <log_dir>/<namespace>_<name>_<uid>
std::string pod_log_dir(const core::Pod& pod, const Options& options);
/// <root_dir>/pods/<uid>
std::string pod_dir(const std::string& uid, const Options& options);

cri::SandboxConfig make_sandbox_config(const core::Pod& pod, uint32_t attempt, const Options& options,
                                       const cri::DnsConfig& host_dns);

struct ContainerInput {
  const core::Pod& pod;
  const core::Container& container;
  uint32_t attempt = 0;
  const Options& options;
  std::string image_ref;  // what the runtime knows the image by
  std::optional<int64_t> image_uid;
  std::string image_username;
  Environment environment;
  std::vector<cri::Mount> mounts;
  std::vector<int64_t> extra_groups;  // of volumes
  int64_t memory_capacity_bytes = 0;
  bool unified_cgroups = false;
};
/// kInvalid where runAsNonRoot would be broken, in upstream's words.
Result<cri::ContainerConfig> make_container_config(ContainerInput input);

}  // namespace cloudless::kubelet
