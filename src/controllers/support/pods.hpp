// What controllers ask of pods: whether one is ready and available, which to delete first, and how one is
// made from a template (upstream: pkg/api/v1/pod, pkg/controller/controller_utils.go).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/core_v1.hpp"
#include "base/clock.hpp"
#include "controllers/support/owners.hpp"

namespace cloudless::controllers {

using api::core::v1::Pod;
using api::core::v1::PodTemplateSpec;
using PodPtr = std::shared_ptr<const Pod>;

inline constexpr const char* kPodTemplateHash = "pod-template-hash";

bool is_finished(const Pod& pod);  // phase Succeeded or Failed
/// Neither finished nor being deleted.
bool is_active(const Pod& pod);
bool is_terminating(const Pod& pod);  // being deleted, not finished
bool is_ready(const Pod& pod);
/// Ready for at least `min_ready_seconds`.
bool is_available(const Pod& pod, int32_t min_ready_seconds, WallTime now);
/// How long until a ready pod becomes available; nothing if it is, or is not ready.
std::optional<Duration> until_available(const Pod& pod, int32_t min_ready_seconds, WallTime now);
int32_t restarts_of(const Pod& pod);

/// A pod of `template` controlled by `owner`, named `name`.
template <class Owner>
Pod pod_from_template(const PodTemplateSpec& pod_template, const Owner& owner, std::string name) {
  Pod pod;
  pod.metadata.name = std::move(name);
  pod.metadata.namespace_ = owner.metadata.namespace_;
  pod.metadata.labels = pod_template.metadata.labels;
  pod.metadata.annotations = pod_template.metadata.annotations;
  pod.metadata.finalizers = pod_template.metadata.finalizers;
  pod.metadata.ownerReferences.push_back(controller_reference(owner));
  pod.spec = pod_template.spec;
  return pod;
}

/// Orders pods so that those to delete first come first (upstream's ActivePodsWithRanks): unassigned,
/// pending, not ready, cheap by controller.kubernetes.io/pod-deletion-cost, crowded on their node, ready
/// since later, restarted more often, younger. `all`: the pods whose nodes count as crowded.
void sort_for_deletion(std::vector<PodPtr>& pods, const std::vector<PodPtr>& all);

/// A hash in the alphabet of generated names, as labels and names carry it.
std::string hash_text(std::string_view content);
/// The value of pod-template-hash: stable for equal templates; the collision count makes another one.
std::string template_hash(const PodTemplateSpec& pod_template, std::optional<int32_t> collision_count);
/// A name "<prefix>-<five characters>" that is a function of `seed`: a create repeated after a lost answer
/// meets its first try instead of making a second object. The prefix is cut so that the name fits 63
/// characters.
std::string derived_name(const std::string& prefix, const std::string& seed);

}  // namespace cloudless::controllers
