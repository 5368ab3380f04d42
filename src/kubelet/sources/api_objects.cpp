#include "kubelet/sources/api_objects.hpp"

#include "api/authentication_v1.hpp"

namespace cloudless::kubelet {

namespace authentication = api::authentication::v1;

namespace {
Error no_api() { return {Code::kUnavailable, "no API server is known"}; }
}  // namespace

runtime::Task<Result<core::ConfigMap>> ApiObjects::config_map(std::string ns, std::string name) {
  if (!client_) co_return std::unexpected(no_api());
  co_return co_await client_->get<core::ConfigMap>(std::move(ns), std::move(name));
}

runtime::Task<Result<core::Secret>> ApiObjects::secret(std::string ns, std::string name) {
  if (!client_) co_return std::unexpected(no_api());
  co_return co_await client_->get<core::Secret>(std::move(ns), std::move(name));
}

runtime::Task<Result<IssuedToken>> ApiObjects::token(const core::Pod& pod, std::string audience,
                                                     int64_t expiration_seconds) {
  if (!client_) co_return std::unexpected(no_api());
  authentication::TokenRequest request;
  if (!audience.empty()) request.spec.audiences = {std::move(audience)};
  request.spec.expirationSeconds = expiration_seconds;
  auto& bound = request.spec.boundObjectRef.emplace();
  bound.kind = "Pod";
  bound.apiVersion = "v1";
  bound.name = pod.metadata.name;
  bound.uid = pod.metadata.uid;
  const std::string account = pod.spec.serviceAccountName.empty() ? "default" : pod.spec.serviceAccountName;
  const std::string answer = CO_TRY(co_await client_->create_subresource(
      client::resource_of<core::ServiceAccount>(), pod.metadata.namespace_, account, "token",
      schema::encode(request)));
  const auto issued = CO_TRY(schema::decode<authentication::TokenRequest>(answer));
  if (!issued.status.expirationTimestamp || issued.status.token.empty())
    co_return fail(Code::kInternal, "the answer to a token request has no token");
  co_return IssuedToken{issued.status.token, *issued.status.expirationTimestamp};
}

Result<std::vector<std::shared_ptr<const core::Service>>> ApiObjects::services() {
  if (!services_ || !services_->synced())
    return fail(Code::kUnavailable,
                "services have not yet been read at least once, cannot construct envvars");
  return services_->cache().in_namespace("");
}

}  // namespace cloudless::kubelet
