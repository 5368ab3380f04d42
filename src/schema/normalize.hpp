// normalize: a JSON value as the API server would write it back after reading it into its Go type.
//
// Unknown fields are dropped (pruned), types are checked, quantities and times get their canonical text, zero
// values appear or disappear as Go's omitempty has it, and fields stand in Go's order. Custom resources keep
// their values, lose what their structural schema does not specify, and have their keys sorted. Normalizing
// twice changes nothing.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

struct NormalizeOptions {
  /// Where to note what strict decoding complains about: `unknown field "spec.foo"`.
  std::vector<std::string>* strict_errors = nullptr;
};

/// Fails with kInvalid and Go's words when a value has the wrong type.
Result<boost::json::value> normalize(const boost::json::value& value, const Schema& schema,
                                     const NormalizeOptions& options = {});

/// Parses and normalizes; notes duplicate keys as well: `duplicate field "spec.foo"`.
Result<boost::json::value> decode_json(std::string_view text, const Schema& schema,
                                       const NormalizeOptions& options = {});

/// `strict decoding error: unknown field "spec.foo", unknown field "spec.bar"`, as fieldValidation=Strict
/// answers.
std::string strict_decoding_error(const std::vector<std::string>& strict_errors);

}  // namespace cloudless::schema
