#include "dns/external_records.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <set>

#include "base/strings.hpp"

namespace cloudless::dns {

namespace json = boost::json;

namespace {

using Annotations = std::map<std::string, std::string>;

std::string_view annotation(const Annotations& annotations, std::string_view key) {
  for (const std::string_view prefix : {"external-dns.kubernetes.io/", "external-dns.alpha.kubernetes.io/"}) {
    const auto found = annotations.find(std::string(prefix).append(key));
    if (found != annotations.end()) return found->second;
  }
  return {};
}

std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> items;
  for (const std::string_view item : split(text, ',')) {
    if (const auto word = trim(item); !word.empty()) items.emplace_back(word);
  }
  return items;
}

bool left_to_others(const Annotations& annotations) {
  const auto controller = annotation(annotations, "controller");
  return !controller.empty() && controller != "dns-controller";
}

class Collector {
 public:
  Collector(Wanted& wanted, const Annotations& annotations)
      : wanted_(wanted), ttl_(read_ttl(annotation(annotations, "ttl"))) {}

  void add(std::string_view hostname, const std::vector<std::string>& targets) {
    for (const std::string& target : targets) add_target(hostname, target);
  }

  /// A record as a DNSEndpoint spells it out.
  void add(std::string_view hostname, Type type, uint32_t ttl, std::string_view data) {
    const auto owner = Name::parse(hostname);
    if (!owner)
      return problem("InvalidHostname", fmt::format("{}: {}", quote(hostname), owner.error().message));
    auto rdata = parse_rdata(type, data, Name());
    if (!rdata) {
      return problem("InvalidTarget",
                     fmt::format("{} {}: {}", hostname, to_text(type), rdata.error().message));
    }
    wanted_.records.push_back({owner->canonical(), type, ttl, std::move(*rdata)});
  }

  void problem(std::string reason, std::string message) {
    wanted_.problems.push_back({wanted_.origin, std::move(reason), std::move(message)});
  }

 private:
  // An address makes an A or AAAA record, anything else a CNAME.
  void add_target(std::string_view hostname, std::string_view target) {
    const Type type = parse_ipv4(target) ? Type::kA : parse_ipv6(target) ? Type::kAaaa : Type::kCname;
    add(hostname, type, ttl_, target);
  }

  uint32_t read_ttl(std::string_view text) {
    if (text.empty()) return kDefaultRecordTtl;
    uint32_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error == std::errc() && end == text.data() + text.size()) return std::max(seconds, 1u);
    const auto duration = parse_duration(text);
    if (duration && *duration >= std::chrono::seconds(1) && *duration < std::chrono::hours(24 * 365)) {
      return static_cast<uint32_t>(std::chrono::floor<std::chrono::seconds>(*duration).count());
    }
    problem("InvalidTTL",
            fmt::format("{} is not a TTL, {} seconds are used", quote(text), kDefaultRecordTtl));
    return kDefaultRecordTtl;
  }

  Wanted& wanted_;
  uint32_t ttl_;
};

template <class Object>
Origin origin_of(const Object& object) {
  return {std::string(Object::kKind), std::string(Object::kApiVersion), object.metadata.namespace_,
          object.metadata.name, object.metadata.uid};
}

template <class Ingresses>
std::vector<std::string> targets_of(const Ingresses& ingresses) {
  std::vector<std::string> targets;
  for (const auto& ingress : ingresses) {
    if (!ingress.ip.empty()) targets.push_back(ingress.ip);
    if (!ingress.hostname.empty()) targets.push_back(ingress.hostname);
  }
  return targets;
}

// What a Service's public names point at without a target annotation (source/service.go, generateEndpoints).
std::vector<std::string> service_targets(const api::core::v1::Service& service) {
  if (service.spec.type == "LoadBalancer") {
    return service.spec.externalIPs.empty() ? targets_of(service.status.loadBalancer.ingress)
                                            : service.spec.externalIPs;
  }
  if (service.spec.type == "ExternalName") return {service.spec.externalName};
  return service.spec.externalIPs;
}

std::set<std::string> ingress_hosts(const api::networking::v1::Ingress& ingress) {
  const std::string_view source = annotation(ingress.metadata.annotations, "ingress-hostname-source");
  std::set<std::string> hosts;
  if (source != "annotation-only") {
    for (const auto& rule : ingress.spec.rules) {
      if (!rule.host.empty()) hosts.insert(rule.host);
    }
    for (const auto& tls : ingress.spec.tls) hosts.insert(tls.hosts.begin(), tls.hosts.end());
    hosts.erase("");
  }
  if (source != "defined-hosts-only") {
    for (auto& host : list_of(annotation(ingress.metadata.annotations, "hostname")))
      hosts.insert(std::move(host));
  }
  return hosts;
}

std::string_view text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value ? value->if_object() : nullptr;
}

const json::array* array_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value ? value->if_array() : nullptr;
}

// The types that ExternalDNS manages (endpoint/endpoint.go).
constexpr Type kEndpointTypes[] = {Type::kA,  Type::kAaaa, Type::kCname, Type::kTxt,  Type::kSrv,
                                   Type::kNs, Type::kPtr,  Type::kMx,    Type::kNaptr};

void collect_endpoint(const json::object& endpoint, Collector& collector) {
  const std::string_view hostname = text_at(endpoint, "dnsName");
  const std::string_view type_text = text_at(endpoint, "recordType");
  const auto type = parse_type(type_text);
  if (!type || std::ranges::find(kEndpointTypes, *type) == std::end(kEndpointTypes)) {
    return collector.problem("InvalidRecordType",
                             fmt::format("{}: {} is not one of A, AAAA, CNAME, TXT, SRV, NS, PTR, MX, NAPTR",
                                         hostname, quote(type_text)));
  }
  const json::value* ttl = endpoint.if_contains("recordTTL");
  const int64_t seconds =
      ttl && ttl->is_int64() && ttl->get_int64() > 0 ? ttl->get_int64() : kDefaultRecordTtl;
  const json::array* targets = array_at(endpoint, "targets");
  if (!targets) return;
  for (const json::value& target : *targets) {
    if (!target.is_string()) continue;
    // ExternalDNS takes TXT targets as they are, quoted or not.
    std::string data(target.get_string());
    if (*type == Type::kTxt && !data.starts_with('"')) data = quote(data);
    collector.add(hostname, *type, static_cast<uint32_t>(std::min<int64_t>(seconds, INT32_MAX)), data);
  }
}

}  // namespace

Wanted collect(const api::core::v1::Service& service) {
  Wanted wanted{.origin = origin_of(service), .records = {}, .problems = {}};
  const Annotations& annotations = service.metadata.annotations;
  const auto hostnames = list_of(annotation(annotations, "hostname"));
  const auto internal_hostnames = list_of(annotation(annotations, "internal-hostname"));
  if (left_to_others(annotations) || (hostnames.empty() && internal_hostnames.empty())) return wanted;
  Collector collector(wanted, annotations);
  auto targets = list_of(annotation(annotations, "target"));
  if (targets.empty()) targets = service_targets(service);
  for (const auto& hostname : hostnames) collector.add(hostname, targets);
  if (service.spec.clusterIP == "None") return wanted;
  for (const auto& hostname : internal_hostnames) collector.add(hostname, service.spec.clusterIPs);
  return wanted;
}

Wanted collect(const api::networking::v1::Ingress& ingress) {
  Wanted wanted{.origin = origin_of(ingress), .records = {}, .problems = {}};
  const Annotations& annotations = ingress.metadata.annotations;
  const auto hosts = ingress_hosts(ingress);
  if (left_to_others(annotations) || hosts.empty()) return wanted;
  Collector collector(wanted, annotations);
  auto targets = list_of(annotation(annotations, "target"));
  if (targets.empty()) targets = targets_of(ingress.status.loadBalancer.ingress);
  for (const auto& host : hosts) collector.add(host, targets);
  return wanted;
}

Wanted collect_dns_endpoint(const json::object& dns_endpoint) {
  Wanted wanted;
  const json::object* metadata = object_at(dns_endpoint, "metadata");
  const json::object* spec = object_at(dns_endpoint, "spec");
  const json::array* endpoints = spec ? array_at(*spec, "endpoints") : nullptr;
  if (!metadata) return wanted;
  wanted.origin = {"DNSEndpoint", "externaldns.k8s.io/v1alpha1", std::string(text_at(*metadata, "namespace")),
                   std::string(text_at(*metadata, "name")), std::string(text_at(*metadata, "uid"))};
  if (!endpoints) return wanted;
  Collector collector(wanted, {});
  for (const json::value& endpoint : *endpoints) {
    if (endpoint.is_object()) collect_endpoint(endpoint.get_object(), collector);
  }
  return wanted;
}

}  // namespace cloudless::dns
