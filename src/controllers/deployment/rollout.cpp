#include "controllers/deployment/rollout.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

#include "schema/types.hpp"

namespace cloudless::controllers::rollout {

using client::EventLevel;
using client::EventText;

namespace {

int32_t scaled(const schema::Boxed<api::apps::v1::RollingUpdateDeployment>& rolling, bool surge,
               int32_t total) {
  const schema::IntOrString fallback("25%");
  std::optional<schema::IntOrString> value;
  if (rolling) value = surge ? rolling->maxSurge : rolling->maxUnavailable;
  const auto rounding = surge ? schema::Rounding::kUp : schema::Rounding::kDown;
  return schema::scaled_value(value.value_or(fallback), total, rounding).value_or(0);
}

int64_t number_in(const ObjectMeta& metadata, const char* annotation, int64_t fallback) {
  const auto found = metadata.annotations.find(annotation);
  if (found == metadata.annotations.end()) return fallback;
  int64_t number = fallback;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  return number;
}

PodTemplateSpec without_hash(PodTemplateSpec pod_template) {
  pod_template.metadata.labels.erase(kPodTemplateHash);
  return pod_template;
}

}  // namespace

std::vector<SetPtr> Rollout::all() const {
  std::vector<SetPtr> sets = old;
  if (latest) sets.push_back(latest);
  return sets;
}

bool is_rolling(const Deployment& deployment) { return deployment.spec.strategy.type != "Recreate"; }

Limits limits_of(const Deployment& deployment) {
  if (!is_rolling(deployment)) return {};
  const int32_t total = deployment.spec.replicas.value_or(1);
  const auto& rolling = deployment.spec.strategy.rollingUpdate;
  Limits limits{.surge = scaled(rolling, true, total), .unavailable = scaled(rolling, false, total)};
  // Both 0 would stand still. A percentage of few pods rounds to 0.
  if (limits.surge == 0 && limits.unavailable == 0) limits.unavailable = 1;
  limits.unavailable = std::min(limits.unavailable, std::max(total, 1));
  return limits;
}

int32_t replicas_of(const ReplicaSet& set) { return set.spec.replicas.value_or(1); }

int32_t replicas_of(const std::vector<SetPtr>& sets) {
  int32_t sum = 0;
  for (const SetPtr& set : sets) sum += replicas_of(*set);
  return sum;
}

int32_t available_of(const std::vector<SetPtr>& sets) {
  int32_t sum = 0;
  for (const SetPtr& set : sets) sum += set->status.availableReplicas;
  return sum;
}

SetPtr find_latest(const Deployment& deployment, const std::vector<SetPtr>& sets) {
  const PodTemplateSpec wanted = without_hash(deployment.spec.template_);
  for (const SetPtr& set : sets) {
    if (without_hash(set->spec.template_) == wanted) return set;
  }
  return nullptr;
}

int64_t revision_of(const ObjectMeta& metadata) { return number_in(metadata, kRevision, 0); }

bool annotate_size(const Deployment& deployment, ReplicaSet& set) {
  const int32_t wanted = deployment.spec.replicas.value_or(1);
  const std::string desired = std::to_string(wanted);
  const std::string most = std::to_string(wanted + limits_of(deployment).surge);
  auto& annotations = set.metadata.annotations;
  if (annotations[kDesiredReplicas] == desired && annotations[kMaxReplicas] == most) return false;
  annotations[kDesiredReplicas] = desired;
  annotations[kMaxReplicas] = most;
  return true;
}

void scale(const Rollout& rollout, const ReplicaSet& set, int32_t replicas, Plan& plan) {
  const int32_t had = replicas_of(set);
  ReplicaSet scaled = set;
  const bool annotated = annotate_size(*rollout.deployment, scaled);
  if (had == replicas && !annotated) return;
  scaled.spec.replicas = replicas;
  client::Action action = client::update(scaled);
  if (had != replicas) {
    action.on_success =
        EventText{client::ref_to(*rollout.deployment), EventLevel::kNormal, "ScalingReplicaSet",
                  fmt::format("Scaled {} replica set {} from {} to {}", replicas > had ? "up" : "down",
                              set.metadata.name, had, replicas)};
  }
  plan.actions.push_back(std::move(action));
}

int32_t next_latest_replicas(const Rollout& rollout, int32_t now_has) {
  const int32_t wanted = rollout.wanted();
  if (!is_rolling(*rollout.deployment)) return wanted;
  const int32_t room = wanted + limits_of(*rollout.deployment).surge - replicas_of(rollout.all());
  if (room <= 0) return now_has;
  return now_has + std::min(room, wanted - now_has);
}

namespace {

// Old pods that are not available cost nothing to remove; they go first, so that a broken rollout does not
// hold the way back. Returns how many of `limit` were used up.
int32_t remove_unhealthy(const std::vector<SetPtr>& old, int32_t limit, std::vector<int32_t>& replicas) {
  int32_t removed = 0;
  for (size_t i = 0; i < old.size() && removed < limit; ++i) {
    const int32_t unhealthy = replicas[i] - old[i]->status.availableReplicas;
    const int32_t down = std::clamp(unhealthy, 0, limit - removed);
    replicas[i] -= down;
    removed += down;
  }
  return removed;
}

void plan_old_down(const Rollout& rollout, Plan& plan) {
  if (replicas_of(rollout.old) == 0) return;
  const std::vector<SetPtr> all = rollout.all();
  const int32_t min_available = rollout.wanted() - limits_of(*rollout.deployment).unavailable;
  const int32_t latest_unavailable =
      rollout.latest ? replicas_of(*rollout.latest) - rollout.latest->status.availableReplicas : 0;
  const int32_t most = replicas_of(all) - min_available - latest_unavailable;
  if (most <= 0) return;
  std::vector<int32_t> replicas;
  for (const SetPtr& set : rollout.old) replicas.push_back(replicas_of(*set));
  remove_unhealthy(rollout.old, most, replicas);
  int32_t spare = available_of(all) - min_available;
  for (size_t i = 0; i < rollout.old.size() && spare > 0; ++i) {
    const int32_t down = std::min(replicas[i], spare);
    replicas[i] -= down;
    spare -= down;
  }
  for (size_t i = 0; i < rollout.old.size(); ++i) {
    if (replicas[i] != replicas_of(*rollout.old[i])) scale(rollout, *rollout.old[i], replicas[i], plan);
  }
}

}  // namespace

void plan_rolling(const Rollout& rollout, Plan& plan) {
  if (rollout.latest) {
    const int32_t has = replicas_of(*rollout.latest);
    const int32_t next = has > rollout.wanted() ? rollout.wanted() : next_latest_replicas(rollout, has);
    if (next != has) return scale(rollout, *rollout.latest, next, plan);
  }
  plan_old_down(rollout, plan);
}

void plan_recreate(const Rollout& rollout, const std::vector<PodPtr>& old_pods, Plan& plan) {
  bool scaled_down = false;
  for (const SetPtr& set : rollout.old) {
    if (replicas_of(*set) == 0) continue;
    scale(rollout, *set, 0, plan);
    scaled_down = true;
  }
  const bool still_running =
      std::ranges::any_of(old_pods, [](const PodPtr& pod) { return !is_finished(*pod); });
  if (scaled_down || still_running || !rollout.latest) return;
  scale(rollout, *rollout.latest, rollout.wanted(), plan);
}

void plan_proportional(const Rollout& rollout, Plan& plan) {
  std::vector<SetPtr> active;
  for (const SetPtr& set : rollout.all()) {
    if (replicas_of(*set) > 0) active.push_back(set);
  }
  const SetPtr single = active.size() == 1 ? active.front() : active.empty() ? rollout.latest : nullptr;
  if (single) return scale(rollout, *single, rollout.wanted(), plan);
  const bool saturated = rollout.latest && replicas_of(*rollout.latest) == rollout.wanted() &&
                         rollout.latest->status.availableReplicas == rollout.wanted();
  if (saturated) {
    for (const SetPtr& set : rollout.old) scale(rollout, *set, 0, plan);
    return;
  }
  if (!is_rolling(*rollout.deployment)) return;
  const int32_t total = replicas_of(active);
  const int32_t allowed = rollout.wanted() > 0 ? rollout.wanted() + limits_of(*rollout.deployment).surge : 0;
  int32_t left = allowed - total;
  // The larger first; of equal ones the newer grows first and the older shrinks first.
  std::ranges::sort(active, [left](const SetPtr& a, const SetPtr& b) {
    if (replicas_of(*a) != replicas_of(*b)) return replicas_of(*a) > replicas_of(*b);
    const auto age = [](const SetPtr& set) {
      return std::tuple(set->metadata.creationTimestamp, set->metadata.name);
    };
    return left > 0 ? age(a) > age(b) : age(a) < age(b);
  });
  std::vector<int32_t> replicas;
  for (const SetPtr& set : active) {
    const int32_t has = replicas_of(*set);
    const auto was_most = static_cast<double>(number_in(set->metadata, kMaxReplicas, total));
    const auto share = static_cast<int32_t>(std::lround(has * static_cast<double>(allowed) / was_most)) - has;
    const int32_t change = left > 0 ? std::clamp(share, 0, left) : std::clamp(share, left, 0);
    replicas.push_back(has + change);
    left -= change;
  }
  if (!replicas.empty()) replicas.front() = std::max(0, replicas.front() + left);
  for (size_t i = 0; i < active.size(); ++i) scale(rollout, *active[i], replicas[i], plan);
}

}  // namespace cloudless::controllers::rollout
