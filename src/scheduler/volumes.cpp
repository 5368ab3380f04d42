#include "scheduler/volumes.hpp"

namespace cloudless::scheduler {

namespace {

std::string claim_name(const Pod& pod, const api::core::v1::Volume& volume) {
  if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim->claimName;
  return volume.ephemeral ? pod.metadata.name + "-" + volume.name : std::string();
}

}  // namespace

ClaimedVolumes volumes_of(const VolumeView& view, const Pod& pod) {
  ClaimedVolumes found;
  const auto block = [&found](std::string reason) {
    if (found.needs.blocked.empty()) found.needs.blocked = std::move(reason);
  };
  for (const auto& volume : pod.spec.volumes) {
    const std::string name = claim_name(pod, volume);
    if (name.empty()) continue;
    const auto claim = view.claims.get(pod.metadata.namespace_, name);
    if (!claim) {
      block(fmt::format("persistentvolumeclaim \"{}\" not found", name));
    } else if (claim->metadata.deletionTimestamp) {
      block(fmt::format("persistentvolumeclaim \"{}\" is being deleted", name));
    } else if (!claim->spec.volumeName.empty()) {
      const auto bound = view.volumes.get(claim->spec.volumeName);
      if (!bound) {
        block("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
      } else if (bound->spec.nodeAffinity && bound->spec.nodeAffinity->required) {
        found.needs.affinities.push_back(*bound->spec.nodeAffinity->required);
      }
    } else {
      const auto storage_class = view.classes.get(claim->spec.storageClassName.value_or(""));
      if (storage_class && storage_class->volumeBindingMode == "WaitForFirstConsumer") {
        found.waiting.push_back(claim);
      } else {
        block("pod has unbound immediate PersistentVolumeClaims");
      }
    }
  }
  return found;
}

}  // namespace cloudless::scheduler
