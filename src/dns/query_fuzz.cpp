// Any packet: read, answered, and what we would send is well-formed.
#include <cstdlib>

#include "dns/cache.hpp"
#include "dns/zone.hpp"
#include "dns/zone_text.hpp"

using namespace cloudless;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const dns::ZoneSet zones(
      {dns::parse_zone("$TTL 60\n@ SOA a b 1 2 3 4 5\n* A 192.0.2.1\nwww CNAME x\nd DNAME e\n"
                       "sub NS ns.sub\nns.sub A 192.0.2.2\nm MX 1 www\n",
                       dns::Name())
           .value()});
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  static_cast<void>(dns::scan_response(packet));
  const auto query = dns::read_query(packet);
  if (!query) {
    if (query.error().answer_with) dns::error_response(packet, *query.error().answer_with);
    return 0;
  }
  const std::string response = dns::answer(zones, *query, dns::kPlainUdpLimit);
  if (response.size() > dns::kPlainUdpLimit || !dns::scan_response(response)) std::abort();
  return 0;
}
