// What the cluster's zones cost: built at start, changed by one Service, asked. The argument is the number of
// Services; the cost of a change must not grow with it.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "dns/cluster_records.hpp"
#include "dns/merged_zones.hpp"
#include "dns/server.hpp"

namespace {

using namespace cloudless;

const dns::ClusterOptions& options() {
  static const dns::ClusterOptions made{.domain = "cluster.local",
                                        .dns_address = net::IpAddress::parse("10.96.0.10").value(),
                                        .reverse_prefixes = {net::Prefix::parse("10.96.0.0/12").value(),
                                                             net::Prefix::parse("10.244.0.0/16").value()}};
  return made;
}

std::string service_name(int64_t number) { return fmt::format("service-{}", number); }

void set_service(dns::MergedZones& zones, int64_t number, int32_t port, uint32_t revision) {
  static const dns::Name domain = dns::Name::parse(options().domain).value();
  api::core::v1::Service service;
  service.metadata.namespace_ = fmt::format("team-{}", number % 100);
  service.metadata.name = service_name(number);
  service.spec.type = "ClusterIP";
  service.spec.clusterIP = fmt::format("10.{}.{}.{}", 96 + (number >> 16), (number >> 8) & 255, number & 255);
  service.spec.clusterIPs = {service.spec.clusterIP};
  service.spec.ports = {{.name = "http", .protocol = "TCP", .port = port}};
  zones.set({.kind = "Service", .ns = service.metadata.namespace_, .name = service.metadata.name},
            dns::service_records(domain, service, {}, nullptr), revision);
}

dns::MergedZones make_zones(int64_t services) {
  dns::MergedZones zones(dns::cluster_zones(options()).value());
  for (int64_t number = 0; number < services; ++number) set_service(zones, number, 80, 1);
  return zones;
}

void build(benchmark::State& state) {
  for (auto _ : state) {
    dns::MergedZones zones = make_zones(state.range(0));
    benchmark::DoNotOptimize(zones.update());
  }
}
BENCHMARK(build)->Arg(10'000)->Unit(benchmark::kMillisecond);

// One Service's port changes: its records, the zones, and the set that the server is given.
void change_one(benchmark::State& state) {
  dns::MergedZones zones = make_zones(state.range(0));
  auto served = std::make_shared<const dns::ZoneSet>(zones.update().value());
  uint32_t revision = 1;
  for (auto _ : state) {
    ++revision;
    set_service(zones, revision % state.range(0), static_cast<int32_t>(revision % 60'000 + 1), revision);
    served = std::make_shared<const dns::ZoneSet>(zones.update().value());
  }
}
BENCHMARK(change_one)->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void answer_one(benchmark::State& state) {
  dns::MergedZones zones = make_zones(state.range(0));
  const dns::ZoneSet served(zones.update().value());
  std::vector<dns::Query> queries;
  for (int64_t number = 0; number < state.range(0); ++number) {
    queries.push_back({.name = dns::Name::parse(fmt::format("{}.team-{}.svc.cluster.local",
                                                            service_name(number), number % 100))
                                   .value(),
                       .type = static_cast<uint16_t>(dns::Type::kA)});
  }
  std::string buffer;
  size_t next = 0;
  for (auto _ : state) {
    buffer = dns::answer(served, queries[next], dns::kPlainUdpLimit, std::move(buffer));
    next = (next + 7919) % queries.size();
  }
}
BENCHMARK(answer_one)->Arg(100)->Arg(10'000)->Unit(benchmark::kNanosecond);

}  // namespace

BENCHMARK_MAIN();
