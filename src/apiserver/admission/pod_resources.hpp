// What a pod asks for and may use, summed over its containers (k8s.io/component-helpers/resource).
#pragma once

#include <boost/json/fwd.hpp>

#include <map>
#include <string>
#include <string_view>

#include "schema/quantity.hpp"

namespace cloudless::apiserver::admission {

/// Amounts by resource name, exact.
using Amounts = std::map<std::string, schema::NanoUnits, std::less<>>;

/// A resource list ({"cpu": "100m"}); what is no quantity counts as zero.
Amounts read_amounts(const boost::json::object& list);
void add(Amounts& to, const Amounts& amounts);
/// The larger of both, resource by resource.
void raise(Amounts& to, const Amounts& amounts);

enum class ResourceKind { kRequests, kLimits };
/// Containers and sidecars together, or the largest init container beside the sidecars before it, whichever
/// is more; and the overhead.
Amounts pod_amounts(const boost::json::object& pod_spec, ResourceKind kind);

/// The amount as text: cpu in thousandths, memory and storage in binary units where they are whole.
std::string amount_text(schema::NanoUnits amount, std::string_view resource);

}  // namespace cloudless::apiserver::admission
