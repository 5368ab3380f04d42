// Service, Ingress, NetworkPolicy, EndpointSlice.
#include <boost/json.hpp>
#include <set>

#include "schema/validation/rules.hpp"

namespace cloudless::schema::validation {
namespace {

const Object kEmpty;

const Object& spec_of(const Object& object) {
  const auto* spec = get_object(object, "spec");
  return spec ? *spec : kEmpty;
}

const Array& items_of(const Object& object, std::string_view name) {
  static const Array empty;
  const auto* array = get_array(object, name);
  return array ? *array : empty;
}

void check_service_port(Checker& out, const Object& port, bool needs_name, bool node_ports,
                        std::string_view type, const Path& path) {
  const auto name = get_text(port, "name");
  if (name.empty() && needs_name) out.add(required(path.child("name")));
  if (!name.empty()) out.add_all(path.child("name"), name, check_dns1123_label(name));
  const int64_t number = get_int(port, "port");
  for (const auto& complaint : check_port_number(number))
    out.add(invalid(path.child("port"), Value(number), complaint));
  out.port_or_name(get(port, "targetPort"), path.child("targetPort"));
  const int64_t node_port = get_int(port, "nodePort");
  if (node_port == 0) return;
  if (!node_ports) {
    out.add(forbidden(path.child("nodePort"), fmt::format("may not be used when `type` is '{}'", type)));
  } else {
    for (const auto& complaint : check_port_number(node_port))
      out.add(invalid(path.child("nodePort"), Value(node_port), complaint));
  }
}

void check_service_ports(Checker& out, const Object& spec, std::string_view type, const Path& path) {
  const Array& ports = items_of(spec, "ports");
  const bool node_ports = type == "NodePort" || type == "LoadBalancer";
  std::set<std::string, std::less<>> names, numbers, node_numbers;
  for (size_t i = 0; i < ports.size(); ++i) {
    const auto* port = ports[i].if_object();
    if (!port) continue;
    const Path at = path.index(i);
    check_service_port(out, *port, ports.size() > 1, node_ports, type, at);
    const auto name = get_text(*port, "name");
    const auto protocol = get_text(*port, "protocol");
    if (!name.empty() && !names.emplace(name).second) out.add(duplicate(at.child("name"), Value(name)));
    if (!numbers.insert(fmt::format("{}/{}", protocol, get_int(*port, "port"))).second) {
      out.add(duplicate(at, Object{{"protocol", protocol}, {"port", get_int(*port, "port")}}));
    }
    const int64_t node_port = get_int(*port, "nodePort");
    if (node_port != 0 && !node_numbers.insert(fmt::format("{}/{}", protocol, node_port)).second) {
      out.add(duplicate(at.child("nodePort"), Value(node_port)));
    }
  }
}

void check_addresses(Checker& out, const Object& spec, const Path& path) {
  const auto cluster_ip = get_text(spec, "clusterIP");
  if (!cluster_ip.empty() && cluster_ip != "None" && !check_ip(cluster_ip).empty()) {
    out.add(invalid(path.child("clusterIPs").index(0), cluster_ip, check_ip(cluster_ip)[0]));
  }
  const Array& external = items_of(spec, "externalIPs");
  for (size_t i = 0; i < external.size(); ++i) {
    const auto ip = text_of(&external[i]);
    const Path at = path.child("externalIPs").index(i);
    out.add_all(at, ip, check_ip(ip));
    if (ip == "0.0.0.0" || ip == "::") out.add(invalid(at, ip, "may not be unspecified (0.0.0.0 or ::)"));
    if (ip.starts_with("127.") || ip == "::1")
      out.add(invalid(at, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)"));
  }
  const Array& ranges = items_of(spec, "loadBalancerSourceRanges");
  for (size_t i = 0; i < ranges.size(); ++i) {
    out.add_all(path.child("loadBalancerSourceRanges").index(i), text_of(&ranges[i]),
                check_cidr(text_of(&ranges[i])));
  }
}

}  // namespace

void service(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  const auto type = get_text(spec, "type");
  const bool headless = get_text(spec, "clusterIP") == "None";
  if (items_of(spec, "ports").empty() && !headless && type != "ExternalName")
    out.add(required(path.child("ports")));
  check_service_ports(out, spec, type, path.child("ports"));
  out.labels(get_object(spec, "selector"), path.child("selector"));
  if (type == "ExternalName") {
    out.require_name(spec, "externalName", path, check_dns1123_subdomain);
    if (!get_text(spec, "clusterIP").empty()) {
      out.add(forbidden(path.child("clusterIPs"), "may not be set for ExternalName services"));
    }
  }
  if (headless && (type == "LoadBalancer" || type == "NodePort")) {
    out.add(invalid(path.child("clusterIPs").index(0), "None",
                    fmt::format("may not be set to 'None' for {} services", type)));
  }
  check_addresses(out, spec, path);
  const bool external =
      type == "NodePort" || type == "LoadBalancer" || !items_of(spec, "externalIPs").empty();
  if (!external && get(spec, "externalTrafficPolicy")) {
    out.add(invalid(path.child("externalTrafficPolicy"), member(spec, "externalTrafficPolicy"),
                    "may only be set for externally-accessible services"));
  }
  if (!old_object) return;
  const Object& old_spec = spec_of(*old_object);
  const auto old_ip = get_text(old_spec, "clusterIP");
  if (type != "ExternalName" && get_text(old_spec, "type") != "ExternalName" && !old_ip.empty() &&
      get_text(spec, "clusterIP") != old_ip) {
    boost::json::array addresses;
    if (const auto* all = get_array(spec, "clusterIPs")) addresses = *all;
    if (addresses.empty()) addresses.emplace_back(get_text(spec, "clusterIP"));
    out.add(invalid(path.child("clusterIPs").index(0), addresses, "may not change once set"));
  }
}

namespace {

void check_backend(Checker& out, const Object& backend, const Path& path) {
  const auto* service = get_object(backend, "service");
  const auto* resource = get_object(backend, "resource");
  if (service && resource) {
    out.add(invalid(path, "", "cannot set both resource and service backends"));
  } else if (!service && !resource) {
    out.add(required(path, "resource or service backend is required"));
  }
  if (!service) return;
  out.require_name(*service, "name", path.child("service"), check_dns1035_label);
  const auto* port = get_object(*service, "port");
  const auto port_name = port ? get_text(*port, "name") : std::string_view();
  const int64_t number = port ? get_int(*port, "number") : 0;
  const Path at = path.child("service").child("port");
  if (!port_name.empty() && number != 0) {
    out.add(invalid(path, "", "cannot set both port name & port number"));
  } else if (!port_name.empty()) {
    out.add_all(at.child("name"), port_name, check_port_name(port_name));
  } else if (number == 0) {
    out.add(required(path, "port name or number is required"));
  } else {
    for (const auto& complaint : check_port_number(number))
      out.add(invalid(at.child("number"), Value(number), complaint));
  }
}

void check_ingress_paths(Checker& out, const Object& http, const Path& path) {
  const Array& paths = items_of(http, "paths");
  if (paths.empty()) out.add(required(path));
  for (size_t i = 0; i < paths.size(); ++i) {
    const auto* one = paths[i].if_object();
    if (!one) continue;
    const Path at = path.index(i);
    const auto type = get_text(*one, "pathType");
    const auto text = get_text(*one, "path");
    if (type.empty()) out.add(required(at.child("pathType"), "pathType must be specified"));
    if ((type == "Exact" || type == "Prefix") && !text.starts_with('/')) {
      out.add(invalid(at.child("path"), text, "must be an absolute path"));
    } else if (!text.empty() && !text.starts_with('/')) {
      out.add(invalid(at.child("path"), text, "must be an absolute path"));
    }
    const auto* backend = get_object(*one, "backend");
    check_backend(out, backend ? *backend : kEmpty, at.child("backend"));
  }
}

void check_host(Checker& out, std::string_view host, const Path& path) {
  if (host.empty()) return;
  if (is_ipv4(host) || is_ipv6(host)) {
    out.add(invalid(path, host, "must be a DNS name, not an IP address"));
  } else if (host.find('*') != std::string_view::npos) {
    out.add_all(path, host, check_wildcard_dns1123_subdomain(host));
  } else {
    out.add_all(path, host, check_dns1123_subdomain(host));
  }
}

}  // namespace

void ingress(Checker& out, const Object& object, const Object*) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  const Array& rules = items_of(spec, "rules");
  const auto* backend = get_object(spec, "defaultBackend");
  if (rules.empty() && !backend) {
    out.add(invalid(path, Value(rules), "either `defaultBackend` or `rules` must be specified"));
  }
  if (backend) check_backend(out, *backend, path.child("defaultBackend"));
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto* rule = rules[i].if_object();
    if (!rule) continue;
    const Path at = path.child("rules").index(i);
    check_host(out, get_text(*rule, "host"), at.child("host"));
    if (const auto* http = get_object(*rule, "http"))
      check_ingress_paths(out, *http, at.child("http").child("paths"));
  }
  const Array& tls = items_of(spec, "tls");
  for (size_t i = 0; i < tls.size(); ++i) {
    const auto* one = tls[i].if_object();
    if (!one) continue;
    const Array& hosts = items_of(*one, "hosts");
    for (size_t k = 0; k < hosts.size(); ++k)
      check_host(out, text_of(&hosts[k]), path.child("tls").index(i).child("hosts").index(k));
    out.check_name(*one, "secretName", path.child("tls").index(i), check_dns1123_subdomain);
  }
  out.check_name(spec, "ingressClassName", path, check_dns1123_subdomain);
}

namespace {

void check_peer(Checker& out, const Object& peer, const Path& path) {
  const auto* block = get_object(peer, "ipBlock");
  const auto* pods = get_object(peer, "podSelector");
  const auto* namespaces = get_object(peer, "namespaceSelector");
  out.label_selector(pods, path.child("podSelector"));
  out.label_selector(namespaces, path.child("namespaceSelector"));
  if (!block && !pods && !namespaces) out.add(required(path, "must specify a peer"));
  if (!block) return;
  if (pods || namespaces) out.add(forbidden(path, "may not specify both ipBlock and another peer"));
  out.require_name(*block, "cidr", path.child("ipBlock"), check_cidr);
  const Array& except = items_of(*block, "except");
  for (size_t i = 0; i < except.size(); ++i) {
    out.add_all(path.child("ipBlock").child("except").index(i), text_of(&except[i]),
                check_cidr(text_of(&except[i])));
  }
}

void check_policy_rules(Checker& out, const Object& spec, std::string_view list, std::string_view peers,
                        const Path& path) {
  const Array& rules = items_of(spec, list);
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto* rule = rules[i].if_object();
    if (!rule) continue;
    const Path at = path.child(list).index(i);
    const Array& ports = items_of(*rule, "ports");
    for (size_t k = 0; k < ports.size(); ++k) {
      const auto* port = ports[k].if_object();
      if (!port) continue;
      const Path port_at = at.child("ports").index(k);
      out.port_or_name(get(*port, "port"), port_at.child("port"));
      if (const auto* end = get(*port, "endPort")) {
        if (get_int(*port, "endPort") < get_int(*port, "port")) {
          out.add(invalid(port_at.child("endPort"), *end, "must be greater than or equal to `port`"));
        }
        if (!get(*port, "port"))
          out.add(required(port_at.child("port"), "must be specified when `endPort` is specified"));
      }
    }
    const Array& others = items_of(*rule, peers);
    for (size_t k = 0; k < others.size(); ++k) {
      if (const auto* peer = others[k].if_object()) check_peer(out, *peer, at.child(peers).index(k));
    }
  }
}

}  // namespace

void network_policy(Checker& out, const Object& object, const Object*) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  out.label_selector(get_object(spec, "podSelector"), path.child("podSelector"));
  check_policy_rules(out, spec, "ingress", "from", path);
  check_policy_rules(out, spec, "egress", "to", path);
}

void endpoint_slice(Checker& out, const Object& object, const Object* old_object) {
  const auto type = get_text(object, "addressType");
  if (type.empty()) out.add(required(Path("addressType")));
  if (old_object) out.immutable(object, *old_object, "addressType", Path());
  const Array& endpoints = items_of(object, "endpoints");
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const auto* endpoint = endpoints[i].if_object();
    if (!endpoint) continue;
    const Path at = Path("endpoints").index(i).child("addresses");
    const Array& addresses = items_of(*endpoint, "addresses");
    if (addresses.empty()) out.add(required(at, "must contain at least 1 address"));
    for (size_t k = 0; k < addresses.size(); ++k) {
      const auto address = text_of(&addresses[k]);
      if (type == "IPv4" && !is_ipv4(address))
        out.add(invalid(at.index(k), address, "must be an IPv4 address"));
      if (type == "IPv6" && !is_ipv6(address))
        out.add(invalid(at.index(k), address, "must be an IPv6 address"));
      if (type == "FQDN") out.add_all(at.index(k), address, check_dns1123_subdomain(address));
    }
  }
}

}  // namespace cloudless::schema::validation
