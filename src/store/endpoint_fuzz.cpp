// Endpoint URLs come from the command line; records from a database that others can write.
#include <cstdint>

#include "store/open.hpp"
#include "store/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::store;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)parse_endpoint(bytes);
  (void)decode_record(7, bytes, [](const Change&) { return true; });
  return 0;
}
