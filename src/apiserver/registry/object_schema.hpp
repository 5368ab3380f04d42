// What the schema part does to an object on its way into the store, with errors as the API shows them.
#pragma once

#include <boost/json/fwd.hpp>

#include "apiserver/registry/registry.hpp"

namespace cloudless::apiserver {

/// Defaults and Go's field order, for an object that strategies or admission have changed.
ApiResult<> complete_object(const ResourceType& type, boost::json::object& object);

/// 422 with all causes.
ApiResult<> validate_create(const ResourceType& type, const boost::json::object& object);
ApiResult<> validate_update(const ResourceType& type, std::string_view subresource,
                            const boost::json::object& present, const boost::json::object& object);

/// metadata.managedFields after a write by `request`, to be called before admission and strategies add what
/// is not the writer's. `present` is null on create.
ApiResult<> track_fields(const ResourceType& type, const boost::json::object* present,
                         boost::json::object& object, const WriteRequest& request, WallTime now);

}  // namespace cloudless::apiserver
