// Acceptable objects: from an object with every field set to one that the server's rules let through with as
// many of them as possible. The rules themselves lead: what a refusal names is replaced by a value that it
// asks for, or goes.
#pragma once

#include <boost/json.hpp>

#include <functional>
#include <string>

#include "apiserver/testing/test_server.hpp"
#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::apiserver::testing {

/// Sends the object, best as a dry run; the answer tells what is wrong with it.
using Submit = std::function<TestResponse(const boost::json::object&)>;

/// More refusals than any object of the built-in kinds needs.
inline constexpr int kMaxRefusals = 400;

/// The object as it was accepted. Fails when the server refuses for another reason than fields, or never
/// accepts.
Result<boost::json::object> acceptable(boost::json::object object, const schema::Schema& kind,
                                       const Submit& submit);

/// The value at "spec.containers[0].ports" or "metadata.labels[a.b/c]", or null.
boost::json::value* value_at(boost::json::value& object, const std::string& path);

}  // namespace cloudless::apiserver::testing
