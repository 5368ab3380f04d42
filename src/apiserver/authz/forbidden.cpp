#include "apiserver/authz/forbidden.hpp"

#include "base/strings.hpp"

namespace cloudless::apiserver::authz {

std::string forbidden_message(const Attributes& attributes) {
  const std::string user = quote(attributes.user.name);
  if (!attributes.is_resource_request)
    return fmt::format("User {} cannot {} path {}", user, attributes.verb, quote(attributes.path));
  std::string resource = attributes.resource;
  if (!attributes.subresource.empty()) resource += "/" + attributes.subresource;
  const std::string what = fmt::format("User {} cannot {} resource {} in API group {}", user, attributes.verb,
                                       quote(resource), quote(attributes.group));
  if (attributes.namespace_.empty()) return what + " at the cluster scope";
  return what + " in the namespace " + quote(attributes.namespace_);
}

ApiStatus forbidden_status(const Attributes& attributes, std::string_view reason) {
  std::string why = forbidden_message(attributes);
  if (!reason.empty()) why += fmt::format(": {}", reason);
  return forbidden({attributes.group, attributes.resource}, attributes.name, why);
}

}  // namespace cloudless::apiserver::authz
