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

/// The versions of one kind. Managers may have written through others than the request's.
class KindVersions {
 public:
  virtual ~KindVersions() = default;
  /// Null where the kind is not known in that version (any more): entries of that version are dropped.
  virtual const Schema* schema(std::string_view api_version) const = 0;
  /// `object`, of version `from`, in version `to`; both are known.
  virtual boost::json::value convert(const boost::json::value& object, std::string_view from,
                                     std::string_view to) const = 0;
};

/// Who writes, and how.
struct FieldManager {
  std::string name;         // "kubectl-client-side-apply"; at most 128 bytes
  std::string api_version;  // the version the request is made in
  std::string subresource;  // "status", or empty
  /// Whether the status is written by its subresource alone, so that other writes neither set nor own it.
  bool status_apart = true;
  /// Null: the kind has one version.
  const KindVersions* versions = nullptr;
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
///
/// The manager "kubectl" takes what its client-side apply has set without a conflict, and keeps its
/// annotation of what was last applied.
Result<boost::json::value> apply(const boost::json::value& live, const boost::json::value& config,
                                 const Schema& schema, const FieldManager& manager, Force force, WallTime now,
                                 std::vector<Conflict>* conflicts);

/// After any other write: `object` (as the writer wants it) with managedFields that record what changed
/// against `live` (null when created) as owned by `manager`, taken from those that owned it. Where the writer
/// sent managedFields that can be read they are gone on from instead of the live ones; `[{}]` resets them. A
/// subresource cannot change them so.
Result<boost::json::value> track_update(const boost::json::value& live, const boost::json::value& object,
                                        const Schema& schema, const FieldManager& manager, WallTime now);

}  // namespace cloudless::schema
