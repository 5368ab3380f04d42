#include "apiserver/admission/resource_quota.hpp"

#include <algorithm>
#include <set>

#include "apiserver/admission/pod_edits.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

constexpr schema::NanoUnits kOne = 1'000'000'000;
/// Core resources that have a name of their own in quotas, beside count/<resource>.
constexpr std::string_view kCounted[] = {"pods",    "services",   "replicationcontrollers", "resourcequotas",
                                         "secrets", "configmaps", "persistentvolumeclaims"};

bool has_ended(const json::object& pod) {
  const std::string_view phase = text_at(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed";
}

void count_pod(const json::object& pod, Amounts& out) {
  if (has_ended(pod)) return;
  out["pods"] = kOne;
  const json::object* spec = object_at(pod, {"spec"});
  if (!spec) return;
  for (const auto& [name, amount] : pod_amounts(*spec, ResourceKind::kRequests)) {
    out["requests." + name] = amount;
    if (name == "cpu" || name == "memory" || name == "ephemeral-storage") out[name] = amount;
  }
  for (const auto& [name, amount] : pod_amounts(*spec, ResourceKind::kLimits)) out["limits." + name] = amount;
}

void count_service(const json::object& service, Amounts& out) {
  const std::string_view type = text_at(service, {"spec", "type"});
  const auto ports = static_cast<schema::NanoUnits>(array_at(service, {"spec", "ports"}).size());
  const json::value* allocates = find(service, {"spec", "allocateLoadBalancerNodePorts"});
  const bool node_ports = !(allocates && allocates->is_bool() && !allocates->get_bool());
  if (type == "NodePort" || (type == "LoadBalancer" && node_ports)) out["services.nodeports"] = ports * kOne;
  if (type == "LoadBalancer") out["services.loadbalancers"] = kOne;
}

void count_claim(const json::object& claim, Amounts& out) {
  const json::object* requests = object_at(claim, {"spec", "resources", "requests"});
  const Amounts amounts = requests ? read_amounts(*requests) : Amounts();
  const auto storage = amounts.find("storage");
  const schema::NanoUnits size = storage == amounts.end() ? 0 : storage->second;
  out["requests.storage"] = size;
  const std::string_view storage_class = text_at(claim, {"spec", "storageClassName"});
  if (storage_class.empty()) return;
  out[fmt::format("{}.storageclass.storage.k8s.io/requests.storage", storage_class)] = size;
  out[fmt::format("{}.storageclass.storage.k8s.io/persistentvolumeclaims", storage_class)] = kOne;
}

bool is_best_effort(const json::object& pod) {
  bool bare = true;
  if (const json::object* spec = object_at(pod, {"spec"})) {
    for_each_container(*spec, [&](const json::object& container, std::string_view) {
      for (const char* list : {"requests", "limits"}) {
        const json::object* amounts = object_at(container, {"resources", list});
        if (amounts && (amounts->contains("cpu") || amounts->contains("memory"))) bare = false;
      }
    });
  }
  return bare;
}

bool scope_holds(std::string_view scope, const json::object& pod) {
  const bool terminating = find(pod, {"spec", "activeDeadlineSeconds"}) != nullptr;
  if (scope == "Terminating") return terminating;
  if (scope == "NotTerminating") return !terminating;
  if (scope == "BestEffort") return is_best_effort(pod);
  if (scope == "NotBestEffort") return !is_best_effort(pod);
  if (scope == "PriorityClass") return !text_at(pod, {"spec", "priorityClassName"}).empty();
  return false;
}

bool term_holds(const json::object& term, const json::object& pod) {
  const std::string_view scope = text_at(term, {"scopeName"});
  const std::string_view op = text_at(term, {"operator"});
  if (scope != "PriorityClass") return scope_holds(scope, pod) == (op != "DoesNotExist");
  const std::string_view name = text_at(pod, {"spec", "priorityClassName"});
  const json::array& values = array_at(term, {"values"});
  const bool listed = std::ranges::any_of(
      values, [&](const json::value& value) { return value.is_string() && value.get_string() == name; });
  if (op == "In") return !name.empty() && listed;
  if (op == "NotIn") return !name.empty() && !listed;
  return name.empty() == (op == "DoesNotExist");
}

Amounts hard_of(const json::object& quota) {
  const json::object* hard = object_at(quota, {"spec", "hard"});
  return hard ? read_amounts(*hard) : Amounts();
}

// `a=1,b=2` of the names.
std::string list_text(const std::vector<std::string>& names, const Amounts& amounts) {
  std::vector<std::string> items;
  for (const std::string& name : names) {
    const auto at = amounts.find(name);
    items.push_back(fmt::format("{}={}", name, amount_text(at == amounts.end() ? 0 : at->second, name)));
  }
  return join(items, ",");
}

// What is added: for an update only what grows.
Amounts growth(const AdmissionRequest& request, const GroupResource& resource) {
  Amounts delta = quota_usage(resource, *request.object);
  if (!request.old_object) return delta;
  for (const auto& [name, amount] : quota_usage(resource, *request.old_object)) delta[name] -= amount;
  std::erase_if(delta, [](const auto& item) { return item.second <= 0; });
  return delta;
}

}  // namespace

Amounts quota_usage(const GroupResource& resource, const json::object& object) {
  Amounts out;
  out["count/" + resource.to_string()] = kOne;
  if (!resource.group.empty()) return out;
  if (resource.resource == "pods") {
    count_pod(object, out);
    return out;
  }
  if (std::ranges::find(kCounted, resource.resource) != std::end(kCounted)) out[resource.resource] = kOne;
  if (resource.resource == "services") count_service(object, out);
  if (resource.resource == "persistentvolumeclaims") count_claim(object, out);
  return out;
}

bool quota_covers(const json::object& quota, const GroupResource& resource, const json::object& object) {
  const json::array& scopes = array_at(quota, {"spec", "scopes"});
  const json::array& terms = array_at(quota, {"spec", "scopeSelector", "matchExpressions"});
  if (scopes.empty() && terms.empty()) return true;
  if (!resource.group.empty() || resource.resource != "pods") return false;
  return std::ranges::all_of(scopes,
                             [&](const json::value& scope) {
                               return scope.is_string() && scope_holds(scope.get_string(), object);
                             }) &&
         std::ranges::all_of(terms, [&](const json::value& term) {
           return term.is_object() && term_holds(term.get_object(), object);
         });
}

std::vector<std::string> unspecified(const json::object& quota, const json::object& pod) {
  std::vector<std::string> out;
  const json::object* spec = object_at(pod, {"spec"});
  if (!spec) return out;
  for (const auto& [name, unused] : hard_of(quota)) {
    std::string_view resource = name;
    const bool is_limit = resource.starts_with("limits.");
    if (is_limit) resource.remove_prefix(7);
    if (resource.starts_with("requests.")) resource.remove_prefix(9);
    if (resource != "cpu" && resource != "memory") continue;
    std::vector<std::string> containers;
    for_each_container(*spec, [&](const json::object& container, std::string_view list) {
      if (list == "ephemeralContainers") return;
      if (!find(container, {"resources", is_limit ? "limits" : "requests", resource}))
        containers.emplace_back(text_at(container, {"name"}));
    });
    if (!containers.empty()) out.push_back(fmt::format("{} for: {}", name, join(containers, ",")));
  }
  return out;
}

Task<ApiResult<Amounts>> ResourceQuota::used(const AdmissionRequest& request, const json::object& quota) {
  const GroupResource resource = request.group_resource();
  Amounts sum;
  std::set<std::string, std::less<>> stored;
  for (const ObjectPtr& object : CO_TRY(co_await objects_.list(resource, request.namespace_))) {
    stored.emplace(name_of(*object));
    if (quota_covers(quota, resource, *object)) add(sum, quota_usage(resource, *object));
  }
  const SteadyTime moment = clock_.steady_now();
  const std::lock_guard lock(mutex_);
  for (const Reservation& reserved : reservations_) {
    if (reserved.until <= moment || reserved.namespace_ != request.namespace_ ||
        reserved.resource != resource || stored.contains(name_of(reserved.object)) ||
        name_of(reserved.object) == request.name)
      continue;
    if (quota_covers(quota, resource, reserved.object)) add(sum, quota_usage(resource, reserved.object));
  }
  co_return sum;
}

Task<ApiResult<>> ResourceQuota::check(const AdmissionRequest& request, const json::object& quota) {
  const GroupResource resource = request.group_resource();
  const Amounts hard = hard_of(quota);
  Amounts delta = growth(request, resource);
  std::erase_if(delta, [&](const auto& item) { return !hard.contains(item.first); });
  if (delta.empty()) co_return ApiResult<>();
  const Amounts now = CO_TRY(co_await used(request, quota));
  std::vector<std::string> exceeded;
  for (const auto& [name, amount] : delta) {
    const auto at = now.find(name);
    if ((at == now.end() ? 0 : at->second) + amount > hard.at(name)) exceeded.push_back(name);
  }
  if (exceeded.empty()) co_return ApiResult<>();
  co_return refuse(
      request, fmt::format("exceeded quota: {}, requested: {}, used: {}, limited: {}", name_of(quota),
                           list_text(exceeded, delta), list_text(exceeded, now), list_text(exceeded, hard)));
}

void ResourceQuota::reserve(const AdmissionRequest& request) {
  const SteadyTime now = clock_.steady_now();
  const std::lock_guard lock(mutex_);
  std::erase_if(reservations_, [&](const Reservation& item) { return item.until <= now; });
  reservations_.push_back(
      {request.namespace_, request.group_resource(), *request.object, now + kReservationLife});
}

Task<ApiResult<>> ResourceQuota::validate(const AdmissionRequest& request) {
  if (request.namespace_.empty() || !request.subresource.empty()) co_return ApiResult<>();
  const auto quotas = CO_TRY(co_await objects_.list({"", "resourcequotas"}, request.namespace_));
  bool concerned = false;
  for (const ObjectPtr& quota : quotas) {
    if (!quota_covers(*quota, request.group_resource(), *request.object)) continue;
    concerned = true;
    if (is_on(request, "", "pods") && request.operation == Operation::kCreate) {
      const auto open = unspecified(*quota, *request.object);
      if (!open.empty())
        co_return refuse(request,
                         fmt::format("failed quota: {}: must specify {}", name_of(*quota), join(open, "; ")));
    }
    CO_TRY(co_await check(request, *quota));
  }
  if (concerned && !request.dry_run && request.operation == Operation::kCreate) reserve(request);
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver::admission
