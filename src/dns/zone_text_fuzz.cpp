// Any zone text: refused with a reason, or printed and read back the same.
#include <cstdlib>

#include "dns/zone_text.hpp"

using namespace cloudless;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const dns::Name apex = dns::Name::parse("example.org").value();
  const auto zone = dns::parse_zone(text, apex);
  if (!zone) return zone.error().message.empty() ? std::abort(), 0 : 0;
  const std::string printed = dns::zone_to_text(**zone);
  const auto again = dns::parse_zone(printed, apex);
  if (!again || dns::zone_to_text(**again) != printed) std::abort();
  return 0;
}
