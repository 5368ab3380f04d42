// The rules of writing as pure functions on objects: what the server keeps, sets and refuses, whatever the
// resource.
#pragma once

#include <boost/json/fwd.hpp>

#include <string>
#include <string_view>

#include "apiserver/registry/catalog.hpp"
#include "apiserver/request/options.hpp"
#include "base/clock.hpp"

namespace cloudless::apiserver {

/// Sets metadata.namespace from the request, or 400 where the object names another one.
ApiResult<> settle_namespace(const ResourceType& type, std::string_view namespace_,
                             boost::json::object& object);
/// Sets metadata.name from the request, or 400 where the object names another one.
ApiResult<> settle_name(std::string_view name, boost::json::object& object);

/// metadata, status and generation of an object to be created. 400 where resourceVersion is set.
ApiResult<> begin_object(const ResourceType& type, boost::json::object& object, std::string uid,
                         WallTime now);

/// What an update may not touch is carried over from `present`: identity, deletion, and by the subresource
/// status or everything but status.
void carry_over(const ResourceType& type, std::string_view subresource, const boost::json::object& present,
                boost::json::object& object);
/// Counts a change of what the object asks for.
void bump_generation(const ResourceType& type, const boost::json::object& present,
                     boost::json::object& object);

/// 409 where the object names another uid or, when it names one, another resourceVersion than `present`; 422
/// where the resource takes no update without one.
ApiResult<> check_preconditions(const ResourceType& type, const boost::json::object& present,
                                const boost::json::object& object);
ApiResult<> check_preconditions(const ResourceType& type, const boost::json::object& present,
                                const DeleteOptions& options);

/// What a deletion makes of the object now.
struct DeletionPlan {
  enum class Kind {
    kErase,   // nothing holds it
    kUpdate,  // `object` is to be stored: marked for deletion, finalizers set
    kKeep,    // marked already; nothing changes
  };
  Kind kind = Kind::kErase;
  /// Seconds given to the agent; only for graceful resources.
  int64_t grace_period_seconds = 0;
};
/// Changes `object` as the plan says.
DeletionPlan plan_deletion(const ResourceType& type, boost::json::object& object,
                           const DeleteOptions& options, WallTime now);

}  // namespace cloudless::apiserver
