#include "apiserver/admission/namespace_lifecycle.hpp"

#include <algorithm>
#include <array>

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver::admission {

namespace {

constexpr std::array<std::string_view, 3> kImmortal{"default", "kube-system", "kube-public"};

ApiStatus terminating(const AdmissionRequest& request) {
  ApiStatus status =
      forbidden(request.group_resource(), request.name,
                fmt::format("unable to create new content in namespace {} because it is being terminated",
                            request.namespace_));
  status.causes.push_back({"NamespaceTerminating",
                           fmt::format("namespace {} is being terminated", request.namespace_),
                           "metadata.namespace"});
  return status;
}

}  // namespace

runtime::Task<ApiResult<>> NamespaceLifecycle::admit(AdmissionRequest& request) {
  const bool on_namespace = request.group.empty() && request.resource == "namespaces";
  if (on_namespace && request.operation == Operation::kDelete &&
      std::ranges::find(kImmortal, request.name) != kImmortal.end())
    co_return refuse(request, "this namespace may not be deleted");
  if (on_namespace || request.namespace_.empty() || request.operation == Operation::kDelete)
    co_return ApiResult<>();
  // A question about a namespace is no content of it.
  if (request.resource == "localsubjectaccessreviews") co_return ApiResult<>();
  const ObjectPtr found = CO_TRY(co_await objects_.get({"", "namespaces"}, "", request.namespace_));
  const bool going = text_at(*found, {"status", "phase"}) == "Terminating" ||
                     find(*found, {"metadata", "deletionTimestamp"}) != nullptr;
  if (request.operation == Operation::kCreate && going) co_return std::unexpected(terminating(request));
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver::admission
