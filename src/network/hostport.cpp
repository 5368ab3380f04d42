#include "network/hostport.hpp"

namespace cloudless::network {

namespace {

std::string_view family_of(const net::IpAddress& address) { return address.is_v4() ? "ip" : "ip6"; }

struct Element {
  std::string map;
  std::string key;
  std::string value;
};

// What one record puts into the maps of its family.
std::vector<Element> elements_of(const AddressRecord& record) {
  std::vector<Element> elements;
  for (const HostPort& port : record.host_ports) {
    if (port.host_ip && port.host_ip->is_v4() != record.address.is_v4()) continue;
    const std::string ports = fmt::format("{} . {}", port.protocol, port.host_port);
    const std::string target = fmt::format("{} . {}", record.address.to_string(), port.container_port);
    if (port.host_ip) {
      elements.push_back({"bound", fmt::format("{} . {}", port.host_ip->to_string(), ports), target});
    } else {
      elements.push_back({"ports", ports, target});
    }
  }
  return elements;
}

std::string table_script(const std::string& table, std::string_view family, std::string_view type,
                         std::string_view not_loopback) {
  std::string script = fmt::format(
      "add table {0} {1}\n"
      "add map {0} {1} ports {{ type inet_proto . inet_service : {2} . inet_service; }}\n"
      "add map {0} {1} bound {{ type {2} . inet_proto . inet_service : {2} . inet_service; }}\n"
      "add set {0} {1} hairpin {{ type {2} . {2}; }}\n"
      // Before the chains of Services: a host port wins over a node port, as with the portmap plugin.
      "add chain {0} {1} prerouting {{ type nat hook prerouting priority -105; }}\n"
      "add chain {0} {1} output {{ type nat hook output priority -105; }}\n"
      "add chain {0} {1} postrouting {{ type nat hook postrouting priority 95; }}\n"
      "flush chain {0} {1} prerouting\nflush chain {0} {1} output\nflush chain {0} {1} postrouting\n",
      family, table, type);
  for (const std::string_view chain : {"prerouting", "output"}) {
    for (const std::string& key : {fmt::format("{} daddr . meta l4proto . th dport map @bound", family),
                                   std::string("meta l4proto . th dport map @ports")}) {
      script += fmt::format(
          "add rule {0} {1} {2} fib daddr type local {0} daddr != {3} "
          "meta l4proto {{ tcp, udp, sctp }} dnat {0} to {4}\n",
          family, table, chain, not_loopback, key);
    }
  }
  script +=
      fmt::format("add rule {0} {1} postrouting {0} saddr . {0} daddr @hairpin masquerade\n", family, table);
  return script;
}

std::string change_script(const std::string& table, const std::vector<AddressRecord>& records,
                          std::string_view verb) {
  std::string script;
  for (const AddressRecord& record : records) {
    const std::string_view family = family_of(record.address);
    for (const Element& element : elements_of(record)) {
      script += fmt::format("{} element {} {} {} {{ {} : {} }}\n", verb, family, table, element.map,
                            element.key, element.value);
    }
    if (record.host_ports.empty()) continue;
    script += fmt::format("{0} element {1} {2} hairpin {{ {3} . {3} }}\n", verb, family, table,
                          record.address.to_string());
  }
  return script;
}

}  // namespace

std::string hostport_table_script(const std::string& table) {
  return table_script(table, "ip", "ipv4_addr", "127.0.0.0/8") +
         table_script(table, "ip6", "ipv6_addr", "::1");
}

std::string hostport_add_script(const std::string& table, const std::vector<AddressRecord>& records) {
  return change_script(table, records, "add");
}

std::string hostport_remove_script(const std::string& table, const std::vector<AddressRecord>& records) {
  // Adding first makes the removal of an absent element harmless within the one transaction.
  return change_script(table, records, "add") + change_script(table, records, "delete");
}

}  // namespace cloudless::network
