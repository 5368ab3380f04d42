// Between the plain structs of cri.hpp and CRI's protobuf messages. Included by cri_client.cpp alone:
// protobuf headers are slow.
#pragma once

#include "cri/cri.pb.h"
#include "kubelet/cri/cri.hpp"

namespace cloudless::kubelet::cri {

namespace pb = ::runtime::v1;

pb::PodSandboxConfig to_proto(const SandboxConfig& config);
pb::ContainerConfig to_proto(const ContainerConfig& config);
pb::AuthConfig to_proto(const AuthConfig& auth);

Sandbox from_proto(const pb::PodSandbox& sandbox);
SandboxStatus from_proto(const pb::PodSandboxStatus& status);
Container from_proto(const pb::Container& container);
ContainerStatus from_proto(const pb::ContainerStatus& status);
ContainerStats from_proto(const pb::ContainerStats& stats);
Image from_proto(const pb::Image& image);
FileSystemUsage from_proto(const pb::FilesystemUsage& usage);

}  // namespace cloudless::kubelet::cri
