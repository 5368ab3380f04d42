// YAML to and from JSON values, as sigs.k8s.io/yaml reads and writes it (YAML 1.1 scalars, JSON-compatible
// tree).
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "schema/json.hpp"

namespace cloudless::schema {

/// Most nodes that one text may expand to through aliases.
inline constexpr size_t kMaxYamlNodes = 1'000'000;

/// One document; JSON is YAML too. Plain scalars resolve as YAML 1.1 does in Go's library: y, yes and on are
/// booleans, 0x10 is 16, 0644 is 420, timestamps stay strings. Keys become strings.
Result<boost::json::value> parse_yaml(std::string_view text, const JsonParseOptions& options = {});
/// All documents of a stream; empty ones are left out.
Result<std::vector<boost::json::value>> parse_yaml_documents(std::string_view text,
                                                             const JsonParseOptions& options = {});
/// Block style, two spaces, lists not indented, keys in their order.
std::string serialize_yaml(const boost::json::value& value);

}  // namespace cloudless::schema
