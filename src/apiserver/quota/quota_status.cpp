#include "apiserver/quota/quota_status.hpp"

#include <boost/json.hpp>

#include "apiserver/admission/resource_quota.hpp"
#include "apiserver/json_fields.hpp"
#include "runtime/timer.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

const GroupResource kQuotas{"", "resourcequotas"};
constexpr std::string_view kCount = "count/";

bool is_of_claims(std::string_view name) {
  return name == "persistentvolumeclaims" || name == "requests.storage" ||
         name.contains(".storageclass.storage.k8s.io/");
}

}  // namespace

GroupResource counted_resource(std::string_view name) {
  if (name.starts_with(kCount)) {
    name.remove_prefix(kCount.size());
    const size_t dot = name.find('.');
    if (dot == std::string_view::npos) return {"", std::string(name)};
    return {std::string(name.substr(dot + 1)), std::string(name.substr(0, dot))};
  }
  if (is_of_claims(name)) return {"", "persistentvolumeclaims"};
  if (name.starts_with("services")) return {"", "services"};
  for (const std::string_view own : {"replicationcontrollers", "resourcequotas", "secrets", "configmaps"}) {
    if (name == own) return {"", std::string(own)};
  }
  return {"", "pods"};
}

std::set<GroupResource> counted_resources(const json::object& quota) {
  std::set<GroupResource> out;
  if (const json::object* hard = object_at(quota, {"spec", "hard"})) {
    for (const auto& entry : *hard) out.insert(counted_resource(entry.key()));
  }
  return out;
}

std::optional<json::object> with_usage(const json::object& quota, const ObjectsByResource& objects) {
  const json::object* hard = object_at(quota, {"spec", "hard"});
  if (!hard) return std::nullopt;
  admission::Amounts sum;
  for (const auto& [resource, list] : objects) {
    for (const ObjectPtr& object : list) {
      if (admission::quota_covers(quota, resource, *object))
        admission::add(sum, admission::quota_usage(resource, *object));
    }
  }
  json::object used;
  for (const auto& entry : *hard) {
    const auto found = sum.find(std::string(entry.key()));
    used[entry.key()] = admission::amount_text(found == sum.end() ? 0 : found->second, entry.key());
  }
  const json::object status{{"hard", *hard}, {"used", std::move(used)}};
  const json::object* present = object_at(quota, {"status"});
  if (present && *present == status) return std::nullopt;
  json::object updated = quota;
  updated["status"] = status;
  return updated;
}

QuotaStatus::QuotaStatus(Registry& registry, runtime::Executor& executor, Logger log)
    : registry_(registry), log_(std::move(log)), scope_(executor, log_) {}

void QuotaStatus::start() { scope_.spawn(run()); }

Task<void> QuotaStatus::stop() {
  scope_.cancel();
  co_await scope_.join();
}

Task<void> QuotaStatus::run() {
  for (;;) {
    co_await recount();
    if (!co_await runtime::sleep_for(kRecountDelay)) co_return;
    if (!co_await wake_.wait()) co_return;
  }
}

Task<void> QuotaStatus::recount() {
  const auto quotas = co_await registry_.list(kQuotas, "");
  if (!quotas) {
    wake_.notify();
    co_return;
  }
  follow_what_is_counted(*quotas);
  for (const ObjectPtr& quota : *quotas) {
    const ApiResult<> counted = co_await recount(quota);
    if (counted || counted.error().code == 404 || counted.error().code == 409) continue;
    log_.warn("a quota's usage is not up to date", {{"namespace", namespace_of(*quota)},
                                                    {"name", name_of(*quota)},
                                                    {"reason", counted.error().message}});
  }
}

Task<ApiResult<>> QuotaStatus::recount(const ObjectPtr& quota) {
  ObjectsByResource objects;
  for (const GroupResource& resource : counted_resources(*quota)) {
    const auto list = co_await registry_.list(resource, namespace_of(*quota));
    // A resource that is not served has no objects.
    if (!list && list.error().code != 404) co_return std::unexpected(list.error());
    if (list) objects.emplace(resource, *list);
  }
  std::optional<json::object> updated = with_usage(*quota, objects);
  if (!updated) co_return ApiResult<>();
  CO_TRY(co_await registry_.update(kQuotas, "status", std::move(*updated)));
  co_return ApiResult<>();
}

void QuotaStatus::follow_what_is_counted(const std::vector<ObjectPtr>& quotas) {
  wanted_ = {kQuotas};
  for (const ObjectPtr& quota : quotas) wanted_.merge(counted_resources(*quota));
  for (const GroupResource& resource : wanted_) {
    if (followed_.insert(resource).second) scope_.spawn(follow(resource));
  }
}

// Ends when no quota counts the resource any more.
Task<void> QuotaStatus::follow(GroupResource resource) {
  while (!scope_.cancelled() && wanted_.contains(resource)) {
    const ResourceTypePtr type = registry_.catalog()->find(resource);
    if (!type || !type->stored) break;
    ApiResult<WatchCache::Subscribed> subscribed = type->cache->subscribe({.key = type->prefix});
    if (!subscribed) break;
    // What came before the subscription has to be counted too.
    wake_.notify();
    for (;;) {
      const auto event = co_await subscribed->subscription->next();
      if (!event || !*event || !wanted_.contains(resource)) break;
      while (subscribed->subscription->try_next()) {
      }
      wake_.notify();
    }
  }
  followed_.erase(resource);
}

}  // namespace cloudless::apiserver
