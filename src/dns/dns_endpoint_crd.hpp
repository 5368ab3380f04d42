// The CustomResourceDefinition of DNSEndpoint, externaldns.k8s.io/v1alpha1.
#pragma once

#include <string>

namespace cloudless::dns {

/// As JSON. Facts: config/crd/standard/dnsendpoints.externaldns.k8s.io.yaml of kubernetes-sigs/external-dns.
std::string dns_endpoint_crd();

}  // namespace cloudless::dns
