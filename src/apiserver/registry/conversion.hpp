// Conversion between the representations of one resource. Custom resources with strategy None differ in
// apiVersion alone; so do built-in ones but for autoscaling v1 and events.k8s.io.
#pragma once

#include <boost/json/fwd.hpp>

#include "apiserver/registry/catalog.hpp"

namespace cloudless::apiserver {

/// Changes `object` from one representation to another of the same resource.
void convert(boost::json::object& object, const Representation& from, const Representation& to);
/// The object's JSON in that representation: the shared text itself where it is the stored one.
SharedBytes served_json(const ResourceType& type, const Representation& representation,
                        const CachedObject& object);

}  // namespace cloudless::apiserver
