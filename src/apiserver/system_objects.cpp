// Objects that every cluster has from its first moment: the system namespaces, and the kubernetes Service by
// which pods reach its servers (kubernetes/pkg/controlplane/controller/kubernetesservice and
// systemnamespaces). Where it points is server_addresses.hpp's.
#include "apiserver/ensured_object.hpp"
#include "apiserver/flowcontrol/defaults.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/server_state.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

constexpr const char* kFlowControl = "flowcontrol.apiserver.k8s.io";

json::object kubernetes_service(std::string_view address, int64_t port) {
  return {{"kind", "Service"},
          {"apiVersion", "v1"},
          {"metadata",
           {{"name", "kubernetes"},
            {"namespace", "default"},
            {"labels", {{"component", "apiserver"}, {"provider", "kubernetes"}}}}},
          {"spec",
           {{"type", "ClusterIP"},
            {"clusterIP", address},
            {"sessionAffinity", "None"},
            {"ports", json::array{json::object{
                          {"name", "https"}, {"protocol", "TCP"}, {"port", 443}, {"targetPort", port}}}}}}};
}

// The ranges that Services' addresses are of, as `kubectl get servicecidrs` shows them (KEP-1880).
json::object service_cidr(const std::vector<ServiceRange>& ranges) {
  json::array cidrs;
  for (const ServiceRange& range : ranges) cidrs.emplace_back(range.to_string());
  return {{"kind", "ServiceCIDR"},
          {"apiVersion", "networking.k8s.io/v1"},
          {"metadata",
           {{"name", "kubernetes"}, {"finalizers", json::array{"networking.k8s.io/service-cidr-finalizer"}}}},
          {"spec", {{"cidrs", std::move(cidrs)}}}};
}

json::object ready_condition(WallTime now) {
  return {{"type", "Ready"},
          {"status", "True"},
          {"lastTransitionTime", format_rfc3339(now)},
          {"reason", ""},
          {"message", "Kubernetes default Service CIDR is ready"}};
}

json::object extension_authentication(const std::map<std::string, std::string>& entries) {
  json::object data;
  for (const auto& [key, value] : entries) data[key] = value;
  return {{"kind", "ConfigMap"},
          {"apiVersion", "v1"},
          {"metadata", {{"name", "extension-apiserver-authentication"}, {"namespace", "kube-system"}}},
          {"data", std::move(data)}};
}

// Like ensure(), with the object's status, which takes a second write.
Task<ApiResult<>> ensure_with_status(Registry& registry, GroupResource resource, json::object object) {
  const ApiResult<ObjectPtr> present = co_await registry.get(resource, "", name_of(object));
  if (present || present.error().code != 404) co_return ApiResult<>();
  const json::value status = object["status"];
  const ApiResult<ObjectPtr> created = co_await registry.create(resource, std::move(object));
  if (!created && created.error().reason == "AlreadyExists") co_return ApiResult<>();
  if (!created) co_return std::unexpected(created.error());
  json::object with_status = **created;
  with_status["status"] = status;
  const ApiResult<ObjectPtr> written = co_await registry.update(resource, "status", std::move(with_status));
  // Another server may have been there meanwhile.
  if (!written && written.error().code != 409) co_return std::unexpected(written.error());
  co_return ApiResult<>();
}

Task<ApiResult<>> ensure_flow_control(Registry& registry) {
  for (json::object& level : default_priority_levels())
    CO_TRY(co_await ensure(registry, {kFlowControl, "prioritylevelconfigurations"}, std::move(level)));
  for (json::object& object : default_flow_schemas(registry.clock().wall_now()))
    CO_TRY(co_await ensure_with_status(registry, {kFlowControl, "flowschemas"}, std::move(object)));
  co_return ApiResult<>();
}

Task<ApiResult<>> ensure_service_cidr(Registry& registry, const std::vector<ServiceRange>& ranges) {
  json::object object = service_cidr(ranges);
  object["status"] = {{"conditions", json::array{ready_condition(registry.clock().wall_now())}}};
  co_return co_await ensure_with_status(registry, {"networking.k8s.io", "servicecidrs"}, std::move(object));
}

Task<ApiResult<>> ensure_all(Registry& registry, const ServerOptions& options,
                             std::vector<ServiceRange> ranges) {
  for (const char* name : {"kube-system", "kube-public", "kube-node-lease", "default"}) {
    json::object object{{"kind", "Namespace"},
                        {"apiVersion", "v1"},
                        {"metadata", {{"name", name}, {"labels", {{"kubernetes.io/metadata.name", name}}}}}};
    CO_TRY(co_await ensure(registry, {"", "namespaces"}, std::move(object)));
  }
  CO_TRY(co_await ensure(registry, {"", "services"},
                         kubernetes_service(ranges.front().at(1).to_string(), options.advertise_port)));
  CO_TRY(co_await ensure_service_cidr(registry, ranges));
  CO_TRY(co_await ensure_flow_control(registry));
  if (!options.extension_authentication.empty()) {
    CO_TRY(co_await ensure_equal(registry, {"", "configmaps"},
                                 extension_authentication(options.extension_authentication), {"data"}));
  }
  co_return ApiResult<>();
}

}  // namespace

Task<Result<>> ApiServer::State::create_system_objects() {
  std::vector<ServiceRange> ranges = CO_TRY(parse_service_ranges(options.service_cidr));
  const ApiResult<> done = co_await ensure_all(registry, options, std::move(ranges));
  if (!done) co_return fail(Code::kInternal, "create the system's objects: {}", done.error().message);
  co_return Result<>();
}

}  // namespace cloudless::apiserver
