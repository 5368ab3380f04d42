#include "dns/cluster_records.hpp"

#include <algorithm>
#include <map>

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
  Builder(const ClusterOptions& options, const ClusterView& view, const Name& domain)
      : view_(view), domain_(domain) {
    for (const SlicePtr& slice : view.slices) {
      const auto label = slice->metadata.labels.find(std::string(kServiceNameLabel));
      if (label != slice->metadata.labels.end())
        slices_[{slice->metadata.namespace_, label->second}].push_back(slice);
    }
    add_infrastructure(options);
    for (const auto& service : view.services) add_service(*service);
  }

  std::vector<Record>& forward() { return forward_; }
  const std::vector<Record>& reverse() const { return reverse_; }

 private:
  void add(const Result<Name>& owner, Type type, std::string rdata) {
    // A name that breaks DNS's limits cannot be asked for either.
    if (owner) forward_.push_back({*owner, type, kClusterTtl, std::move(rdata)});
  }

  void add_infrastructure(const ClusterOptions& options) {
    const Name ns = Name::parse("ns.dns", domain_).value();
    add(domain_, Type::kNs, ns.wire());
    add(ns, address_type(options.dns_address), std::string(options.dns_address.bytes()));
    add(Name::parse("dns-version", domain_), Type::kTxt,
        parse_rdata(Type::kTxt, kSpecVersion, domain_).value());
  }

  void add_service(const Service& service) {
    const auto name =
        Name::parse(fmt::format("{}.{}.svc", service.metadata.name, service.metadata.namespace_), domain_);
    if (!name) return;
    if (service.spec.type == "ExternalName") {
      if (const auto target = Name::parse(service.spec.externalName)) add(name, Type::kCname, target->wire());
    } else if (service.spec.clusterIP == "None") {
      add_headless(service, *name);
    } else {
      add_cluster_addresses(service, *name);
    }
  }

  void add_cluster_addresses(const Service& service, const Name& name) {
    for (const std::string& text : service.spec.clusterIPs) {
      const auto address = net::IpAddress::parse(text);
      if (!address) continue;
      add(name, address_type(*address), std::string(address->bytes()));
      reverse_.push_back({reverse_name(*address), Type::kPtr, kClusterTtl, name.wire()});
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

  void add_headless(const Service& service, const Name& name) {
    const auto found = slices_.find({service.metadata.namespace_, service.metadata.name});
    if (found == slices_.end()) return;
    for (const SlicePtr& slice : found->second) {
      for (const Endpoint& endpoint : slice->endpoints) {
        if (is_published(service, endpoint)) add_endpoint(*slice, endpoint, name);
      }
    }
  }

  bool is_published(const Service& service, const Endpoint& endpoint) const {
    if (endpoint.nodeName && view_.node_alive && !view_.node_alive(*endpoint.nodeName)) return false;
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
      reverse_.push_back({reverse_name(*address), Type::kPtr, kClusterTtl, name->wire()});
      for (const auto& port : slice.ports) {
        if (port.port) {
          add_port(service, port.name.value_or(""), port.protocol.value_or("TCP"),
                   srv_rdata(100, *port.port, *name));
        }
      }
    }
  }

  const ClusterView& view_;
  const Name& domain_;
  std::map<std::pair<std::string, std::string>, std::vector<SlicePtr>> slices_;
  std::vector<Record> forward_;
  std::vector<Record> reverse_;
};

Record soa(const Name& apex, const Name& domain, uint32_t serial) {
  std::string rdata = Name::parse("ns.dns", domain)->wire() + Name::parse("hostmaster", domain)->wire();
  for (const uint32_t number : {serial, 7200u, 1800u, 86400u, kClusterTtl}) append_u32(rdata, number);
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

Result<std::vector<std::shared_ptr<const Zone>>> cluster_zones(const ClusterOptions& options,
                                                               const ClusterView& view, uint32_t serial) {
  const Name domain = TRY(Name::parse(options.domain)).canonical();
  Builder builder(options, view, domain);
  std::vector<std::shared_ptr<const Zone>> zones;
  builder.forward().push_back(soa(domain, domain, serial));
  const Name pods = TRY(Name::parse("pod", domain));
  zones.push_back(TRY(Zone::make(domain, std::move(builder.forward()),
                                 [pods](const Name& name) { return pod_records(name, pods); })));
  std::map<Name, std::vector<Record>> reverse;
  for (const net::Prefix& prefix : options.reverse_prefixes) {
    for (const Name& apex : reverse_apexes(prefix)) {
      reverse[apex] = {soa(apex, domain, serial),
                       {apex, Type::kNs, kClusterTtl, Name::parse("ns.dns", domain)->wire()}};
    }
  }
  for (const Record& record : builder.reverse()) {
    for (Name at = record.owner; !at.is_root(); at = at.parent()) {
      const auto found = reverse.find(at);
      if (found == reverse.end()) continue;
      found->second.push_back(record);
      break;
    }
  }
  for (auto& [apex, records] : reverse) zones.push_back(TRY(Zone::make(apex, std::move(records))));
  return zones;
}

}  // namespace cloudless::dns
