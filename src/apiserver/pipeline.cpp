#include "apiserver/pipeline.hpp"

#include <algorithm>

namespace cloudless::apiserver {

bool UserInfo::in_group(std::string_view group) const {
  return std::ranges::find(groups, group) != groups.end();
}

Attributes make_attributes(const UserInfo& user, const RequestInfo& info) {
  return {.user = user,
          .verb = info.verb,
          .is_resource_request = info.is_resource_request,
          .group = info.group,
          .version = info.version,
          .resource = info.resource,
          .subresource = info.subresource,
          .namespace_ = info.namespace_,
          .name = info.name,
          .path = info.path,
          .label_selector = info.label_selector,
          .field_selector = info.field_selector};
}

std::string_view to_string(Operation operation) {
  switch (operation) {
    case Operation::kCreate:
      return "CREATE";
    case Operation::kUpdate:
      return "UPDATE";
    case Operation::kDelete:
      return "DELETE";
    case Operation::kConnect:
      return "CONNECT";
  }
  return "";
}

}  // namespace cloudless::apiserver
