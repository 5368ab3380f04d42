// Patches: JSON patch (RFC 6902), merge patch (RFC 7396), and Kubernetes' strategic merge patch.
#pragma once

#include <boost/json/fwd.hpp>

#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

/// Upstream's bound on the operations of one JSON patch (MaxJSONPatchOperations).
inline constexpr size_t kMaxJsonPatchOperations = 10'000;

/// The document after all operations. kInvalid with upstream's words for a malformed patch, a missing path,
/// or a failed test.
Result<boost::json::value> apply_json_patch(const boost::json::value& document,
                                            const boost::json::value& patch);

/// Objects merge, null removes, everything else replaces.
boost::json::value apply_merge_patch(const boost::json::value& document, const boost::json::value& patch);

/// Lists merge by the schema's patch strategy and merge key. Directives: $patch (replace, delete, merge),
/// $retainKeys, $deleteFromPrimitiveList/FIELD, $setElementOrder/FIELD.
Result<boost::json::value> apply_strategic_merge_patch(const boost::json::value& document,
                                                       const boost::json::value& patch, const Schema& schema);

}  // namespace cloudless::schema
