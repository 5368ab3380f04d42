// Validation: what is wrong with an object, in upstream's words.
//
// Objects are normalized and defaulted. What holds for every kind (metadata, closed enums) is table-driven;
// the rules of single kinds are in validation/*.cpp; custom resources obey the keywords of their OpenAPI
// schema.
#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

#include "schema/field_error.hpp"
#include "schema/names.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

enum class Scope { kNamespaced, kCluster };

/// metadata: name or generateName by `check_name`, namespace by scope, labels, annotations, ownerReferences,
/// finalizers, managedFields.
FieldErrors validate_object_meta(const boost::json::value& metadata, Scope scope, NameCheck check_name,
                                 const Path& path);
/// What may not change: name, namespace, uid, creationTimestamp; resourceVersion must be set; no new
/// finalizers or grace periods on an object that is being deleted.
FieldErrors validate_object_meta_update(const boost::json::value& metadata,
                                        const boost::json::value& old_metadata, const Path& path);

/// All rules for a new object of a built-in kind or custom resource.
FieldErrors validate(const boost::json::value& object, const Schema& schema, Scope scope);
/// All rules for replacing `old_object`: those of a new object, immutable fields, and what the kind forbids.
FieldErrors validate_update(const boost::json::value& object, const boost::json::value& old_object,
                            const Schema& schema, Scope scope);
/// For the status subresource: metadata and what must hold of the status.
FieldErrors validate_status_update(const boost::json::value& object, const boost::json::value& old_object,
                                   const Schema& schema, Scope scope);

/// The check that names of that kind obey: RFC 1123 subdomain unless upstream has another for it.
NameCheck name_check(const Schema& schema);

/// The OpenAPI v3 keywords of a custom resource schema on a value below `path`.
FieldErrors validate_custom(const boost::json::value& value, const Schema& schema, const Path& path);

}  // namespace cloudless::schema
