#include "dns/cluster_records.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "dns/wire.hpp"

namespace cloudless::dns {

namespace {

using api::core::v1::Service;
using api::discovery::v1::Endpoint;
using api::discovery::v1::EndpointSlice;
using SlicePtr = std::shared_ptr<const EndpointSlice>;

constexpr std::string_view kSpecVersion = "1.1.0";

Type address_type(const net::IpAddress& address) { return address.is_v4() ? Type::kA : Type::kAaaa; }

std::string srv_rdata(size_t weight, int32_t port, const Name& target) {
  std::string rdata;
  append_u16(rdata, 0);
  append_u16(rdata, static_cast<uint16_t>(weight));
  append_u16(rdata, static_cast<uint16_t>(port));
  return rdata + target.wire();
}

// CoreDNS names an endpoint without a hostname by its address, dots and colons dashed.
std::string dashed(std::string text) {
  std::ranges::replace(text, '.', '-');
  std::ranges::replace(text, ':', '-');
  return text;
}

class Builder {
 public:
  Builder(const Name& domain, const NodeAlive& node_alive) : domain_(domain), node_alive_(node_alive) {}

  std::vector<Record> run(const Service& service, const std::vector<SlicePtr>& slices) {
    const auto name =
        Name::parse(fmt::format("{}.{}.svc", service.metadata.name, service.metadata.namespace_), domain_);
    if (!name) return {};
    if (service.spec.type == "ExternalName") {
      if (const auto target = Name::parse(service.spec.externalName)) add(name, Type::kCname, target->wire());
    } else if (service.spec.clusterIP == "None") {
      add_headless(service, slices, *name);
    } else {
      add_cluster_addresses(service, *name);
    }
    return std::move(records_);
  }

 private:
  void add(const Result<Name>& owner, Type type, std::string rdata) {
    // A name that breaks DNS's limits cannot be asked for either.
    if (owner) records_.push_back({*owner, type, kClusterTtl, std::move(rdata)});
  }

  void add_cluster_addresses(const Service& service, const Name& name) {
    for (const std::string& text : service.spec.clusterIPs) {
      const auto address = net::IpAddress::parse(text);
      if (!address) continue;
      add(name, address_type(*address), std::string(address->bytes()));
      add(reverse_name(*address), Type::kPtr, name.wire());
    }
    if (service.spec.clusterIPs.empty()) return;
    for (const auto& port : service.spec.ports)
      add_port(name, port.name, port.protocol, srv_rdata(100, port.port, name));
  }

  void add_port(const Name& service, const std::string& port, const std::string& protocol,
                std::string rdata) {
    if (port.empty()) return;
    add(Name::parse(fmt::format("_{}._{}", port, to_lower(protocol)), service), Type::kSrv, std::move(rdata));
  }

  void add_headless(const Service& service, const std::vector<SlicePtr>& slices, const Name& name) {
    for (const SlicePtr& slice : slices) {
      for (const Endpoint& endpoint : slice->endpoints) {
        if (is_published(service, endpoint)) add_endpoint(*slice, endpoint, name);
      }
    }
  }

  bool is_published(const Service& service, const Endpoint& endpoint) const {
    if (endpoint.nodeName && node_alive_ && !node_alive_(*endpoint.nodeName)) return false;
    return service.spec.publishNotReadyAddresses || endpoint.conditions.ready.value_or(true);
  }

  void add_endpoint(const EndpointSlice& slice, const Endpoint& endpoint, const Name& service) {
    for (const std::string& text : endpoint.addresses) {
      const auto address = net::IpAddress::parse(text);
      if (!address) continue;
      const auto name = service.with_label(endpoint.hostname.value_or(dashed(text)));
      if (!name) continue;
      add(service, address_type(*address), std::string(address->bytes()));
      add(name, address_type(*address), std::string(address->bytes()));
      add(reverse_name(*address), Type::kPtr, name->wire());
      for (const auto& port : slice.ports) {
        if (port.port) {
          add_port(service, port.name.value_or(""), port.protocol.value_or("TCP"),
                   srv_rdata(100, *port.port, *name));
        }
      }
    }
  }

  const Name& domain_;
  const NodeAlive& node_alive_;
  std::vector<Record> records_;
};

Record soa(const Name& apex, const Name& domain) {
  std::string rdata = Name::parse("ns.dns", domain)->wire() + Name::parse("hostmaster", domain)->wire();
  for (const uint32_t number : {1u, 7200u, 1800u, 86400u, kClusterTtl}) append_u32(rdata, number);
  return {apex, Type::kSoa, kClusterTtl, std::move(rdata)};
}

// "10-244-1-7.NS.pod.DOMAIN" spells its own address, in whatever namespace; the names above it exist without
// records.
std::optional<std::vector<RRset>> pod_records(const Name& name, const Name& pods) {
  if (!name.is_within(pods) || name.label_count() > pods.label_count() + 2) return std::nullopt;
  if (name.label_count() < pods.label_count() + 2) return std::vector<RRset>();
  std::string v4(name.first_label());
  std::string v6 = v4;
  std::ranges::replace(v4, '-', '.');
  std::ranges::replace(v6, '-', ':');
  if (auto address = parse_ipv4(v4)) return {{{Type::kA, kClusterTtl, {std::move(*address)}}}};
  if (auto address = parse_ipv6(v6)) return {{{Type::kAaaa, kClusterTtl, {std::move(*address)}}}};
  return std::nullopt;
}

}  // namespace

Name reverse_name(const net::IpAddress& address) {
  std::string text;
  if (address.is_v4()) {
    for (const char byte : address.bytes()) text = fmt::format("{}.{}", static_cast<uint8_t>(byte), text);
    return Name::parse(text + "in-addr.arpa").value();
  }
  for (const char digit : hex_encode(address.bytes())) text = fmt::format("{}.{}", digit, text);
  return Name::parse(text + "ip6.arpa").value();
}

std::vector<Name> reverse_apexes(const net::Prefix& prefix) {
  const int step = prefix.address.is_v4() ? 8 : 4;
  const int labels = (prefix.length + step - 1) / step;
  const int count = 1 << (labels * step - prefix.length);
  const int host_labels = prefix.address.bits() / step - labels;
  std::vector<Name> apexes;
  Name first = reverse_name(prefix.masked().address);
  for (int i = 0; i < host_labels; ++i) first = first.parent();
  if (count == 1) return {first};
  const Name above = first.parent();
  const std::string_view digits = first.first_label();
  const int base = step == 8 ? 10 : 16;
  const int start = std::stoi(std::string(digits), nullptr, base);
  for (int i = start; i < start + count; ++i) {
    apexes.push_back(above.with_label(step == 8 ? std::to_string(i) : fmt::format("{:x}", i)).value());
  }
  return apexes;
}

Result<std::vector<std::shared_ptr<const Zone>>> cluster_zones(const ClusterOptions& options) {
  const Name domain = TRY(Name::parse(options.domain)).canonical();
  const Name ns = TRY(Name::parse("ns.dns", domain));
  const Name version = TRY(Name::parse("dns-version", domain));
  const Name pods = TRY(Name::parse("pod", domain));
  std::vector<Record> forward{
      soa(domain, domain),
      {domain, Type::kNs, kClusterTtl, ns.wire()},
      {ns, address_type(options.dns_address), kClusterTtl, std::string(options.dns_address.bytes())},
      {version, Type::kTxt, kClusterTtl, TRY(parse_rdata(Type::kTxt, kSpecVersion, domain))}};
  std::vector<std::shared_ptr<const Zone>> zones;
  zones.push_back(TRY(
      Zone::make(domain, std::move(forward), [pods](const Name& name) { return pod_records(name, pods); })));
  for (const net::Prefix& prefix : options.reverse_prefixes) {
    for (const Name& apex : reverse_apexes(prefix)) {
      zones.push_back(TRY(Zone::make(apex, {soa(apex, domain), {apex, Type::kNs, kClusterTtl, ns.wire()}})));
    }
  }
  return zones;
}

std::vector<Record> service_records(const Name& domain, const Service& service,
                                    const std::vector<SlicePtr>& slices, const NodeAlive& node_alive) {
  return Builder(domain, node_alive).run(service, slices);
}

}  // namespace cloudless::dns
