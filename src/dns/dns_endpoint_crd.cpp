#include "dns/dns_endpoint_crd.hpp"

namespace cloudless::dns {

std::string dns_endpoint_crd() {
  return R"json({
  "apiVersion": "apiextensions.k8s.io/v1",
  "kind": "CustomResourceDefinition",
  "metadata": {
    "name": "dnsendpoints.externaldns.k8s.io",
    "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/external-dns/pull/2007"}
  },
  "spec": {
    "group": "externaldns.k8s.io",
    "names": {"kind": "DNSEndpoint", "listKind": "DNSEndpointList", "plural": "dnsendpoints", "singular": "dnsendpoint"},
    "scope": "Namespaced",
    "versions": [{
      "name": "v1alpha1",
      "served": true,
      "storage": true,
      "subresources": {"status": {}},
      "schema": {"openAPIV3Schema": {
        "type": "object",
        "properties": {
          "apiVersion": {"type": "string"},
          "kind": {"type": "string"},
          "metadata": {"type": "object"},
          "spec": {"type": "object", "properties": {"endpoints": {"type": "array", "items": {
            "type": "object",
            "properties": {
              "dnsName": {"type": "string"},
              "labels": {"type": "object", "additionalProperties": {"type": "string"}},
              "providerSpecific": {"type": "array", "items": {"type": "object", "properties": {
                "name": {"type": "string"}, "value": {"type": "string"}}}},
              "recordTTL": {"type": "integer", "format": "int64"},
              "recordType": {"type": "string"},
              "setIdentifier": {"type": "string"},
              "targets": {"type": "array", "items": {"type": "string"}}
            }
          }}}},
          "status": {"type": "object", "properties": {"observedGeneration": {"type": "integer", "format": "int64"}}}
        }
      }}
    }]
  }
})json";
}

}  // namespace cloudless::dns
