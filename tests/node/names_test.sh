#!/usr/bin/env bash
# Names that objects of the cluster ask for, from kubectl to dig on another host: DNSEndpoints with every record type that
# ExternalDNS manages, Ingresses, Services; both prefixes of its annotations, ttl, target, wildcards; what cannot be served
# is said on the object.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/node/lib.sh

annotate() { kubectl annotate --overwrite "$@" >/dev/null; }
# ask NAME TYPE: the answers' data, as dig writes it.
ask() { client dig +short +tries=1 +time=2 @$node_ip "$1" "$2"; }
# answers, is NAME TYPE DATA: that is the answer, within a while.
answers() { [ "$(ask "$1" "$2")" = "$3" ]; }
is() { await 20 answers "$@" || fail "$1 $2: $(ask "$1" "$2")"; }
# section SECTION NAME TYPE: the records of one section, their fields one blank apart.
section() { client dig +noall "+$1" +tries=1 +time=2 @$node_ip "$2" "$3" | tr -s '[:blank:]' ' '; }

test_zone() {
  kubectl create configmap zones --dry-run=client -o yaml \
    --from-literal=home.example=$'$TTL 60\n@ IN SOA ns hostmaster 1 7200 900 1209600 60\n  IN NS ns\nns IN A 198.51.100.1\n' \
    --from-literal=100.51.198.in-addr.arpa=$'$TTL 60\n@ IN SOA ns.home.example. hostmaster.home.example. 1 7200 900 1209600 60\n  IN NS ns.home.example.\n' |
    kubectl label --local -f - cloudless/dns=zones -o yaml | kubectl apply -f - >/dev/null
  is ns.home.example A 198.51.100.1
}

test_dns_endpoints() {
  kubectl apply -f - >/dev/null <<'YAML'
apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: {name: records}
spec:
  endpoints:
  - {dnsName: four.home.example, recordType: A, recordTTL: 77, targets: [198.51.100.7, 198.51.100.8]}
  - {dnsName: six.home.example, recordType: AAAA, targets: ["2001:db8::7"]}
  - {dnsName: alias.home.example, recordType: CNAME, targets: [four.home.example]}
  - {dnsName: text.home.example, recordType: TXT, targets: ["some words"]}
  - {dnsName: _http._tcp.home.example, recordType: SRV, targets: [0 5 80 four.home.example]}
  - {dnsName: child.home.example, recordType: NS, targets: [ns.elsewhere.example]}
  - {dnsName: 7.100.51.198.in-addr.arpa, recordType: PTR, targets: [four.home.example]}
  - {dnsName: home.example, recordType: MX, targets: [10 four.home.example]}
  - {dnsName: sip.home.example, recordType: NAPTR, targets: ['100 10 "u" "E2U+sip" "!^.*$!sip:x@home.example!" .']}
  - {dnsName: "*.apps.home.example", recordType: A, targets: [198.51.100.9]}
YAML
  await 20 shows '^four.home.example. 77 IN A 198.51.100.7$' section answer four.home.example A || fail "A: $(ask four.home.example A)"
  [ "$(ask four.home.example A | sort | xargs)" = '198.51.100.7 198.51.100.8' ] || fail "A of two addresses"
  is six.home.example AAAA 2001:db8::7
  is alias.home.example CNAME four.home.example.
  is text.home.example TXT '"some words"'
  is _http._tcp.home.example SRV '0 5 80 four.home.example.'
  shows '^child.home.example. 300 IN NS ns.elsewhere.example.$' section authority www.child.home.example A || fail "NS"
  is 7.100.51.198.in-addr.arpa PTR four.home.example.
  is home.example MX '10 four.home.example.'
  is sip.home.example NAPTR '100 10 "u" "E2U+sip" "!^.*$!sip:x@home.example!" .'
  is any.thing.apps.home.example A 198.51.100.9
  ok "a DNSEndpoint with each type that ExternalDNS manages, and a wildcard"

  kubectl patch dnsendpoint records --type json -p '[{"op":"replace","path":"/spec/endpoints/1/targets","value":["2001:db8::8"]}]' >/dev/null
  is six.home.example AAAA 2001:db8::8
  is text.home.example TXT '"some words"'
  kubectl delete dnsendpoint records >/dev/null
  is six.home.example AAAA ''
  shows ' SOA ' section authority six.home.example AAAA || fail "no SOA where the name has gone"
  ok "its records follow it"

  kubectl apply -f - >/dev/null <<'YAML'
apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: {name: mistaken}
spec:
  endpoints:
  - {dnsName: a.home.example, recordType: A, targets: [198.51.100.300]}
  - {dnsName: b.home.example, recordType: SOA, targets: [x]}
  - {dnsName: c..home.example, recordType: A, targets: [198.51.100.7]}
  - {dnsName: ns.home.example, recordType: A, targets: [198.51.100.7]}
  - {dnsName: good.home.example, recordType: A, targets: [198.51.100.7]}
YAML
  is good.home.example A 198.51.100.7
  is ns.home.example A 198.51.100.1
  await_event 'mistaken InvalidTarget a.home.example A: "198.51.100.300" is not an IPv4 address' || fail "no InvalidTarget"
  await_event 'mistaken InvalidRecordType b.home.example: "SOA" is not one of' || fail "no InvalidRecordType"
  await_event 'mistaken InvalidHostname "c..home.example"' || fail "no InvalidHostname"
  await_event "mistaken RecordConflict ns.home.example. A is defined by the zone's text" || fail "no RecordConflict"
  ok "what a DNSEndpoint has wrong is said on it, the rest is served"
}

test_ingresses() {
  kubectl create ingress site --rule='site.home.example/*=web:80' >/dev/null
  kubectl patch ingress site --subresource status --type merge \
    -p '{"status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.20"}]}}}' >/dev/null
  is site.home.example A 198.51.100.20
  annotate ingress site external-dns.alpha.kubernetes.io/hostname=more.home.example external-dns.alpha.kubernetes.io/ttl=2m
  await 20 shows '^more.home.example. 120 IN A 198.51.100.20$' section answer more.home.example A || fail "hostname and ttl"
  annotate ingress site external-dns.kubernetes.io/target=lb.elsewhere.example
  is site.home.example CNAME lb.elsewhere.example.
  ok "an Ingress: its rules' hosts, and hostname, ttl and target by annotation"
}

test_services() {
  kubectl create service clusterip inner --tcp=80 >/dev/null
  kubectl patch service inner -p '{"spec":{"externalIPs":["198.51.100.30"]}}' >/dev/null
  annotate service inner external-dns.alpha.kubernetes.io/hostname=old.home.example
  is old.home.example A 198.51.100.30
  annotate service inner external-dns.kubernetes.io/hostname=new.home.example,*.new.home.example \
    external-dns.kubernetes.io/internal-hostname=inner.home.example
  is new.home.example A 198.51.100.30
  is any.new.home.example A 198.51.100.30
  is old.home.example A ''
  is inner.home.example A "$(kubectl get service inner -o jsonpath='{.spec.clusterIP}')"
  ok "a Service: the newer prefix of the annotations counts, wildcards, internal-hostname"
}

begin
up >/dev/null || fail "the start"
await 30 kubectl get dnsendpoints || fail "DNSEndpoints are not known"
test_zone
test_dns_endpoints
test_ingresses
test_services
finish
