#include "controllers/support/pod_set.hpp"

#include <algorithm>

namespace cloudless::controllers {

using client::EventLevel;
using client::EventText;

PodCounts count_pods(const std::vector<PodPtr>& pods, const client::Labels& template_labels,
                     int32_t min_ready_seconds, WallTime now) {
  PodCounts counts;
  for (const PodPtr& pod : pods) {
    if (is_terminating(*pod)) ++counts.terminating;
    if (!is_active(*pod)) continue;
    ++counts.replicas;
    if (client::matches(template_labels, pod->metadata.labels)) ++counts.fully_labeled;
    if (!is_ready(*pod)) continue;
    ++counts.ready;
    if (is_available(*pod, min_ready_seconds, now)) ++counts.available;
  }
  return counts;
}

void Departures::note(const PodPtr& before, const PodPtr& now) {
  const bool went = before && (!now || now->metadata.uid != before->metadata.uid);
  const OwnerReference* owner = went ? controller_of(before->metadata) : nullptr;
  if (owner) ++counts_[owner->uid];
}

uint64_t Departures::of(const std::string& owner_uid) const {
  const auto found = counts_.find(owner_uid);
  return found == counts_.end() ? 0 : found->second;
}

std::string name_seed(const ObjectMeta& owner, const Departures& departures, WallTime now) {
  return fmt::format("{}/{}/{}/", owner.uid, departures.of(owner.uid),
                     now.time_since_epoch() / kNameSeedSpan);
}

std::vector<std::string> new_names(const std::string& prefix, const std::string& seed, int32_t count,
                                   const std::vector<PodPtr>& taken) {
  std::vector<std::string> names;
  for (int i = 0; std::cmp_less(names.size(), count); ++i) {
    std::string name = derived_name(prefix, seed + std::to_string(i));
    const auto has_name = [&name](const PodPtr& pod) { return pod->metadata.name == name; };
    if (std::ranges::none_of(taken, has_name)) names.push_back(std::move(name));
  }
  return names;
}

client::Action create_pod(const Pod& pod, const client::ObjectRef& owner) {
  return client::create(pod)
      .telling(EventText{owner, EventLevel::kNormal, "SuccessfulCreate", "Created pod: {name}"},
               EventText{owner, EventLevel::kWarning, "FailedCreate", "Error creating: {error}"})
      .accepting_done();
}

client::Action delete_pod(const Pod& pod, const client::ObjectRef& owner) {
  return client::remove(pod).telling(
      EventText{owner, EventLevel::kNormal, "SuccessfulDelete", "Deleted pod: {name}"},
      EventText{owner, EventLevel::kWarning, "FailedDelete", "Error deleting: {error}"});
}

void look_again_when_available(const std::vector<PodPtr>& pods, int32_t min_ready_seconds, WallTime now,
                               Plan& plan) {
  for (const PodPtr& pod : pods) {
    if (const auto left = until_available(*pod, min_ready_seconds, now)) plan.look_again(*left);
  }
}

std::vector<std::string> owners_of_change(const PodPtr& before, const PodPtr& now, std::string_view kind,
                                          const Adopters& adopters) {
  std::vector<std::string> keys;
  for (const PodPtr& pod : {before, now}) {
    if (!pod) continue;
    const OwnerReference* controller = controller_of(pod->metadata);
    if (controller && controller->kind == kind) {
      keys.push_back(client::object_key(pod->metadata.namespace_, controller->name));
    }
    if (!controller && pod == now && !pod->metadata.deletionTimestamp) {
      for (std::string& key : adopters(*pod)) keys.push_back(std::move(key));
    }
  }
  return keys;
}

}  // namespace cloudless::controllers
