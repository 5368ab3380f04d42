#include "network/service_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::network {

namespace {

constexpr size_t kIdDigits = 12;

std::string_view protocol_word(Family family) { return family == Family::kV4 ? "ip" : "ip6"; }
std::string_view address_type(Family family) { return family == Family::kV4 ? "ipv4_addr" : "ipv6_addr"; }
bool in_family(const net::IpAddress& address, Family family) {
  return address.is_v4() == (family == Family::kV4);
}

std::vector<net::IpAddress> of_family(const std::vector<net::IpAddress>& addresses, Family family) {
  std::vector<net::IpAddress> found;
  std::ranges::copy_if(addresses, std::back_inserter(found),
                       [family](const auto& address) { return in_family(address, family); });
  return found;
}

// "{ 10.0.0.0/8, 192.0.2.0/24 }" of that family; empty where there is none.
std::string prefix_set(const std::vector<net::Prefix>& prefixes, Family family) {
  std::set<std::string> texts;
  for (const net::Prefix& prefix : prefixes) {
    if (in_family(prefix.address, family)) texts.insert(prefix.masked().to_string());
  }
  return texts.empty() ? std::string() : "{ " + join(texts, ", ") + " }";
}

std::string id_of(const std::string& text) { return hex_encode(sha256(text)).substr(0, kIdDigits); }

// The two ways in: by an address of the Service's own, or by a port of the node's.
enum class Space { kVip, kNodePort };
enum class Among { kAll, kLocal };

std::string_view space_name(Space space) { return space == Space::kVip ? "vip" : "np"; }
std::string map_name(Space space, Among among) {
  return fmt::format("{}-{}", space_name(space), among == Among::kAll ? "all" : "local");
}
std::string map_key(Space space, Family family) {
  const std::string ports = "meta l4proto . th dport";
  return space == Space::kVip ? fmt::format("{} daddr . {}", protocol_word(family), ports) : ports;
}
std::string_view no_endpoints_map(Space space) {
  return space == Space::kVip ? "no-endpoints" : "no-endpoints-np";
}
std::string_view frontend_map(Space space) { return space == Space::kVip ? "vips" : "nodeports"; }

std::string choice_chain(Space space, Among among, size_t count) {
  return fmt::format("{}-{}", map_name(space, among), count);
}

bool usable(const ServiceEndpoint& endpoint, const NodeContext& node) {
  return endpoint.node.empty() || !node.is_dead(endpoint.node);
}

// The endpoints to use: ready ones; without any, those that still serve while they terminate (KEP-1669).
std::vector<ServiceEndpoint> select_endpoints(const ServicePortView& port, const NodeContext& node,
                                              Among among, std::optional<Family> family) {
  std::vector<ServiceEndpoint> ready, terminating;
  for (const ServiceEndpoint& endpoint : port.endpoints) {
    if (family && !in_family(endpoint.address, *family)) continue;
    if (among == Among::kLocal && endpoint.node != node.node_name) continue;
    if (!usable(endpoint, node)) continue;
    if (endpoint.ready) {
      ready.push_back(endpoint);
    } else if (endpoint.serving && endpoint.terminating) {
      terminating.push_back(endpoint);
    }
  }
  std::vector<ServiceEndpoint> chosen = ready.empty() ? std::move(terminating) : std::move(ready);
  const auto order = [](const ServiceEndpoint& e) { return std::pair(e.address, e.port); };
  std::ranges::sort(chosen, {}, order);
  const auto repeated = std::ranges::unique(chosen, {}, order);
  chosen.erase(repeated.begin(), repeated.end());
  if (chosen.size() > kMaxEndpoints) chosen.resize(kMaxEndpoints);
  return chosen;
}

// Builds the fragment of one port of a Service in one family.
class PortPlanner {
 public:
  PortPlanner(const ServiceView& service, const ServicePortView& port, const NodeContext& node, Family family,
              Fragment& fragment)
      : service_(service),
        port_(port),
        node_(node),
        family_(family),
        fragment_(fragment),
        all_(select_endpoints(port, node, Among::kAll, family)),
        local_(select_endpoints(port, node, Among::kLocal, family)),
        id_(id_of(fmt::format("{}/{}/{}", service.key, port.protocol, port.port))) {}

  void plan() {
    for (const net::IpAddress& address : of_family(service_.cluster_ips, family_))
      add_frontend(Space::kVip, address.to_string(), cluster_ip_verdict());
    for (const net::IpAddress& address : of_family(service_.external_ips, family_))
      add_frontend(Space::kVip, address.to_string(), external_verdict(Space::kVip));
    for (const net::IpAddress& address : of_family(service_.load_balancer_ips, family_)) {
      add_frontend(Space::kVip, address.to_string(), restricted(external_verdict(Space::kVip)));
    }
    if (port_.node_port != 0) add_frontend(Space::kNodePort, "", external_verdict(Space::kNodePort));
    for (const ServiceEndpoint& endpoint : local_) {
      const std::string address = endpoint.address.to_string();
      fragment_.elements["hairpin"][address + " . " + address];
    }
  }

 private:
  std::string cluster_ip_verdict() {
    if (all_.empty()) return {};
    if (service_.internal_policy == TrafficPolicy::kCluster) return "goto " + pick(Space::kVip, Among::kAll);
    return local_.empty() ? "drop" : "goto " + pick(Space::kVip, Among::kLocal);
  }

  std::string external_verdict(Space space) {
    if (all_.empty()) return {};
    const std::string own = prefix_set(node_.pod_cidrs, family_);
    const std::string outside = masquerading(space);
    if (service_.external_policy == TrafficPolicy::kCluster) return "goto " + outside;

    const std::string all = pick(space, Among::kAll);
    const std::string here = local_.empty() ? "drop" : "goto " + pick(space, Among::kLocal);
    const std::string chain = service_.client_affinity ? fmt::format("{}-extlocal-{}", space_name(space), id_)
                                                       : fmt::format("{}-extlocal-{}-{}", space_name(space),
                                                                     all_.size(), local_.size());
    std::vector<std::string>& rules = fragment_.chains[chain];
    rules.clear();
    if (!own.empty()) rules.push_back(fmt::format("{} saddr {} goto {}", protocol_word(family_), own, all));
    rules.push_back("fib saddr type local goto " + outside);
    rules.push_back(here);
    return "goto " + chain;
  }

  // Marks what does not come from a pod of this node, whose answers pass here anyway.
  std::string masquerading(Space space) {
    const std::string chain = service_.client_affinity
                                  ? fmt::format("{}-ext-{}", space_name(space), id_)
                                  : fmt::format("{}-ext-{}", space_name(space), all_.size());
    const std::string own = prefix_set(node_.pod_cidrs, family_);
    const std::string condition =
        own.empty() ? std::string() : fmt::format("{} saddr != {} ", protocol_word(family_), own);
    const std::string target = pick(space, Among::kAll);
    fragment_.chains[chain] = {fmt::format("{}meta mark set meta mark | 0x{:x}", condition, kMasqueradeMark),
                               "goto " + target};
    return chain;
  }

  std::string restricted(const std::string& verdict) {
    if (service_.source_ranges.empty() || verdict.empty()) return verdict;
    const std::string ranges = prefix_set(service_.source_ranges, family_);
    const std::string chain = "fw-" + id_;
    std::vector<std::string>& rules = fragment_.chains[chain];
    rules.clear();
    if (ranges.empty()) {
      rules.push_back("drop");
    } else {
      rules.push_back(fmt::format("{} saddr != {} drop", protocol_word(family_), ranges));
      rules.push_back(verdict);
    }
    return "goto " + chain;
  }

  // The chain that sends to one of the endpoints.
  std::string pick(Space space, Among among) {
    const std::vector<ServiceEndpoint>& endpoints = among == Among::kAll ? all_ : local_;
    if (service_.client_affinity) return affinity(among, endpoints);
    used_.insert({space, among});
    return choice_chain(space, among, endpoints.size());
  }

  std::string affinity(Among among, const std::vector<ServiceEndpoint>& endpoints) {
    const std::string chain = fmt::format("aff-{}-{}", id_, among == Among::kAll ? "all" : "local");
    std::vector<std::string> known, chosen;
    for (const ServiceEndpoint& endpoint : endpoints) {
      const std::string member = affinity_endpoint(endpoint);
      known.push_back(fmt::format("{} saddr @{} goto {}", protocol_word(family_), member, member));
      chosen.push_back(fmt::format("{} : goto {}", chosen.size(), member));
    }
    known.push_back(fmt::format("numgen random mod {} vmap {{ {} }}", endpoints.size(), join(chosen, ", ")));
    fragment_.chains[chain] = std::move(known);
    return chain;
  }

  // The chain and the set of clients of one endpoint; both have one name.
  std::string affinity_endpoint(const ServiceEndpoint& endpoint) {
    const std::string target = fmt::format("{} . {}", endpoint.address.to_string(), endpoint.port);
    const std::string name = fmt::format("ep-{}-{}", id_, id_of(target));
    const auto timeout = service_.client_affinity->count();
    fragment_.sets[name] = fmt::format("type {}; size 65535; flags dynamic,timeout; timeout {}s;",
                                       address_type(family_), timeout);
    fragment_.chains[name] = {fmt::format("update @{} {{ {} saddr }}", name, protocol_word(family_)),
                              fmt::format("meta l4proto {} dnat {} to {}", port_.protocol,
                                          protocol_word(family_), dnat_target(endpoint))};
    return name;
  }

  std::string dnat_target(const ServiceEndpoint& endpoint) const {
    return net::SocketAddress{endpoint.address, endpoint.port}.to_string();
  }

  void add_frontend(Space space, const std::string& address, const std::string& verdict) {
    const uint16_t number = space == Space::kVip ? port_.port : port_.node_port;
    const std::string ports = fmt::format("{} . {}", port_.protocol, number);
    const std::string key = address.empty() ? ports : address + " . " + ports;
    if (all_.empty()) {
      fragment_.elements[std::string(no_endpoints_map(space))][key] = "goto refuse";
    } else {
      fragment_.elements[std::string(frontend_map(space))][key] = verdict;
      add_choices(space, Among::kAll, key, all_);
      add_choices(space, Among::kLocal, key, local_);
    }
    if (space == Space::kVip) fragment_.elements["service-ips"][address];
  }

  void add_choices(Space space, Among among, const std::string& key,
                   const std::vector<ServiceEndpoint>& endpoints) {
    if (!used_.contains({space, among})) return;
    auto& map = fragment_.elements[map_name(space, among)];
    for (size_t index = 0; index < endpoints.size(); ++index) {
      map[fmt::format("{} . {}", key, index)] =
          fmt::format("{} . {}", endpoints[index].address.to_string(), endpoints[index].port);
    }
  }

  const ServiceView& service_;
  const ServicePortView& port_;
  const NodeContext& node_;
  const Family family_;
  Fragment& fragment_;
  const std::vector<ServiceEndpoint> all_;
  const std::vector<ServiceEndpoint> local_;
  const std::string id_;
  std::set<std::pair<Space, Among>> used_;  // the maps that some verdict looks into
};

std::string maps_text(Family family) {
  const std::string_view type = address_type(family);
  const std::string_view word = protocol_word(family);
  std::string text = fmt::format(
      "map vips {{ type {0} . inet_proto . inet_service : verdict; }}\n"
      "map nodeports {{ type inet_proto . inet_service : verdict; }}\n"
      "map no-endpoints {{ type {0} . inet_proto . inet_service : verdict; }}\n"
      "map no-endpoints-np {{ type inet_proto . inet_service : verdict; }}\n"
      "set service-ips {{ type {0}; }}\n"
      "set hairpin {{ type {0} . {0}; }}\n",
      type);
  for (const Space space : {Space::kVip, Space::kNodePort}) {
    for (const Among among : {Among::kAll, Among::kLocal}) {
      text += fmt::format("map {} {{ typeof {} . numgen random mod 65536 : {} daddr . th dport; }}\n",
                          map_name(space, among), map_key(space, family), word);
    }
  }
  return text;
}

std::string choices_text(Family family, size_t count) {
  std::string text;
  for (const Space space : {Space::kVip, Space::kNodePort}) {
    for (const Among among : {Among::kAll, Among::kLocal}) {
      for (size_t choices = 1; choices <= count; ++choices) {
        text += fmt::format(
            "chain {} {{\nmeta l4proto {{ tcp, udp, sctp }} dnat {} to {} . numgen random mod {} map "
            "@{}\n}}\n",
            choice_chain(space, among, choices), protocol_word(family), map_key(space, family), choices,
            map_name(space, among));
      }
    }
  }
  return text;
}

std::string loopback(Family family) { return family == Family::kV4 ? "127.0.0.0/8" : "::1"; }

std::string nat_text(Family family, const NodeContext& node) {
  const std::string_view word = protocol_word(family);
  const std::string at_node = prefix_set(node.node_port_addresses, family);
  std::string text = fmt::format(
      "chain services {{\n{0} daddr . meta l4proto . th dport vmap @vips\n"
      "fib daddr type local {0} daddr != {1} {2}meta l4proto . th dport vmap @nodeports\n}}\n",
      word, loopback(family), at_node.empty() ? std::string() : fmt::format("{} daddr {} ", word, at_node));
  text += "chain prerouting {\ntype nat hook prerouting priority -100;\n";
  const std::string cluster = prefix_set(node.cluster_cidrs, family);
  const std::string services = prefix_set(node.service_cidrs, family);
  // A machine outside the cluster that routes cluster IPs here must get its answers from here.
  if (!cluster.empty() && !services.empty())
    text += fmt::format("{0} saddr != {1} {0} daddr {2} meta mark set meta mark | 0x{3:x}\n", word, cluster,
                        services, kMasqueradeMark);
  text += "goto services\n}\nchain output {\ntype nat hook output priority -100;\ngoto services\n}\n";
  text += fmt::format(
      "chain postrouting {{\ntype nat hook postrouting priority 100;\n"
      // Cleared before it leaves: the mark would stay on the packet that VXLAN wraps around it.
      "meta mark & 0x{0:x} == 0x{0:x} meta mark set meta mark & 0x{1:x} masquerade\n"
      "{2} saddr . {2} daddr @hairpin masquerade\n}}\n",
      kMasqueradeMark, ~kMasqueradeMark, word);
  return text;
}

std::string filter_text(Family family, const NodeContext& node) {
  const std::string_view word = protocol_word(family);
  const std::string vip = fmt::format("{} daddr . meta l4proto . th dport vmap @no-endpoints\n", word);
  const std::string node_port = "fib daddr type local meta l4proto . th dport vmap @no-endpoints-np\n";
  std::string unknown =
      fmt::format("{} daddr @service-ips meta l4proto {{ tcp, udp, sctp }} goto refuse\n", word);
  if (const std::string services = prefix_set(node.service_cidrs, family); !services.empty())
    unknown += fmt::format("{} daddr {} goto refuse\n", word, services);
  // A process's own connection is refused at once by a reset alone: an ICMP error finds its socket locked.
  std::string text = "chain refuse {\nmeta l4proto tcp reject with tcp reset\nreject\n}\n";
  text += "chain filter-input {\ntype filter hook input priority 0;\nct state new " + vip + "ct state new " +
          node_port + "}\n";
  text +=
      "chain filter-forward {\ntype filter hook forward priority 0;\nct state new " + vip + unknown + "}\n";
  text += "chain filter-output {\ntype filter hook output priority 0;\nct state new " + vip +
          "ct state new " + node_port;
  if (const std::string services = prefix_set(node.service_cidrs, family); !services.empty())
    text += fmt::format("{} daddr {} goto refuse\n", word, services);
  return text + "}\n";
}

// "10.96.0.10 . udp . 53 . 2" -> 10.96.0.10, 53; only of udp.
std::optional<StaleFlow> parse_udp_key(Space space, std::string_view key) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(key, ' ')) {
    if (part != "." && !part.empty()) parts.emplace_back(part);
  }
  const size_t at = space == Space::kVip ? 1 : 0;
  if (parts.size() < at + 2 || parts[at] != "udp") return std::nullopt;
  return StaleFlow{space == Space::kVip ? parts[0] : "", static_cast<uint16_t>(std::stoi(parts[at + 1])), ""};
}

// Where each UDP frontend leads, with the endpoints' addresses.
std::set<StaleFlow> udp_flows(const Fragment& fragment) {
  std::set<StaleFlow> flows;
  for (const Space space : {Space::kVip, Space::kNodePort}) {
    for (const Among among : {Among::kAll, Among::kLocal}) {
      const auto map = fragment.elements.find(map_name(space, among));
      if (map == fragment.elements.end()) continue;
      for (const auto& [key, value] : map->second) {
        auto flow = parse_udp_key(space, key);
        if (!flow) continue;
        flow->endpoint = value.substr(0, value.find(' '));
        flows.insert(std::move(*flow));
      }
    }
  }
  return flows;
}

std::set<StaleFlow> refused_udp(const Fragment& fragment) {
  std::set<StaleFlow> flows;
  for (const Space space : {Space::kVip, Space::kNodePort}) {
    const auto map = fragment.elements.find(std::string(no_endpoints_map(space)));
    if (map == fragment.elements.end()) continue;
    for (const auto& [key, value] : map->second) {
      if (auto flow = parse_udp_key(space, key)) flows.insert(std::move(*flow));
    }
  }
  return flows;
}

}  // namespace

std::string service_table_base(Family family, const NodeContext& node) {
  return maps_text(family) + choices_text(family, node.prepared_choices) + nat_text(family, node) +
         filter_text(family, node);
}

size_t choices_needed(const ServiceView& service, const NodeContext& node) {
  size_t most = 0;
  for (const ServicePortView& port : service.ports) {
    for (const Family family : {Family::kV4, Family::kV6})
      most = std::max(most, select_endpoints(port, node, Among::kAll, family).size());
  }
  return most;
}

Fragment plan_service(const ServiceView& service, const NodeContext& node, Family family) {
  Fragment fragment;
  for (const ServicePortView& port : service.ports) {
    const bool served = std::ranges::any_of(
        service.cluster_ips, [family](const auto& address) { return in_family(address, family); });
    if (served) PortPlanner(service, port, node, family, fragment).plan();
  }
  return fragment;
}

std::set<StaleFlow> stale_udp_flows(const Fragment& before, const Fragment& after) {
  std::set<StaleFlow> stale;
  const std::set<StaleFlow> now = udp_flows(after);
  for (const StaleFlow& flow : udp_flows(before)) {
    if (!now.contains(flow)) stale.insert(flow);
  }
  const std::set<StaleFlow> still_refused = refused_udp(after);
  for (const StaleFlow& flow : refused_udp(before)) {
    if (!still_refused.contains(flow)) stale.insert(flow);
  }
  return stale;
}

size_t count_local_endpoints(const ServiceView& service, const NodeContext& node) {
  std::set<net::IpAddress> addresses;
  for (const ServicePortView& port : service.ports) {
    for (const ServiceEndpoint& endpoint : select_endpoints(port, node, Among::kLocal, std::nullopt)) {
      if (endpoint.ready) addresses.insert(endpoint.address);
    }
  }
  return addresses.size();
}

}  // namespace cloudless::network
