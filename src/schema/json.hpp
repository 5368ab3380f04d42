// JSON text to and from boost::json values, as Go's encoding/json and sigs.k8s.io/json do it: same errors,
// same escaping, integers kept apart from floats, duplicate keys noticed. RFC 8259.
//
// Callers include <boost/json.hpp> themselves; this header does not.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cloudless::schema {

/// Deeper values are refused, in every format. Upstream allows 10,000; real objects stay under 100.
inline constexpr size_t kMaxDepth = 512;
/// Longest text accepted unless the caller says otherwise: upstream's request limit.
inline constexpr size_t kMaxTextBytes = 3 * 1024 * 1024;

struct JsonParseOptions {
  size_t max_bytes = kMaxTextBytes;
  /// Where to note keys that occur twice in one object, as paths: "spec.containers[0].image". The last value
  /// counts.
  std::vector<std::string>* duplicates = nullptr;
};

/// Fails with kInvalid and Go's words: "invalid character '}' looking for beginning of value".
Result<boost::json::value> parse_json(std::string_view text, const JsonParseOptions& options = {});

/// Compact, with '<', '>', '&' and U+2028/2029 escaped, floats as Go writes them; keys in their order.
std::string serialize_json(const boost::json::value& value);
void append_json(const boost::json::value& value, std::string& out);
/// A JSON string with its quotes.
void append_json_string(std::string_view text, std::string& out);
/// As Go's strconv 'g'-like JSON form: 1.5, 1e+21, 1e-7.
void append_json_double(double number, std::string& out);

/// Keys of all objects sorted, as Go writes maps (custom resources).
void sort_keys(boost::json::value& value);

/// Whether both are the same JSON; key order does not count, 1 and 1.0 are the same.
bool equal_json(const boost::json::value& a, const boost::json::value& b);

}  // namespace cloudless::schema
