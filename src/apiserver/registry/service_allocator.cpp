#include "apiserver/registry/service_allocator.hpp"

#include <algorithm>
#include <optional>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

constexpr std::string_view kNodePortFolder = "/ranges/servicenodeports/";

bool wants_node_ports(const json::object& service) {
  const std::string_view type = text_at(service, {"spec", "type"});
  if (type == "NodePort") return true;
  const json::value* allocate = find(service, {"spec", "allocateLoadBalancerNodePorts"});
  return type == "LoadBalancer" && (!allocate || *allocate != false);
}

bool wants_health_check_port(const json::object& service) {
  return text_at(service, {"spec", "type"}) == "LoadBalancer" &&
         text_at(service, {"spec", "externalTrafficPolicy"}) == "Local";
}

// A free port of the range: a random one, or the next free one behind it.
std::optional<uint16_t> pick_port(const ServiceRanges& ranges, const std::set<uint16_t>& taken,
                                  Random& random) {
  const uint32_t count = ranges.last_node_port - ranges.first_node_port + 1U;
  const auto start = static_cast<uint32_t>(random.below(count));
  for (uint32_t i = 0; i < count; ++i) {
    const auto candidate = static_cast<uint16_t>(ranges.first_node_port + (start + i) % count);
    if (!taken.contains(candidate)) return candidate;
  }
  return std::nullopt;
}

// The node port that the old Service had for the same port and protocol; 0 where there was none.
int64_t old_node_port(const json::object* old_service, const json::object& port) {
  if (!old_service) return 0;
  for (const json::value& value : array_at(*old_service, {"spec", "ports"})) {
    const json::object* old_port = value.if_object();
    if (old_port && number_at(*old_port, {"port"}) == number_at(port, {"port"}) &&
        text_at(*old_port, {"protocol"}) == text_at(port, {"protocol"})) {
      return number_at(*old_port, {"nodePort"});
    }
  }
  return 0;
}

// Gives one port its node port: the wanted one if it is free, else any.
ApiResult<int64_t> allocate_port(const json::object& service, const std::string& field, int64_t wanted,
                                 const ServiceRanges& ranges, const std::set<uint16_t>& taken,
                                 const std::set<uint16_t>& own, Random& random) {
  if (wanted == 0) {
    const std::optional<uint16_t> port = pick_port(ranges, taken, random);
    if (!port) return std::unexpected(internal_error("failed to allocate a nodePort: range is full"));
    return *port;
  }
  if (wanted > 0 && wanted <= 65535 && own.contains(static_cast<uint16_t>(wanted))) return wanted;
  if (wanted < ranges.first_node_port || wanted > ranges.last_node_port) {
    return std::unexpected(service_invalid(
        service, field,
        fmt::format("{}: provided port is not in the valid range. The range of valid ports is {}-{}", wanted,
                    ranges.first_node_port, ranges.last_node_port)));
  }
  if (taken.contains(static_cast<uint16_t>(wanted))) {
    return std::unexpected(
        service_invalid(service, field, fmt::format("{}: provided port is already allocated", wanted)));
  }
  return wanted;
}

ApiResult<> allocate_node_ports(json::object& service, const json::object* old_service,
                                const ServiceHoldings& held, const ServiceRanges& ranges,
                                const TakenByServices& taken, Random& random) {
  json::value* ports = make_object(service, {"spec"}).if_contains("ports");
  if (!ports || !ports->is_array()) return {};
  const bool wanted = wants_node_ports(service);
  std::set<uint16_t> own = held.node_ports;  // of this Service, before and now
  std::set<uint16_t> busy = taken.node_ports;
  size_t index = 0;
  for (json::value& value : ports->get_array()) {
    json::object* port = value.if_object();
    const std::string field = fmt::format("spec.ports[{}].nodePort", index++);
    if (!port) continue;
    const int64_t old_port = old_node_port(old_service, *port);
    int64_t node_port = number_at(*port, {"nodePort"});
    if (!wanted) {
      // A type that has no node ports drops those that it had.
      const bool load_balancer = text_at(service, {"spec", "type"}) == "LoadBalancer";
      if (node_port == 0 || node_port == old_port || !load_balancer) {
        port->erase("nodePort");
        continue;
      }
    } else if (node_port == 0) {
      node_port = old_port;
    }
    node_port = TRY(allocate_port(service, field, node_port, ranges, busy, own, random));
    own.insert(static_cast<uint16_t>(node_port));
    busy.insert(static_cast<uint16_t>(node_port));
    (*port)["nodePort"] = node_port;
  }
  json::object& spec = make_object(service, {"spec"});
  if (!wants_health_check_port(service)) {
    spec.erase("healthCheckNodePort");
    return {};
  }
  spec["healthCheckNodePort"] =
      TRY(allocate_port(service, "spec.healthCheckNodePort", number_at(spec, {"healthCheckNodePort"}), ranges,
                        busy, own, random));
  return {};
}

template <class T>
std::vector<T> difference(const std::set<T>& a, const std::set<T>& b) {
  std::vector<T> out;
  std::ranges::set_difference(a, b, std::back_inserter(out));
  return out;
}

}  // namespace

ServiceHoldings holdings_of(const json::object& service) {
  ServiceHoldings held;
  if (text_at(service, {"spec", "type"}) == "ExternalName") return held;
  held.addresses = addresses_of_service(service);
  const auto add_port = [&](int64_t port) {
    if (port > 0 && port <= 65535) held.node_ports.insert(static_cast<uint16_t>(port));
  };
  for (const json::value& port : array_at(service, {"spec", "ports"})) {
    if (port.is_object()) add_port(number_at(port.get_object(), {"nodePort"}));
  }
  add_port(number_at(service, {"spec", "healthCheckNodePort"}));
  return held;
}

ApiResult<> allocate_service(json::object& service, const json::object* old_service,
                             const ServiceRanges& ranges, const TakenByServices& taken, Random& random) {
  const ServiceHoldings held = old_service ? holdings_of(*old_service) : ServiceHoldings();
  const std::string_view old_type = old_service ? text_at(*old_service, {"spec", "type"}) : "";
  if (old_service && old_type != "ExternalName" && text_at(service, {"spec", "type"}) != "ExternalName") {
    const std::string_view old_address = text_at(*old_service, {"spec", "clusterIP"});
    const std::string_view address = text_at(service, {"spec", "clusterIP"});
    if (!old_address.empty() && address != old_address) {
      return std::unexpected(service_invalid(service, "spec.clusterIPs[0]",
                                             fmt::format("[{}]: may not change once set", quote(address))));
    }
  }
  const Result<std::vector<ServiceRange>> families = parse_service_ranges(ranges.cidr);
  if (!families) return std::unexpected(internal_error(families.error().message));
  TRY(allocate_addresses(service, old_service, *families, taken.addresses, random));
  return allocate_node_ports(service, old_service, held, ranges, taken, random);
}

std::string ServiceAllocator::port_key(uint16_t port) const {
  return fmt::format("{}{}{}", root_, kNodePortFolder, port);
}

Claims::Take ServiceAllocator::address_claim(std::string_view address, std::string_view namespace_,
                                             std::string_view name) const {
  const json::object object{
      {"kind", "IPAddress"},
      {"apiVersion", "networking.k8s.io/v1"},
      {"metadata",
       {{"name", address},
        {"uid", random_.uuid()},
        {"creationTimestamp", format_rfc3339(clock_.wall_now())},
        {"labels",
         {{"ipaddress.kubernetes.io/ip-family", address.contains(':') ? "IPv6" : "IPv4"},
          {"ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"}}}}},
      {"spec",
       {{"parentRef",
         {{"group", ""}, {"resource", "services"}, {"namespace", namespace_}, {"name", name}}}}}};
  return {address_key(address), encode_stored(object)};
}

Claims ServiceAllocator::claims(const ServiceHoldings& before, const ServiceHoldings& after,
                                std::string_view namespace_, std::string_view name) const {
  Claims claims;
  for (const std::string& address : difference(after.addresses, before.addresses)) {
    claims.take.push_back(address_claim(address, namespace_, name));
  }
  for (const uint16_t port : difference(after.node_ports, before.node_ports)) {
    claims.take.push_back({port_key(port), fmt::format("{}/{}", namespace_, name)});
  }
  for (const std::string& address : difference(before.addresses, after.addresses)) {
    claims.release.push_back(address_key(address));
  }
  for (const uint16_t port : difference(before.node_ports, after.node_ports)) {
    claims.release.push_back(port_key(port));
  }
  return claims;
}

Task<ApiResult<std::vector<std::string>>> ServiceAllocator::keys_under(std::string prefix,
                                                                       uint64_t revision) {
  const Result<store::RangeResponse> response =
      co_await storage_.store().range({.key = prefix,
                                       .range_end = store::prefix_range_end(prefix),
                                       .revision = static_cast<int64_t>(revision),
                                       .keys_only = true});
  if (!response) co_return std::unexpected(ApiStatus(response.error()));
  std::vector<std::string> names;
  for (const store::KeyValue& kv : response->kvs) names.push_back(kv.key.substr(prefix.size()));
  co_return names;
}

Task<ApiResult<TakenByServices>> ServiceAllocator::taken(uint64_t revision) {
  TakenByServices taken;
  for (const std::string& name : CO_TRY(co_await keys_under(address_key(""), revision))) {
    if (const auto address = net::IpAddress::parse(name)) taken.addresses.insert(*address);
  }
  for (const std::string& name :
       CO_TRY(co_await keys_under(root_ + std::string(kNodePortFolder), revision))) {
    taken.node_ports.insert(static_cast<uint16_t>(std::strtoul(name.c_str(), nullptr, 10)));
  }
  co_return taken;
}

Task<ApiResult<Claims>> ServiceAllocator::allocate(json::object& service, const json::object* old_service) {
  const TakenByServices taken = CO_TRY(co_await this->taken(0));
  CO_TRY(allocate_service(service, old_service, ranges_, taken, random_));
  co_return claims(old_service ? holdings_of(*old_service) : ServiceHoldings(), holdings_of(service),
                   namespace_of(service), name_of(service));
}

Claims ServiceAllocator::release(const json::object& service) const {
  return claims(holdings_of(service), {}, namespace_of(service), name_of(service));
}

Task<ApiResult<size_t>> ServiceAllocator::repair(const ObjectList& services) {
  ServiceHoldings wanted;
  Claims missing;
  const TakenByServices taken = CO_TRY(co_await this->taken(services.revision));
  for (const CachedObjectPtr& cached : services.items) {
    const ObjectPtr service = cached->decode();
    ServiceHoldings held = holdings_of(*service);
    Claims all = claims({}, held, cached->namespace_, cached->name);
    for (const std::string& address : held.addresses) {
      const auto parsed = net::IpAddress::parse(address);
      if (!parsed || taken.addresses.contains(*parsed)) {
        std::erase_if(all.take, [&](const Claims::Take& take) { return take.key == address_key(address); });
      }
    }
    for (const uint16_t port : held.node_ports) {
      if (!taken.node_ports.contains(port)) continue;
      std::erase_if(all.take, [&](const Claims::Take& take) { return take.key == port_key(port); });
    }
    std::ranges::move(all.take, std::back_inserter(missing.take));
    wanted.addresses.merge(held.addresses);
    wanted.node_ports.merge(held.node_ports);
  }
  for (const net::IpAddress& address : taken.addresses) {
    const std::string text = address.to_string();
    if (!wanted.addresses.contains(text)) missing.release.push_back(address_key(text));
  }
  for (const uint16_t port : taken.node_ports) {
    if (!wanted.node_ports.contains(port)) missing.release.push_back(port_key(port));
  }
  for (Claims::Take& take : missing.take) {
    const auto put = co_await storage_.store().put({.key = take.key, .value = share(std::move(take.value))});
    if (!put) co_return std::unexpected(ApiStatus(put.error()));
  }
  for (std::string& key : missing.release) {
    const auto deleted = co_await storage_.store().delete_range({.key = key});
    if (!deleted) co_return std::unexpected(ApiStatus(deleted.error()));
  }
  co_return missing.take.size() + missing.release.size();
}

}  // namespace cloudless::apiserver
