// Defaulting: the values that the API server fills in when it decodes an object, from the description's
// @default rows, its @computed rows, and the defaults of custom resource schemas.
#pragma once

#include <boost/json/fwd.hpp>

#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

/// Fills in what is unset. `object` is normalized, and stays so. Applying twice changes nothing. Values that
/// strategies and admission set (clusterIP, uid, service account) are not defaults.
void apply_defaults(boost::json::value& object, const Schema& schema);

/// The description's @computed rows, by kind; called by apply_defaults.
void apply_computed_defaults(boost::json::object& object, const Schema& schema);

}  // namespace cloudless::schema
