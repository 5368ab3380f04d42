// The records that people ask for on their objects, by ExternalDNS's rules: annotations on Services and
// Ingresses, and DNSEndpoint objects (externaldns.k8s.io/v1alpha1). Pure.
//
// Annotations, with either prefix (external-dns.alpha.kubernetes.io/ and external-dns.kubernetes.io/, the
// latter first):
//   hostname               names, comma-separated
//   internal-hostname      names for the cluster address, comma-separated
//   target                 what to point at instead of the load balancer's addresses, comma-separated
//   ttl                    seconds, or a duration ("1m")
//   controller             anything but "dns-controller" leaves the object to somebody else
//   ingress-hostname-source  "annotation-only" or "defined-hosts-only"
//
// Source: docs/annotations/annotations.md and source/{service,ingress,crd}.go of
// kubernetes-sigs/external-dns.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "api/core_v1.hpp"
#include "api/networking_v1.hpp"
#include "dns/origin.hpp"
#include "dns/zone.hpp"

namespace cloudless::dns {

inline constexpr uint32_t kDefaultRecordTtl = 300;

/// What one object asks for.
struct Wanted {
  Origin origin;
  std::vector<Record> records;
  std::vector<Problem> problems;
};

Wanted collect(const api::core::v1::Service& service);
Wanted collect(const api::networking::v1::Ingress& ingress);
/// A DNSEndpoint object.
Wanted collect_dns_endpoint(const boost::json::object& dns_endpoint);

}  // namespace cloudless::dns
