#include "bootstrap/static_pods.hpp"

#include <boost/json.hpp>
#include <map>
#include <set>

#include "base/strings.hpp"
#include "schema/struct_codec.hpp"
#include "schema/yaml.hpp"

namespace cloudless::bootstrap {

namespace core = api::core::v1;
namespace kubeadm = api::kubeadm::v1beta4;

namespace {

// kubeadm's timings: ready within a second, alive checked every ten, up to four minutes to start.
constexpr int32_t kProbeTimeoutSeconds = 15;
constexpr int32_t kLivenessPeriodSeconds = 10;
constexpr int32_t kLivenessFailures = 8;
constexpr int32_t kStartupFailures = 24;
constexpr int32_t kReadinessPeriodSeconds = 1;
constexpr int32_t kReadinessFailures = 3;
constexpr uint16_t kControllerManagerPort = 10257;
constexpr uint16_t kSchedulerPort = 10259;
constexpr int32_t kSystemNodeCritical = 2'000'001'000;

// Flags by name, without dashes. One given again replaces all of that name.
using Flags = std::map<std::string, std::vector<std::string>, std::less<>>;

struct Endpoint {
  std::string host;
  uint16_t port = 0;
};

core::Probe probe(const Endpoint& endpoint, const char* path, int32_t period, int32_t failures) {
  core::Probe out;
  auto& get = out.httpGet.emplace();
  get.host = endpoint.host;
  get.path = path;
  get.port = endpoint.port;
  get.scheme = "HTTPS";
  out.periodSeconds = period;
  out.timeoutSeconds = kProbeTimeoutSeconds;
  out.failureThreshold = failures;
  return out;
}

void add_path(core::Pod& pod, const kubeadm::HostPathMount& mount) {
  core::Volume& volume = pod.spec.volumes.emplace_back();
  volume.name = mount.name;
  auto& source = volume.hostPath.emplace();
  source.path = mount.hostPath;
  source.type = mount.pathType.empty() ? "DirectoryOrCreate" : mount.pathType;
  core::VolumeMount& inside = pod.spec.containers.front().volumeMounts.emplace_back();
  inside.name = mount.name;
  inside.mountPath = mount.mountPath;
  inside.readOnly = mount.readOnly;
}

enum class Access { kRead, kWrite };

void add_path(core::Pod& pod, const std::string& name, const std::string& path, Access access) {
  kubeadm::HostPathMount mount;
  mount.name = name;
  mount.hostPath = path;
  mount.mountPath = path;
  mount.readOnly = access == Access::kRead;
  add_path(pod, mount);
}

// What all three have in common: name, labels, the host's network, a command line and what the user adds to
// it.
core::Pod make_pod(const ControlPlanePodOptions& options, const std::string& component,
                   const std::string& command, Flags flags, const std::vector<kubeadm::Arg>& extra_args,
                   const std::vector<kubeadm::EnvVar>& extra_envs) {
  core::Pod pod;
  pod.metadata.name = component;
  pod.metadata.namespace_ = "kube-system";
  pod.metadata.labels = {{"component", component}, {"tier", "control-plane"}};
  pod.spec.hostNetwork = true;
  pod.spec.priorityClassName = "system-node-critical";
  pod.spec.priority = kSystemNodeCritical;
  core::Container& container = pod.spec.containers.emplace_back();
  container.name = component;
  container.image = options.image;
  container.imagePullPolicy = "IfNotPresent";
  container.command = {"/cloudless", command};
  for (const kubeadm::Arg& arg : extra_args) flags[arg.name].clear();
  for (const kubeadm::Arg& arg : extra_args) flags[arg.name].push_back(arg.value);
  for (const auto& [name, values] : flags) {
    for (const std::string& value : values) container.command.push_back(fmt::format("--{}={}", name, value));
  }
  for (const kubeadm::EnvVar& env : extra_envs) {
    auto& variable = container.env.emplace_back();
    variable.name = env.name;
    variable.value = env.value;
  }
  return pod;
}

void add_probes(core::Pod& pod, const Endpoint& endpoint, const char* alive, const char* ready) {
  core::Container& container = pod.spec.containers.front();
  container.livenessProbe = probe(endpoint, alive, kLivenessPeriodSeconds, kLivenessFailures);
  container.startupProbe = probe(endpoint, alive, kLivenessPeriodSeconds, kStartupFailures);
  if (ready) container.readinessProbe = probe(endpoint, ready, kReadinessPeriodSeconds, kReadinessFailures);
}

void add_host_certificates(core::Pod& pod) { add_path(pod, "ca-certs", "/etc/ssl/certs", Access::kRead); }

// The folder and not the file alone: a kubeconfig that is renewed is another file by the same name, which a
// mount of the file would never show.
void add_kubeconfigs(core::Pod& pod, const ControlPlanePodOptions& options) {
  add_path(pod, "kubeconfigs", options.kubernetes_dir, Access::kRead);
}

void set_store_flags(const ControlPlanePodOptions& options, const kubeadm::ClusterConfiguration& cluster,
                     Flags& flags) {
  if (!cluster.etcd.external) {
    flags["datastore-endpoint"] = {"sqlite://" + options.store_dir + "/state.db"};
    return;
  }
  const kubeadm::ExternalEtcd& external = *cluster.etcd.external;
  const std::string endpoints = join(external.endpoints, ",");
  flags[endpoints.starts_with("http") ? "etcd-servers" : "datastore-endpoint"] = {endpoints};
  if (!external.caFile.empty()) flags["etcd-cafile"] = {external.caFile};
  if (!external.certFile.empty()) flags["etcd-certfile"] = {external.certFile};
  if (!external.keyFile.empty()) flags["etcd-keyfile"] = {external.keyFile};
}

// The folders of an external store's certificates that are not seen in the container already.
std::set<std::string> store_certificate_folders(const ControlPlanePodOptions& options,
                                                const kubeadm::ClusterConfiguration& cluster) {
  std::set<std::string> folders;
  if (!cluster.etcd.external) return folders;
  const auto& external = *cluster.etcd.external;
  for (const std::string& file : {external.caFile, external.certFile, external.keyFile}) {
    const std::string folder = file.substr(0, file.rfind('/'));
    const bool seen =
        (folder + "/").starts_with(options.certificates_dir + "/") || folder == "/etc/ssl/certs";
    if (!folder.empty() && !seen) folders.insert(folder);
  }
  return folders;
}

Flags api_server_flags(const ControlPlanePodOptions& options, const kubeadm::ClusterConfiguration& cluster) {
  const std::string& pki = options.certificates_dir;
  Flags flags{
      {"advertise-address", {options.advertise_address}},
      {"allow-privileged", {"true"}},
      {"authorization-mode", {"Node,RBAC"}},
      {"client-ca-file", {pki + "/ca.crt"}},
      {"enable-admission-plugins", {"NodeRestriction"}},
      {"enable-bootstrap-token-auth", {"true"}},
      {"kubelet-certificate-authority", {pki + "/ca.crt"}},
      {"kubelet-client-certificate", {pki + "/apiserver-kubelet-client.crt"}},
      {"kubelet-client-key", {pki + "/apiserver-kubelet-client.key"}},
      {"kubelet-preferred-address-types", {"InternalIP,ExternalIP,Hostname"}},
      {"proxy-client-cert-file", {pki + "/front-proxy-client.crt"}},
      {"proxy-client-key-file", {pki + "/front-proxy-client.key"}},
      {"requestheader-allowed-names", {"front-proxy-client"}},
      {"requestheader-client-ca-file", {pki + "/front-proxy-ca.crt"}},
      {"requestheader-extra-headers-prefix", {"X-Remote-Extra-"}},
      {"requestheader-group-headers", {"X-Remote-Group"}},
      {"requestheader-username-headers", {"X-Remote-User"}},
      {"secure-port", {std::to_string(options.api_port)}},
      {"service-account-issuer", {"https://kubernetes.default.svc." + options.cluster_domain}},
      {"service-account-key-file", {pki + "/sa.pub"}},
      {"service-account-signing-key-file", {pki + "/sa.key"}},
      {"service-cluster-ip-range", {options.service_subnet}},
      {"tls-cert-file", {pki + "/apiserver.crt"}},
      {"tls-private-key-file", {pki + "/apiserver.key"}},
  };
  set_store_flags(options, cluster, flags);
  if (!options.encryption_config.empty()) flags["encryption-provider-config"] = {options.encryption_config};
  return flags;
}

core::Pod api_server(const ControlPlanePodOptions& options, const kubeadm::ClusterConfiguration& cluster) {
  const auto& extra = cluster.apiServer;
  core::Pod pod = make_pod(options, "kube-apiserver", "apiserver", api_server_flags(options, cluster),
                           extra.extraArgs, extra.extraEnvs);
  pod.metadata.annotations["kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"] =
      fmt::format("{}:{}", options.advertise_address, options.api_port);
  pod.spec.containers.front().resources.requests["cpu"] = "100m";
  add_probes(pod, {options.advertise_address, options.api_port}, "/livez", "/readyz");
  add_path(pod, "k8s-certs", options.certificates_dir, Access::kRead);
  if (!cluster.etcd.external) add_path(pod, "store", options.store_dir, Access::kWrite);
  size_t number = 0;
  for (const std::string& folder : store_certificate_folders(options, cluster))
    add_path(pod, fmt::format("etcd-certs-{}", number++), folder, Access::kRead);
  add_host_certificates(pod);
  for (const auto& mount : extra.extraVolumes) add_path(pod, mount);
  return pod;
}

// The store of one machine has one control plane: nobody else could lead, and leases would be written for
// nothing.
std::string leader_election(const kubeadm::ClusterConfiguration& cluster) {
  return cluster.etcd.external ? "true" : "false";
}

core::Pod controller_manager(const ControlPlanePodOptions& options,
                             const kubeadm::ClusterConfiguration& cluster) {
  const std::string& pki = options.certificates_dir;
  const std::string kubeconfig = options.kubernetes_dir + "/controller-manager.conf";
  const Flags flags{
      {"allocate-node-cidrs", {"true"}},
      {"authentication-kubeconfig", {kubeconfig}},
      {"authorization-kubeconfig", {kubeconfig}},
      {"bind-address", {"127.0.0.1"}},
      {"client-ca-file", {pki + "/ca.crt"}},
      {"cluster-cidr", {options.pod_subnet}},
      {"cluster-name", {options.cluster_name}},
      {"cluster-signing-cert-file", {pki + "/ca.crt"}},
      {"cluster-signing-key-file", {pki + "/ca.key"}},
      {"controllers", {"*,bootstrapsigner,tokencleaner"}},
      {"kubeconfig", {kubeconfig}},
      {"leader-elect", {leader_election(cluster)}},
      {"requestheader-client-ca-file", {pki + "/front-proxy-ca.crt"}},
      {"root-ca-file", {pki + "/ca.crt"}},
      {"service-account-private-key-file", {pki + "/sa.key"}},
      {"service-cluster-ip-range", {options.service_subnet}},
      {"use-service-account-credentials", {"true"}},
  };
  const auto& extra = cluster.controllerManager;
  core::Pod pod = make_pod(options, "kube-controller-manager", "controller-manager", flags, extra.extraArgs,
                           extra.extraEnvs);
  pod.spec.containers.front().resources.requests["cpu"] = "50m";
  add_probes(pod, {"127.0.0.1", kControllerManagerPort}, "/healthz", nullptr);
  add_kubeconfigs(pod, options);
  add_path(pod, "k8s-certs", pki, Access::kRead);
  add_host_certificates(pod);
  for (const auto& mount : extra.extraVolumes) add_path(pod, mount);
  return pod;
}

core::Pod scheduler(const ControlPlanePodOptions& options, const kubeadm::ClusterConfiguration& cluster) {
  const std::string kubeconfig = options.kubernetes_dir + "/scheduler.conf";
  const Flags flags{
      {"authentication-kubeconfig", {kubeconfig}},
      {"authorization-kubeconfig", {kubeconfig}},
      {"bind-address", {"127.0.0.1"}},
      {"kubeconfig", {kubeconfig}},
      {"leader-elect", {leader_election(cluster)}},
  };
  const auto& extra = cluster.scheduler;
  core::Pod pod = make_pod(options, "kube-scheduler", "scheduler", flags, extra.extraArgs, extra.extraEnvs);
  pod.spec.containers.front().resources.requests["cpu"] = "50m";
  add_probes(pod, {"127.0.0.1", kSchedulerPort}, "/healthz", nullptr);
  add_kubeconfigs(pod, options);
  add_host_certificates(pod);
  for (const auto& mount : extra.extraVolumes) add_path(pod, mount);
  return pod;
}

}  // namespace

std::vector<StaticPod> control_plane_pods(const ControlPlanePodOptions& options,
                                          const kubeadm::ClusterConfiguration& cluster) {
  return {{"kube-apiserver.yaml", api_server(options, cluster)},
          {"kube-controller-manager.yaml", controller_manager(options, cluster)},
          {"kube-scheduler.yaml", scheduler(options, cluster)}};
}

std::string manifest_of(const core::Pod& pod) { return schema::serialize_yaml(schema::to_value(pod)); }

}  // namespace cloudless::bootstrap
