// Any bytes: no crash, and what parses comes back the same after being written.
#include <boost/json.hpp>
#include <cstdlib>

#include "schema/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::schema;
  std::vector<std::string> duplicates;
  const auto value = parse_json({reinterpret_cast<const char*>(data), size}, {.duplicates = &duplicates});
  if (!value) return 0;
  const std::string text = serialize_json(*value);
  const auto again = parse_json(text, {.max_bytes = text.size()});
  if (!again || serialize_json(*again) != text) std::abort();
  return 0;
}
