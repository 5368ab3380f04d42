// Managed fields: who owns which field of an object, and server-side apply on top of it (KEP-555,
// sigs.k8s.io/structured-merge-diff).
//
// A field set travels as FieldsV1 JSON: "f:name" a field, "k:{...}" an item of a list by its keys, "v:..." an
// item of a set, "i:0" an index, "." the place itself. All functions are pure: they take the live object with
// its metadata.managedFields and return the next one.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

/// Who writes, and how.
struct FieldManager {
  std::string name;         // "kubectl-client-side-apply"; at most 128 bytes
  std::string api_version;  // the version the request is made in
  std::string subresource;  // "status", or empty
  /// Whether the status is written by its subresource alone, so that other writes neither set nor own it.
  bool status_apart = true;
};

struct Conflict {
  std::string manager;  // `"helm" using apps/v1`
  std::string field;    // ".spec.replicas"
};

/// Upstream's words: `Apply failed with 1 conflict: conflict with "helm" using apps/v1: .spec.replicas`.
std::string conflict_message(const std::vector<Conflict>& conflicts);
/// status.details.causes for the 409: [{"reason":"FieldManagerConflict","message":`conflict with
/// "helm"`,"field"}].
boost::json::array conflict_causes(const std::vector<Conflict>& conflicts);

enum class Force { kNo, kYes };

/// Server-side apply of `config` (the object exactly as the user wrote it, neither normalized nor defaulted)
/// onto `live`, an object or null when there is none. The result is normalized and has its managedFields; the
/// caller defaults and validates it. Conflicts are left in `conflicts` and make the result kConflict; a field
/// that the schema lacks makes it kInvalid. Fields that the manager applied before and does not apply now are
/// removed unless someone else owns them.
Result<boost::json::value> apply(const boost::json::value& live, const boost::json::value& config,
                                 const Schema& schema, const FieldManager& manager, Force force, WallTime now,
                                 std::vector<Conflict>* conflicts);

/// After any other write: `object` (as it will be stored) with managedFields that record what changed against
/// `live` (null when created) as owned by `manager`, taken from those that owned it. The managedFields that
/// the writer sent are ignored unless they are an empty list, which resets them as upstream.
Result<boost::json::value> track_update(const boost::json::value& live, const boost::json::value& object,
                                        const Schema& schema, const FieldManager& manager, WallTime now);

}  // namespace cloudless::schema
