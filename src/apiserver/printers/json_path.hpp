// The JSONPath that additionalPrinterColumns use: ".spec.x", ".status.list[0].y", ".a['b.c']",
// ".status.conditions[?(@.type==\"Ready\")].status". The first value that it names.
#pragma once

#include <boost/json/fwd.hpp>

#include <string_view>

namespace cloudless::apiserver {

/// Null where the path names nothing or is not understood.
const boost::json::value* json_path(const boost::json::object& object, std::string_view path);

}  // namespace cloudless::apiserver
