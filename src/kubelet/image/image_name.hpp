// Image references as people write them, and which registry and credentials they mean
// (github.com/distribution/reference).
#pragma once

#include <string>
#include <string_view>

#include "kubelet/cri/cri.hpp"

namespace cloudless::kubelet {

/// In full: "nginx" is "docker.io/library/nginx:latest". kInvalid: "couldn't parse image name ...".
Result<std::string> normalize_image(std::string_view image);

/// The registry of a normalized name: "docker.io", "ghcr.io", "localhost:5000".
std::string registry_of(std::string_view normalized);

/// The credentials for a registry in a Secret's .dockerconfigjson or .dockercfg; nothing where it has none.
std::optional<cri::AuthConfig> credentials_in(std::string_view docker_config_json, std::string_view registry);

}  // namespace cloudless::kubelet
