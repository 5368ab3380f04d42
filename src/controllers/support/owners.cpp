#include "controllers/support/owners.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/ranges.hpp"

namespace cloudless::controllers {

namespace json = boost::json;

const OwnerReference* controller_of(const ObjectMeta& metadata) {
  const auto found = std::ranges::find_if(metadata.ownerReferences, [](const OwnerReference& reference) {
    return reference.controller.value_or(false);
  });
  return found == metadata.ownerReferences.end() ? nullptr : &*found;
}

bool is_controlled_by(const ObjectMeta& metadata, const std::string& uid) {
  const OwnerReference* controller = controller_of(metadata);
  return controller && controller->uid == uid;
}

bool has_owner(const ObjectMeta& metadata, const std::string& uid) {
  return contains(metadata.ownerReferences, uid, &OwnerReference::uid);
}

std::vector<std::string> owner_index(const ObjectMeta& metadata) {
  const OwnerReference* controller = controller_of(metadata);
  return {controller ? controller->uid : "orphans/" + metadata.namespace_};
}

std::string adopt_patch(const OwnerReference& owner, const std::string& uid) {
  json::object reference{{"apiVersion", owner.apiVersion},
                         {"kind", owner.kind},
                         {"name", owner.name},
                         {"uid", owner.uid},
                         {"controller", true},
                         {"blockOwnerDeletion", true}};
  return json::serialize(
      json::object{{"metadata", {{"ownerReferences", json::array{std::move(reference)}}, {"uid", uid}}}});
}

std::string release_patch(const std::string& owner_uid, const std::string& uid) {
  json::object reference{{"$patch", "delete"}, {"uid", owner_uid}};
  return json::serialize(
      json::object{{"metadata", {{"ownerReferences", json::array{std::move(reference)}}, {"uid", uid}}}});
}

}  // namespace cloudless::controllers
