#include "apiserver/admission/plugin.hpp"

#include <algorithm>

namespace cloudless::apiserver::admission {

bool Plugin::handles(Operation operation) const {
  return std::ranges::find(operations_, operation) != operations_.end();
}

runtime::Task<ApiResult<>> Plugin::admit(AdmissionRequest&) { co_return ApiResult<>(); }
runtime::Task<ApiResult<>> Plugin::validate(const AdmissionRequest&) { co_return ApiResult<>(); }

bool is_on(const AdmissionRequest& request, std::string_view group, std::string_view resource) {
  return request.group == group && request.resource == resource && request.subresource.empty();
}

std::unexpected<ApiStatus> refuse(const AdmissionRequest& request, std::string_view why) {
  return std::unexpected(forbidden(request.group_resource(), request.name, why));
}

}  // namespace cloudless::apiserver::admission
