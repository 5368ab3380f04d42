// Constraints: the OpenAPI v3 keywords of a custom resource schema, parsed once. For .cpp files of schema.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "schema/pattern.hpp"

namespace cloudless::schema {

struct Constraints {
  std::string type;  // empty: any
  std::string format;
  bool nullable = false;
  bool int_or_string = false;
  bool embedded_resource = false;
  bool preserve_unknown = false;
  std::optional<double> minimum, maximum, multiple_of;
  bool exclusive_minimum = false, exclusive_maximum = false;
  std::optional<int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  bool unique_items = false;
  std::string pattern;
  std::shared_ptr<const Pattern> compiled_pattern;
  std::vector<boost::json::value> enumeration;
  std::vector<std::string> required;
  std::string list_type;
  std::vector<std::string> list_map_keys;
  std::map<std::string, std::unique_ptr<Constraints>> properties;
  std::unique_ptr<Constraints> items, additional, negated;
  std::vector<std::unique_ptr<Constraints>> all_of, any_of, one_of;
};

/// Fails with kInvalid for a pattern that does not compile.
Result<std::unique_ptr<Constraints>> parse_constraints(const boost::json::value& open_api);

}  // namespace cloudless::schema
