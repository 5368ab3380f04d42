#include "controllers/support/pods.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

#include "base/encoding.hpp"
#include "base/random.hpp"
#include "controllers/support/conditions.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::controllers {

namespace {

constexpr const char* kDeletionCost = "controller.kubernetes.io/pod-deletion-cost";
constexpr size_t kMaxPrefix = 57;  // 63 less a dash and five characters

int32_t deletion_cost(const Pod& pod) {
  const auto found = pod.metadata.annotations.find(kDeletionCost);
  int32_t cost = 0;
  if (found == pod.metadata.annotations.end()) return cost;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), cost);
  return cost;
}

int phase_rank(const std::string& phase) { return phase == "Pending" ? 0 : phase == "Running" ? 2 : 1; }

std::optional<WallTime> ready_since(const Pod& pod) {
  const auto* ready = find_condition(pod.status.conditions, "Ready");
  return ready && ready->status == "True" ? ready->lastTransitionTime : std::nullopt;
}

}  // namespace

bool is_finished(const Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }
bool is_active(const Pod& pod) { return !is_finished(pod) && !pod.metadata.deletionTimestamp; }
bool is_terminating(const Pod& pod) {
  return !is_finished(pod) && pod.metadata.deletionTimestamp.has_value();
}
bool is_ready(const Pod& pod) { return is_true(pod.status.conditions, "Ready"); }

std::optional<Duration> until_available(const Pod& pod, int32_t min_ready_seconds, WallTime now) {
  const auto since = ready_since(pod);
  if (!since || min_ready_seconds <= 0) return std::nullopt;
  const Duration left = *since + std::chrono::seconds(min_ready_seconds) - now;
  return left > Duration(0) ? std::optional(left) : std::nullopt;
}

bool is_available(const Pod& pod, int32_t min_ready_seconds, WallTime now) {
  return is_ready(pod) && !until_available(pod, min_ready_seconds, now);
}

int32_t restarts_of(const Pod& pod) {
  int32_t most = 0;
  for (const auto& status : pod.status.containerStatuses) most = std::max(most, status.restartCount);
  return most;
}

void sort_for_deletion(std::vector<PodPtr>& pods, const std::vector<PodPtr>& all) {
  std::map<std::string, int> on_node;
  for (const PodPtr& pod : all) ++on_node[pod->spec.nodeName];
  // Ascending: what is smallest goes first.
  const auto rank = [&on_node](const PodPtr& pod) {
    const auto since = ready_since(*pod);
    const WallTime created = pod->metadata.creationTimestamp.value_or(WallTime());
    return std::tuple(!pod->spec.nodeName.empty(), phase_rank(pod->status.phase), is_ready(*pod),
                      deletion_cost(*pod), -on_node[pod->spec.nodeName],
                      since ? -since->time_since_epoch() : Duration(0), -restarts_of(*pod),
                      -created.time_since_epoch(), pod->metadata.name);
  };
  std::ranges::sort(pods, {}, rank);
}

std::string hash_text(std::string_view content) {
  // Upstream writes the decimal digits of an FNV-32a sum in the name alphabet (rand.SafeEncodeString).
  std::string digits = std::to_string(fnv1a_32(content));
  for (char& digit : digits) digit = kNameAlphabet[static_cast<size_t>(digit) % kNameAlphabet.size()];
  return digits;
}

std::string template_hash(const PodTemplateSpec& pod_template, std::optional<int32_t> collision_count) {
  std::string content = schema::encode(pod_template);
  if (collision_count) content += std::to_string(*collision_count);
  return hash_text(content);
}

std::string derived_name(const std::string& prefix, const std::string& seed) {
  const std::string digest = sha256(seed);
  std::string name = prefix.substr(0, kMaxPrefix) + "-";
  for (size_t i = 0; i < 5; ++i)
    name += kNameAlphabet[static_cast<unsigned char>(digest[i]) % kNameAlphabet.size()];
  return name;
}

}  // namespace cloudless::controllers
