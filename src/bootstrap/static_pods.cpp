#include "bootstrap/static_pods.hpp"

#include <boost/json.hpp>

#include "schema/struct_codec.hpp"
#include "schema/yaml.hpp"

namespace cloudless::bootstrap {

namespace core = api::core::v1;

namespace {

// kubeadm's timings: ready within a second, alive checked every ten, up to four minutes to start.
constexpr int32_t kProbeTimeoutSeconds = 15;
constexpr int32_t kLivenessPeriodSeconds = 10;
constexpr int32_t kLivenessFailures = 8;
constexpr int32_t kStartupFailures = 24;
constexpr int32_t kReadinessPeriodSeconds = 1;
constexpr int32_t kReadinessFailures = 3;

core::Probe probe(const ControlPlanePodOptions& options, const char* path, int32_t period, int32_t failures) {
  core::Probe out;
  auto& get = out.httpGet.emplace();
  get.host = options.advertise_address;
  get.path = path;
  get.port = options.api_port;
  get.scheme = "HTTPS";
  out.periodSeconds = period;
  out.timeoutSeconds = kProbeTimeoutSeconds;
  out.failureThreshold = failures;
  return out;
}

void add_directory(core::Pod& pod, const std::string& path, bool read_only) {
  const std::string name = "host-" + std::to_string(pod.spec.volumes.size());
  core::Volume& volume = pod.spec.volumes.emplace_back();
  volume.name = name;
  auto& source = volume.hostPath.emplace();
  source.path = path;
  source.type = "DirectoryOrCreate";
  core::VolumeMount& mount = pod.spec.containers.front().volumeMounts.emplace_back();
  mount.name = name;
  mount.mountPath = path;
  mount.readOnly = read_only;
}

}  // namespace

core::Pod control_plane_pod(const ControlPlanePodOptions& options) {
  core::Pod pod;
  pod.metadata.name = "cloudless";
  pod.metadata.namespace_ = "kube-system";
  pod.metadata.labels = {{"component", "cloudless"}, {"tier", "control-plane"}};
  pod.spec.hostNetwork = true;
  pod.spec.priorityClassName = "system-node-critical";
  pod.spec.priority = 2'000'001'000;
  core::Container& container = pod.spec.containers.emplace_back();
  container.name = "cloudless";
  container.image = options.image;
  container.imagePullPolicy = "IfNotPresent";
  container.command = {"/cloudless"};
  container.args = options.arguments;
  container.resources.requests["cpu"] = "100m";
  container.livenessProbe = probe(options, "/livez", kLivenessPeriodSeconds, kLivenessFailures);
  container.readinessProbe = probe(options, "/readyz", kReadinessPeriodSeconds, kReadinessFailures);
  container.startupProbe = probe(options, "/livez", kLivenessPeriodSeconds, kStartupFailures);
  for (const std::string& path : options.readable_directories) add_directory(pod, path, true);
  for (const std::string& path : options.writable_directories) add_directory(pod, path, false);
  return pod;
}

std::string control_plane_manifest(const ControlPlanePodOptions& options) {
  return schema::serialize_yaml(schema::to_value(control_plane_pod(options)));
}

}  // namespace cloudless::bootstrap
