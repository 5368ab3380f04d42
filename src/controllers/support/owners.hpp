// Ownership: the controller reference of an object, and how a controller claims what its selector matches and
// lets go of what it no longer does (upstream's ControllerRefManager,
// pkg/controller/controller_ref_manager.go).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/meta_v1.hpp"
#include "client/action.hpp"
#include "client/object_cache.hpp"

namespace cloudless::controllers {

using api::meta::v1::ObjectMeta;
using api::meta::v1::OwnerReference;

/// The reference with controller set, or null.
const OwnerReference* controller_of(const ObjectMeta& metadata);
bool is_controlled_by(const ObjectMeta& metadata, const std::string& uid);
bool has_owner(const ObjectMeta& metadata, const std::string& uid);

template <class T>
OwnerReference controller_reference(const T& owner) {
  const client::Resource& resource = client::resource_of<T>();
  OwnerReference reference;
  reference.apiVersion = resource.api_version();
  reference.kind = resource.kind;
  reference.name = owner.metadata.name;
  reference.uid = owner.metadata.uid;
  reference.controller = true;
  reference.blockOwnerDeletion = true;
  return reference;
}

/// The index of objects by their controller: its uid, or "orphans/<namespace>" where there is none.
inline constexpr const char* kOwnerIndex = "owner";
std::vector<std::string> owner_index(const ObjectMeta& metadata);

/// Adds the owner index to a cache or an informer.
template <class T, class Indexed>
void add_owner_index(Indexed& indexed) {
  indexed.add_index(kOwnerIndex, [](const T& object) { return owner_index(object.metadata); });
}

/// Strategic merge patches of metadata.ownerReferences, guarded by the object's uid.
std::string adopt_patch(const OwnerReference& owner, const std::string& uid);
std::string release_patch(const std::string& owner_uid, const std::string& uid);

template <class T>
struct Claimed {
  std::vector<std::shared_ptr<const T>> objects;  // ours already
  std::vector<client::Action> actions;            // adoptions and releases still to do
};

/// What `owner` controls of `cache`. Adopts orphans that match, unless the owner is being deleted; releases
/// what does not match any more. The cache has the owner index.
template <class T, class Owner>
Claimed<T> claim(const client::ObjectCache<T>& cache, const Owner& owner,
                 const std::function<bool(const T&)>& is_match) {
  Claimed<T> claimed;
  const bool deleting = owner.metadata.deletionTimestamp.has_value();
  for (const auto& object : cache.by_index(kOwnerIndex, owner.metadata.uid)) {
    if (object->metadata.namespace_ != owner.metadata.namespace_) continue;
    if (is_match(*object)) {
      claimed.objects.push_back(object);
    } else if (!deleting) {
      claimed.actions.push_back(client::patch(*object, client::PatchType::kStrategicMerge,
                                              release_patch(owner.metadata.uid, object->metadata.uid))
                                    .accepting_done());
    }
  }
  if (deleting) return claimed;
  for (const auto& object : cache.by_index(kOwnerIndex, "orphans/" + owner.metadata.namespace_)) {
    if (object->metadata.deletionTimestamp || !is_match(*object)) continue;
    claimed.actions.push_back(client::patch(*object, client::PatchType::kStrategicMerge,
                                            adopt_patch(controller_reference(owner), object->metadata.uid))
                                  .accepting_done());
  }
  return claimed;
}

}  // namespace cloudless::controllers
