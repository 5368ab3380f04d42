// A container's environment: env, envFrom, the variables of Services, and $(NAME) in all that may hold it.
// Upstream: pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), pkg/kubelet/envvars, third_party/forked/
// golang/expansion. Pure: the objects that it names are read before.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubelet/pod/pod_runtime.hpp"

namespace cloudless::kubelet {

using Environment = std::vector<std::pair<std::string, std::string>>;

/// $(NAME) becomes the value; $$(NAME) becomes $(NAME); an unknown name stays as it is.
std::string expand_variables(std::string_view text, const std::map<std::string, std::string>& values);

/// What a pod's downward API can name beyond the pod's own spec.
struct DownwardFacts {
  std::vector<std::string> pod_ips;
  std::vector<std::string> host_ips;
  std::map<std::string, schema::Quantity> node_allocatable;
};

/// The value of a fieldRef ("metadata.labels['app']", "status.podIP").
Result<std::string> pod_field(const core::Pod& pod, const std::string& path, const DownwardFacts& facts);

/// The config maps and secrets, by name, in the pod's namespace; what is not in the map does not exist.
struct NamedObjects {
  std::map<std::string, core::ConfigMap> config_maps;
  std::map<std::string, core::Secret> secrets;
};

/// Which of them a container's environment names.
struct ObjectNames {
  std::set<std::string> config_maps;
  std::set<std::string> secrets;
};
ObjectNames names_in_environment(const core::Container& container);

/// The variables of the Services that a pod of this namespace sees.
Environment service_environment(const std::vector<std::shared_ptr<const core::Service>>& services,
                                const std::string& ns, bool service_links);

/// kInvalid in upstream's words where something named is missing: the reason of CreateContainerConfigError.
Result<Environment> make_environment(const core::Pod& pod, const core::Container& container,
                                     const NamedObjects& objects, const Environment& services,
                                     const DownwardFacts& facts);

}  // namespace cloudless::kubelet
