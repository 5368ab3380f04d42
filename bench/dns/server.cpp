// The DNS server of src/dns alone, without a cluster: serves one zone file over UDP and TCP on loopback until
// it is killed. bench_dns_server ZONE_FILE APEX PORT
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/metrics.hpp"
#include "dns/server.hpp"
#include "dns/zone_text.hpp"

using namespace cloudless;

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: bench_dns_server ZONE_FILE APEX PORT\n");
    return 2;
  }
  std::stringstream text;
  text << std::ifstream(argv[1]).rdbuf();
  const auto apex = dns::Name::parse(argv[2]);
  const auto zone = apex ? dns::parse_zone(text.str(), *apex) : std::unexpected(apex.error());
  if (!zone) {
    fmt::print(stderr, "{}: {}\n", argv[1], zone.error().message);
    return 1;
  }
  auto zones = std::make_shared<dns::Zones>();
  zones->for_anybody = dns::ZoneSet({*zone});
  zones->for_cluster = zones->for_anybody;

  runtime::EventLoop loop;
  metrics::Registry registry;
  const auto port = static_cast<uint16_t>(std::atoi(argv[3]));
  dns::Server server(loop, {.listen = {{net::IpAddress::v4(0x7f000001), port}}}, nullptr, registry, Logger());
  if (const auto started = server.start(); !started) {
    fmt::print(stderr, "{}\n", started.error().message);
    return 1;
  }
  server.set_zones(std::move(zones));
  loop.run();
  return 0;
}
