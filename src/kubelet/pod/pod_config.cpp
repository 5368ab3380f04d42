#include "kubelet/pod/pod_config.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "kubelet/pod/resources.hpp"

namespace cloudless::kubelet {

namespace {

constexpr size_t kMaxHostname = 63;
constexpr size_t kMaxDnsServers = 3;
constexpr size_t kMaxDnsSearches = 32;

// What a container may not see or change of the host's kernel (pkg/securitycontext/util.go).
const std::vector<std::string> kMaskedPaths = {
    "/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap"};
const std::vector<std::string> kReadOnlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                                 "/proc/sysrq-trigger"};

cri::NamespaceOptions namespaces_of(const core::PodSpec& spec) {
  cri::NamespaceOptions out;
  out.network = spec.hostNetwork ? cri::NamespaceMode::kNode : cri::NamespaceMode::kPod;
  out.ipc = spec.hostIPC ? cri::NamespaceMode::kNode : cri::NamespaceMode::kPod;
  out.pid = spec.hostPID                                 ? cri::NamespaceMode::kNode
            : spec.shareProcessNamespace.value_or(false) ? cri::NamespaceMode::kPod
                                                         : cri::NamespaceMode::kContainer;
  return out;
}

cri::Seccomp seccomp_of(const core::SeccompProfile* profile) {
  if (!profile || profile->type == "Unconfined") return {};
  if (profile->type == "RuntimeDefault") return {.type = cri::SeccompProfile::kRuntimeDefault};
  return {.type = cri::SeccompProfile::kLocalhost,
          .localhost_path = "/var/lib/kubelet/seccomp/" + profile->localhostProfile.value_or("")};
}

const core::PodSecurityContext& pod_security(const core::PodSpec& spec) {
  static const core::PodSecurityContext none;
  return spec.securityContext ? *spec.securityContext : none;
}

bool is_privileged(const core::Container& container) {
  return container.securityContext && container.securityContext->privileged.value_or(false);
}

std::vector<cri::PortMapping> port_mappings(const core::Pod& pod) {
  std::vector<cri::PortMapping> out;
  if (pod.spec.hostNetwork) return out;
  for (const core::Container& container : pod.spec.containers) {
    for (const core::ContainerPort& port : container.ports) {
      if (port.hostPort == 0) continue;
      const cri::Protocol protocol = port.protocol == "UDP"    ? cri::Protocol::kUdp
                                     : port.protocol == "SCTP" ? cri::Protocol::kSctp
                                                               : cri::Protocol::kTcp;
      out.push_back({protocol, port.containerPort, port.hostPort, port.hostIP});
    }
  }
  return out;
}

void add_unique(std::vector<std::string>& items, const std::string& item) {
  if (std::ranges::find(items, item) == items.end()) items.push_back(item);
}

// Options of dnsConfig replace those of the same name ("ndots:5" by "ndots:2").
void merge_options(std::vector<std::string>& options, const std::vector<core::PodDNSConfigOption>& own) {
  for (const core::PodDNSConfigOption& option : own) {
    std::erase_if(options, [&](const std::string& other) {
      return other == option.name || other.starts_with(option.name + ":");
    });
    options.push_back(option.value ? option.name + ":" + *option.value : option.name);
  }
}

cri::Labels identity_labels(const core::Pod& pod) {
  return {{std::string(kPodNameLabel), pod.metadata.name},
          {std::string(kPodNamespaceLabel), pod.metadata.namespace_},
          {std::string(kPodUidLabel), pod.metadata.uid}};
}

class ContainerMaker {
 public:
  explicit ContainerMaker(ContainerInput& input)
      : input_(input),
        pod_(input.pod),
        container_(input.container),
        own_(container_.securityContext ? *container_.securityContext : kNone),
        shared_(pod_security(pod_.spec)) {
    for (const auto& [name, value] : input_.environment) values_[name] = value;
  }

  Result<cri::ContainerConfig> run() {
    TRY(check_non_root());
    cri::ContainerConfig config;
    config.name = container_.name;
    config.attempt = input_.attempt;
    config.image = input_.image_ref;
    config.user_specified_image = container_.image;
    for (const std::string& word : container_.command)
      config.command.push_back(expand_variables(word, values_));
    for (const std::string& word : container_.args) config.args.push_back(expand_variables(word, values_));
    config.working_dir = container_.workingDir;
    config.env = std::move(input_.environment);
    config.mounts = std::move(input_.mounts);
    config.labels = identity_labels(pod_);
    config.labels[std::string(kContainerNameLabel)] = container_.name;
    config.annotations = annotations();
    config.log_path = fmt::format("{}/{}.log", container_.name, input_.attempt);
    config.stdin_open = container_.stdin;
    config.stdin_once = container_.stdinOnce;
    config.tty = container_.tty;
    config.resources =
        container_resources(pod_, container_, input_.memory_capacity_bytes, input_.unified_cgroups);
    config.security = security();
    return config;
  }

 private:
  cri::Labels annotations() const {
    cri::Labels out;
    out[std::string(kHashAnnotation)] = container_hash(container_);
    out[std::string(kRestartCountAnnotation)] = std::to_string(input_.attempt);
    out[std::string(kTerminationPathAnnotation)] = container_.terminationMessagePath;
    out[std::string(kTerminationPolicyAnnotation)] = container_.terminationMessagePolicy;
    if (pod_.spec.terminationGracePeriodSeconds)
      out[std::string(kGracePeriodAnnotation)] = std::to_string(*pod_.spec.terminationGracePeriodSeconds);
    if (container_.lifecycle && container_.lifecycle->preStop)
      out[std::string(kPreStopAnnotation)] = schema_text(*container_.lifecycle->preStop);
    return out;
  }
  // crictl and our own next run need to know that there is a hook, not what it is.
  static std::string schema_text(const core::LifecycleHandler& handler) {
    return handler.exec ? "exec" : handler.httpGet ? "httpGet" : handler.tcpSocket ? "tcpSocket" : "sleep";
  }

  std::optional<int64_t> run_as_user() const { return own_.runAsUser ? own_.runAsUser : shared_.runAsUser; }

  Result<> check_non_root() const {
    if (!(own_.runAsNonRoot ? *own_.runAsNonRoot : shared_.runAsNonRoot.value_or(false))) return {};
    const std::string where = fmt::format("(pod: \"{}\", container: {})", pod_text(pod_), container_.name);
    if (const auto user = run_as_user()) {
      if (*user != 0) return {};
      return fail(Code::kInvalid, "container's runAsUser breaks non-root policy {}", where);
    }
    if (!input_.image_username.empty() && !input_.image_uid)
      return fail(
          Code::kInvalid,
          "container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root {}",
          input_.image_username, where);
    if (input_.image_uid.value_or(0) == 0)
      return fail(Code::kInvalid, "container has runAsNonRoot and image will run as root {}", where);
    return {};
  }

  cri::ContainerSecurity security() const {
    cri::ContainerSecurity out;
    out.privileged = is_privileged(container_);
    if (own_.capabilities) {
      out.add_capabilities = own_.capabilities->add;
      out.drop_capabilities = own_.capabilities->drop;
    }
    out.namespaces = namespaces_of(pod_.spec);
    out.run_as_user = run_as_user();
    if (!out.run_as_user && input_.image_uid) out.run_as_user = input_.image_uid;
    if (!out.run_as_user) out.run_as_username = input_.image_username;
    out.run_as_group = own_.runAsGroup ? own_.runAsGroup : shared_.runAsGroup;
    out.read_only_root = own_.readOnlyRootFilesystem.value_or(false);
    out.supplemental_groups = shared_.supplementalGroups;
    if (shared_.fsGroup) out.supplemental_groups.push_back(*shared_.fsGroup);
    out.supplemental_groups.insert(out.supplemental_groups.end(), input_.extra_groups.begin(),
                                   input_.extra_groups.end());
    out.no_new_privileges = own_.allowPrivilegeEscalation && !*own_.allowPrivilegeEscalation;
    if (own_.procMount.value_or("Default") != "Unmasked" && !out.privileged) {
      out.masked_paths = kMaskedPaths;
      out.read_only_paths = kReadOnlyPaths;
    }
    const auto& profile = own_.seccompProfile ? own_.seccompProfile : shared_.seccompProfile;
    out.seccomp = seccomp_of(out.privileged || !profile ? nullptr : &*profile);
    return out;
  }

  static const core::SecurityContext kNone;

  ContainerInput& input_;
  const core::Pod& pod_;
  const core::Container& container_;
  const core::SecurityContext& own_;
  const core::PodSecurityContext& shared_;
  std::map<std::string, std::string> values_;
};

const core::SecurityContext ContainerMaker::kNone;

}  // namespace

std::string pod_hostname(const core::Pod& pod) {
  if (pod.spec.hostnameOverride) return *pod.spec.hostnameOverride;
  std::string name = pod.spec.hostname.empty() ? pod.metadata.name : pod.spec.hostname;
  if (name.size() > kMaxHostname) name.resize(kMaxHostname);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

std::string pod_domain(const core::Pod& pod, const std::string& cluster_domain) {
  if (pod.spec.subdomain.empty()) return "";
  return fmt::format("{}.{}.svc.{}", pod.spec.subdomain, pod.metadata.namespace_, cluster_domain);
}

cri::DnsConfig parse_resolv_conf(std::string_view text) {
  cri::DnsConfig out;
  for (const std::string_view line : split(text, '\n')) {
    std::vector<std::string> words;
    for (size_t i = 0; i < line.size();) {
      const size_t begin = line.find_first_not_of(" \t\r", i);
      if (begin == std::string_view::npos) break;
      i = std::min(line.find_first_of(" \t\r", begin), line.size());
      words.emplace_back(line.substr(begin, i - begin));
    }
    if (words.size() < 2 || words[0].starts_with('#') || words[0].starts_with(';')) continue;
    if (words[0] == "nameserver") out.servers.push_back(words[1]);
    if (words[0] == "search" || words[0] == "domain") out.searches.assign(words.begin() + 1, words.end());
    if (words[0] == "options") out.options.insert(out.options.end(), words.begin() + 1, words.end());
  }
  return out;
}

cri::DnsConfig pod_dns(const core::Pod& pod, const Options& options, const cri::DnsConfig& host) {
  const std::string& policy = pod.spec.dnsPolicy;
  cri::DnsConfig out;
  const bool cluster_first = policy == "ClusterFirstWithHostNet" ||
                             (policy != "Default" && policy != "None" && !pod.spec.hostNetwork);
  if (policy == "None") {
  } else if (cluster_first && !options.cluster_dns.empty()) {
    out.servers = options.cluster_dns;
    const std::string& domain = options.cluster_domain;
    if (!domain.empty()) {
      out.searches = {fmt::format("{}.svc.{}", pod.metadata.namespace_, domain), "svc." + domain, domain};
    }
    for (const std::string& search : host.searches) add_unique(out.searches, search);
    out.options = {"ndots:5"};
  } else {
    out = host;
  }
  if (pod.spec.dnsConfig) {
    for (const std::string& server : pod.spec.dnsConfig->nameservers) add_unique(out.servers, server);
    for (const std::string& search : pod.spec.dnsConfig->searches) add_unique(out.searches, search);
    merge_options(out.options, pod.spec.dnsConfig->options);
  }
  if (out.servers.size() > kMaxDnsServers) out.servers.resize(kMaxDnsServers);
  if (out.searches.size() > kMaxDnsSearches) out.searches.resize(kMaxDnsSearches);
  return out;
}

std::string pod_hosts_file(const core::Pod& pod, const std::vector<std::string>& pod_ips,
                           const std::string& cluster_domain, const std::string& host_file) {
  std::string out;
  if (pod.spec.hostNetwork) {
    out = "# Kubernetes-managed hosts file (host network).\n" + host_file;
  } else {
    out =
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n";
    const std::string name = pod_hostname(pod);
    const std::string domain = pod_domain(pod, cluster_domain);
    for (const std::string& ip : pod_ips) {
      out += domain.empty() ? fmt::format("{}\t{}\n", ip, name)
                            : fmt::format("{}\t{}.{}\t{}\n", ip, name, domain, name);
    }
  }
  if (pod.spec.hostAliases.empty()) return out;
  out += "\n# Entries added by HostAliases.\n";
  for (const core::HostAlias& alias : pod.spec.hostAliases)
    out += fmt::format("{}\t{}\n", alias.ip, join(alias.hostnames, "\t"));
  return out;
}

std::string pod_log_dir(const core::Pod& pod, const Options& options) {
  return fmt::format("{}/{}_{}_{}", options.log_dir, pod.metadata.namespace_, pod.metadata.name,
                     pod.metadata.uid);
}

std::string pod_dir(const std::string& uid, const Options& options) {
  return options.root_dir + "/pods/" + uid;
}

cri::SandboxConfig make_sandbox_config(const core::Pod& pod, uint32_t attempt, const Options& options,
                                       const cri::DnsConfig& host_dns) {
  cri::SandboxConfig out;
  out.metadata = {pod.metadata.name, pod.metadata.uid, pod.metadata.namespace_, attempt};
  if (!pod.spec.hostNetwork) {
    out.hostname = pod_hostname(pod);
    const std::string domain = pod_domain(pod, options.cluster_domain);
    if (pod.spec.setHostnameAsFQDN.value_or(false) && !domain.empty()) out.hostname += "." + domain;
  }
  out.log_directory = pod_log_dir(pod, options);
  out.dns = pod_dns(pod, options, host_dns);
  out.ports = port_mappings(pod);
  out.labels = pod.metadata.labels;
  out.labels.merge(identity_labels(pod));
  out.annotations = pod.metadata.annotations;
  if (pod.spec.terminationGracePeriodSeconds)
    out.annotations[std::string(kGracePeriodAnnotation)] =
        std::to_string(*pod.spec.terminationGracePeriodSeconds);
  out.cgroup_parent = pod_cgroup_parent(pod, options.cgroup_driver, options.cgroup_root);
  out.namespaces = namespaces_of(pod.spec);
  const core::PodSecurityContext& security = pod_security(pod.spec);
  for (const core::Sysctl& sysctl : security.sysctls) out.sysctls[sysctl.name] = sysctl.value;
  out.run_as_user = security.runAsUser;
  out.run_as_group = security.runAsGroup;
  out.supplemental_groups = security.supplementalGroups;
  if (security.fsGroup) out.supplemental_groups.push_back(*security.fsGroup);
  out.privileged = std::ranges::any_of(pod.spec.containers, is_privileged) ||
                   std::ranges::any_of(pod.spec.initContainers, is_privileged);
  out.seccomp = {.type = cri::SeccompProfile::kRuntimeDefault};
  return out;
}

Result<cri::ContainerConfig> make_container_config(ContainerInput input) {
  return ContainerMaker(input).run();
}

}  // namespace cloudless::kubelet
