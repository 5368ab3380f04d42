// No packet from the wire is read past its end.
#include "lb/neighbour_wire.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  if (const auto request = cloudless::lb::parse_arp_request(packet))
    static_cast<void>(cloudless::lb::make_arp_reply({}, *request));
  static_cast<void>(cloudless::lb::parse_neighbour_solicitation(packet));
  return 0;
}
