// The claims of a pod and the nodes that their volumes can be reached from.
#pragma once

#include "api/storage_v1.hpp"
#include "client/object_cache.hpp"
#include "scheduler/cycle.hpp"

namespace cloudless::scheduler {

struct VolumeView {
  const client::ObjectCache<api::core::v1::PersistentVolumeClaim>& claims;
  const client::ObjectCache<api::core::v1::PersistentVolume>& volumes;
  const client::ObjectCache<api::storage::v1::StorageClass>& classes;
};

struct ClaimedVolumes {
  VolumeNeeds needs;
  /// Claims whose class waits for the first consumer (volumeBindingMode WaitForFirstConsumer): they get their
  /// volume once they are annotated with the chosen node, and the pod is placed after that.
  std::vector<std::shared_ptr<const api::core::v1::PersistentVolumeClaim>> waiting;
};

inline constexpr const char* kSelectedNode = "volume.kubernetes.io/selected-node";

ClaimedVolumes volumes_of(const VolumeView& view, const Pod& pod);

}  // namespace cloudless::scheduler
