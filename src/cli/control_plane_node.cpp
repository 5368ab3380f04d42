#include "cli/control_plane_node.hpp"

#include <filesystem>

#include "cli/control_plane_image.hpp"
#include "cli/files.hpp"

namespace cloudless::cli {

namespace {

constexpr mode_t kSecretMode = 0600;

}  // namespace

bootstrap::ControlPlanePodOptions control_plane_pod_options(const NodeLayout& layout,
                                                            const ControlPlaneConfiguration& configuration) {
  const auto& [cluster, init] = configuration;
  bootstrap::ControlPlanePodOptions pods;
  pods.image = control_plane_image_name();
  pods.advertise_address = init.localAPIEndpoint.advertiseAddress;
  pods.api_port = static_cast<uint16_t>(init.localAPIEndpoint.bindPort);
  pods.kubernetes_dir = layout.kubernetes_dir;
  pods.certificates_dir = layout.pki_dir();
  pods.store_dir = layout.store_dir();
  pods.encryption_config = layout.pki_dir() + "/encryption.yaml";
  pods.cluster_domain = cluster.networking.dnsDomain;
  pods.pod_subnet = cluster.networking.podSubnet;
  pods.service_subnet = cluster.networking.serviceSubnet;
  pods.cluster_name = cluster.clusterName;
  return pods;
}

Result<> write_manifests(const NodeLayout& layout, const ControlPlaneConfiguration& configuration,
                         const Logger& log) {
  TRY(make_directories(layout.manifest_dir()));
  const auto options = control_plane_pod_options(layout, configuration);
  for (const bootstrap::StaticPod& pod : control_plane_pods(options, configuration.cluster)) {
    const std::string path = layout.manifest_dir() + "/" + pod.file;
    log.info("[control-plane]", {{"manifest", path}});
    TRY(write_file(path, bootstrap::manifest_of(pod.pod), kSecretMode));
  }
  return {};
}

ControlPlaneImage::ControlPlaneImage(const std::string& data_dir)
    : path_(data_dir + "/control-plane-image.tar") {}

ControlPlaneImage::~ControlPlaneImage() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

Result<> ControlPlaneImage::write() const {
  return write_file(path_, TRY(make_control_plane_image()), kSecretMode);
}

}  // namespace cloudless::cli
