#include "apiserver/admission/priority.hpp"

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

constexpr std::string_view kGroup = "scheduling.k8s.io";
constexpr std::string_view kDefaultPolicy = "PreemptLowerPriority";
constexpr int64_t kClusterCritical = 2'000'000'000;
constexpr int64_t kNodeCritical = 2'000'001'000;

GroupResource classes() { return {std::string(kGroup), "priorityclasses"}; }

std::string policy_of(const json::object& priority_class) {
  const std::string_view policy = text_at(priority_class, {"preemptionPolicy"});
  return std::string(policy.empty() ? kDefaultPolicy : policy);
}

json::object make_class(std::string_view name, int64_t value, std::string_view description) {
  return {{"kind", "PriorityClass"},      {"apiVersion", "scheduling.k8s.io/v1"},
          {"metadata", {{"name", name}}}, {"value", value},
          {"description", description},   {"preemptionPolicy", kDefaultPolicy}};
}

}  // namespace

std::vector<json::object> system_priority_classes() {
  return {make_class(
              "system-cluster-critical", kClusterCritical,
              "Used for system critical pods that must run in the cluster, but can be moved to another node "
              "if necessary."),
          make_class("system-node-critical", kNodeCritical,
                     "Used for system critical pods that must not be moved from their current node.")};
}

Task<ApiResult<Priority::Chosen>> Priority::choose(const AdmissionRequest& request, std::string class_name) {
  if (!class_name.empty()) {
    const auto found = co_await objects_.get(classes(), "", class_name);
    if (!found && found.error().code != 404) co_return std::unexpected(found.error());
    if (!found) co_return refuse(request, fmt::format("no PriorityClass with name {} was found", class_name));
    co_return Chosen{class_name, number_at(**found, {"value"}), policy_of(**found)};
  }
  Chosen chosen{"", 0, std::string(kDefaultPolicy)};
  // Of several defaults, which only a race could make, the lowest counts.
  for (const ObjectPtr& item : CO_TRY(co_await objects_.list(classes(), ""))) {
    if (!truth_at(*item, {"globalDefault"})) continue;
    const int64_t value = number_at(*item, {"value"});
    if (chosen.name.empty() || value < chosen.value)
      chosen = {std::string(name_of(*item)), value, policy_of(*item)};
  }
  co_return chosen;
}

Task<ApiResult<>> Priority::admit(AdmissionRequest& request) {
  if (!is_on(request, "", "pods")) co_return ApiResult<>();
  json::object& spec = make_object(*request.object, {"spec"});
  if (request.operation == Operation::kUpdate) {
    // Clients that do not know the fields leave them out: they cannot be unset.
    for (const std::string_view field : {"priority", "preemptionPolicy"}) {
      const json::value* old_value = find(*request.old_object, {"spec", field});
      if (!spec.contains(field) && old_value) spec[field] = *old_value;
    }
    co_return ApiResult<>();
  }
  const Chosen chosen = CO_TRY(co_await choose(request, std::string(text_at(spec, {"priorityClassName"}))));
  if (const json::value* given = spec.if_contains("priority");
      given && !given->is_null() && number_at(spec, {"priority"}) != chosen.value)
    co_return refuse(request,
                     fmt::format("the integer value of priority ({}) must not be provided in pod spec; "
                                 "priority admission controller computed {} from the given PriorityClass "
                                 "name",
                                 number_at(spec, {"priority"}), chosen.value));
  const std::string_view given_policy = text_at(spec, {"preemptionPolicy"});
  if (!given_policy.empty() && given_policy != chosen.preemption_policy)
    co_return refuse(request,
                     fmt::format("the string value of PreemptionPolicy ({}) must not be provided in pod "
                                 "spec; priority admission controller computed {} from the given "
                                 "PriorityClass name",
                                 given_policy, chosen.preemption_policy));
  if (!chosen.name.empty()) spec["priorityClassName"] = chosen.name;
  spec["priority"] = chosen.value;
  spec["preemptionPolicy"] = chosen.preemption_policy;
  co_return ApiResult<>();
}

Task<ApiResult<>> Priority::validate(const AdmissionRequest& request) {
  if (!is_on(request, kGroup, "priorityclasses") || !truth_at(*request.object, {"globalDefault"}))
    co_return ApiResult<>();
  for (const ObjectPtr& item : CO_TRY(co_await objects_.list(classes(), ""))) {
    if (truth_at(*item, {"globalDefault"}) && name_of(*item) != request.name)
      co_return refuse(
          request, fmt::format("PriorityClass {} is already marked as default. Only one default can exist",
                               name_of(*item)));
  }
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver::admission
