// Eviction: deletion that respects PodDisruptionBudgets
// (kubernetes/pkg/registry/core/pod/storage/eviction.go).
#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/subresources/subresources.hpp"
#include "schema/selector.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

const GroupResource kBudgets{"policy", "poddisruptionbudgets"};
// Pods whose eviction a budget remembers until its controller has seen them go (MaxDisruptedPodSize).
constexpr size_t kMaxDisruptedPods = 2000;

bool is_finished(const json::object& pod) {
  const std::string_view phase = text_at(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed" || phase == "Pending" ||
         !text_at(pod, {"metadata", "deletionTimestamp"}).empty();
}

bool selects(const json::object& budget, const json::object& pod) {
  const json::value* selector = find(budget, {"spec", "selector"});
  if (!selector) return false;
  const Result<schema::LabelSelector> parsed = schema::LabelSelector::from_value(*selector);
  return parsed && parsed->matches(find(pod, {"metadata", "labels"}));
}

bool is_ready(const json::object& pod) {
  for (const json::value& value : array_at(pod, {"status", "conditions"})) {
    const json::object* condition = value.if_object();
    if (condition && text_at(*condition, {"type"}) == "Ready")
      return text_at(*condition, {"status"}) == "True";
  }
  return false;
}

// Takes one disruption from the budget; 429 where there is none left.
ApiResult<json::object> spend(const json::object& pod, WallTime now, const json::object* present) {
  if (!present) return std::unexpected(not_found(kBudgets, ""));
  const std::string_view name = name_of(*present);
  if (number_at(*present, {"status", "observedGeneration"}) <
      number_at(*present, {"metadata", "generation"})) {
    ApiStatus status =
        too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 10);
    status.causes.push_back(
        {"DisruptionBudget",
         fmt::format("The disruption budget {} is still being processed by the server.", name), ""});
    return std::unexpected(std::move(status));
  }
  const int64_t allowed = number_at(*present, {"status", "disruptionsAllowed"});
  const json::object* disrupted = object_at(*present, {"status", "disruptedPods"});
  if (allowed <= 0 || (disrupted && disrupted->size() > kMaxDisruptedPods)) {
    ApiStatus status =
        too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 0);
    status.causes.push_back(
        {"DisruptionBudget",
         fmt::format("The disruption budget {} needs {} healthy pods and has {} currently", name,
                     number_at(*present, {"status", "desiredHealthy"}),
                     number_at(*present, {"status", "currentHealthy"})),
         ""});
    return std::unexpected(std::move(status));
  }
  json::object budget = *present;
  json::object& status = make_object(budget, {"status"});
  status["disruptionsAllowed"] = allowed - 1;
  make_object(status, {"disruptedPods"})[name_of(pod)] = format_rfc3339(now);
  return budget;
}

Task<ApiResult<>> spend_budget(Registry& registry, const Call& call, const json::object& pod) {
  if (is_finished(pod)) co_return ApiResult<>();
  std::vector<ObjectPtr> budgets;
  for (ObjectPtr& budget : CO_TRY(co_await registry.list(kBudgets, call.info.namespace_))) {
    if (selects(*budget, pod)) budgets.push_back(std::move(budget));
  }
  if (budgets.empty()) co_return ApiResult<>();
  if (budgets.size() > 1) {
    co_return std::unexpected(internal_error(
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."));
  }
  const json::object& budget = *budgets.front();
  // A budget that nobody has counted yet wants none and says nothing.
  const int64_t desired = number_at(budget, {"status", "desiredHealthy"});
  const bool unhealthy_may_go = text_at(budget, {"spec", "unhealthyPodEvictionPolicy"}) == "AlwaysAllow" ||
                                (desired > 0 && number_at(budget, {"status", "currentHealthy"}) >= desired);
  if (!is_ready(pod) && unhealthy_may_go) co_return ApiResult<>();

  const ResourceTypePtr type = registry.catalog()->find(kBudgets);
  WriteRequest request;
  request.endpoint = {type, &type->storage_representation()};
  request.subresource = "status";
  request.namespace_ = call.info.namespace_;
  request.name = name_of(budget);
  request.user = call.user;
  request.field_manager = "kube-apiserver";
  request.admission = false;
  const WallTime now = registry.clock().wall_now();
  CO_TRY(co_await registry.update(request,
                                  [&](const json::object* present) { return spend(pod, now, present); }));
  co_return ApiResult<>();
}

}  // namespace

Task<ApiResult<Answer>> create_eviction(Registry& registry, Call& call) {
  const WriteOptions options = CO_TRY(parse_write_options(call.query, call.user_agent(), "CreateOptions"));
  const json::object eviction =
      CO_TRY(decode_object(call, *api::find_kind("policy", "v1", "Eviction"), options.field_validation));
  const json::object* wanted = object_at(eviction, {"deleteOptions"});
  DeleteOptions delete_options = CO_TRY(parse_delete_options(call.query, wanted));
  delete_options.dry_run = delete_options.dry_run || options.dry_run;
  const CachedObjectPtr pod =
      CO_TRY(co_await registry.read(call.type(), call.info.namespace_, call.info.name));
  if (!delete_options.dry_run) CO_TRY(co_await spend_budget(registry, call, *pod->decode()));
  WriteRequest request = make_write(call, options);
  request.subresource.clear();
  const ApiResult<Deleted> deleted = co_await registry.remove(request, delete_options);
  absorb(call, request);
  if (!deleted) co_return std::unexpected(deleted.error());
  co_return answer_success(201);
}

}  // namespace cloudless::apiserver
