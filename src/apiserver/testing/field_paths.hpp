// Field paths: the leaves of a type's description, and those of them that an object has set, in one notation:
// "spec.containers[].env[].name", "spec.selector{}". Names of map keys are no fields. A type that holds
// itself (JSON schemas) counts as a leaf inside itself.
#pragma once

#include <boost/json.hpp>

#include <set>
#include <string>

#include "schema/schema.hpp"

namespace cloudless::apiserver::testing {

using FieldPaths = std::set<std::string>;

/// All leaves below the kind, but kind, apiVersion and metadata.
FieldPaths described_paths(const schema::Schema& kind);

/// The leaves that hold a value other than null, an empty list or an empty map.
FieldPaths set_paths(const boost::json::object& object, const schema::Schema& kind);

}  // namespace cloudless::apiserver::testing
