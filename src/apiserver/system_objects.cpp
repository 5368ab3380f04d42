// Objects that every cluster has from its first moment: the system namespaces, and the kubernetes Service by
// which pods reach this server (kubernetes/pkg/controlplane/controller/kubernetesservice and
// systemnamespaces).
#include "apiserver/json_fields.hpp"
#include "apiserver/server_state.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

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

json::object kubernetes_endpoints(std::string_view address, int64_t port) {
  return {
      {"kind", "Endpoints"},
      {"apiVersion", "v1"},
      {"metadata",
       {{"name", "kubernetes"},
        {"namespace", "default"},
        {"labels", {{"endpointslice.kubernetes.io/skip-mirror", "true"}}}}},
      {"subsets",
       json::array{json::object{
           {"addresses", json::array{json::object{{"ip", address}}}},
           {"ports", json::array{json::object{{"name", "https"}, {"port", port}, {"protocol", "TCP"}}}}}}}};
}

json::object kubernetes_slice(std::string_view address, int64_t port) {
  return {{"kind", "EndpointSlice"},
          {"apiVersion", "discovery.k8s.io/v1"},
          {"metadata",
           {{"name", "kubernetes"},
            {"namespace", "default"},
            {"labels", {{"kubernetes.io/service-name", "kubernetes"}}}}},
          {"addressType", "IPv4"},
          {"endpoints", json::array{json::object{{"addresses", json::array{json::string(address)}},
                                                 {"conditions", {{"ready", true}}}}}},
          {"ports", json::array{json::object{{"name", "https"}, {"port", port}, {"protocol", "TCP"}}}}};
}

// The first address of the range is the API's by convention.
Result<std::string> first_service_address(std::string_view cidr) {
  const Ipv4Range range = TRY(Ipv4Range::parse(cidr));
  const uint32_t address = range.base + 1;
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

// Creates what is not there; what is there stays as it is.
Task<ApiResult<>> ensure(Registry& registry, GroupResource resource, json::object object) {
  const ApiResult<ObjectPtr> present = co_await registry.get(resource, namespace_of(object), name_of(object));
  if (present || present.error().code != 404) co_return ApiResult<>();
  const ApiResult<ObjectPtr> created = co_await registry.create(resource, std::move(object));
  if (!created && created.error().reason != "AlreadyExists") co_return std::unexpected(created.error());
  co_return ApiResult<>();
}

// Like ensure(), but what is there is brought up to date: the address of this server may have changed.
Task<ApiResult<>> ensure_equal(Registry& registry, GroupResource resource, json::object object,
                               std::vector<std::string> members) {
  const ApiResult<ObjectPtr> present = co_await registry.get(resource, namespace_of(object), name_of(object));
  if (!present) co_return co_await ensure(registry, resource, std::move(object));
  json::object updated = **present;
  for (const std::string& member : members) copy_member(object, updated, member);
  const ApiResult<ObjectPtr> written = co_await registry.update(resource, "", std::move(updated));
  if (!written && written.error().code != 409) co_return std::unexpected(written.error());
  co_return ApiResult<>();
}

Task<ApiResult<>> ensure_all(Registry& registry, const ServerOptions& options, std::string service_address) {
  for (const char* name : {"kube-system", "kube-public", "kube-node-lease", "default"}) {
    json::object object{{"kind", "Namespace"},
                        {"apiVersion", "v1"},
                        {"metadata", {{"name", name}, {"labels", {{"kubernetes.io/metadata.name", name}}}}}};
    CO_TRY(co_await ensure(registry, {"", "namespaces"}, std::move(object)));
  }
  CO_TRY(co_await ensure(registry, {"", "services"},
                         kubernetes_service(service_address, options.advertise_port)));
  if (options.advertise_address.empty()) co_return ApiResult<>();
  CO_TRY(co_await ensure_equal(registry, {"", "endpoints"},
                               kubernetes_endpoints(options.advertise_address, options.advertise_port),
                               {"subsets"}));
  co_return co_await ensure_equal(registry, {"discovery.k8s.io", "endpointslices"},
                                  kubernetes_slice(options.advertise_address, options.advertise_port),
                                  {"endpoints", "ports"});
}

}  // namespace

Task<Result<>> ApiServer::State::create_system_objects() {
  std::string address = CO_TRY(first_service_address(options.service_cidr));
  const ApiResult<> done = co_await ensure_all(registry, options, std::move(address));
  if (!done) co_return fail(Code::kInternal, "create the system's objects: {}", done.error().message);
  co_return Result<>();
}

}  // namespace cloudless::apiserver
