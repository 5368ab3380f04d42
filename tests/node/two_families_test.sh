#!/usr/bin/env bash
# A cluster of two families on one node: pods and Services have an address of each, and are reached by both; a Service
# may have either alone. Names, node ports and endpoints follow.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/node/lib.sh

field() { kubectl get "$1" "$2" -o jsonpath="{$3}"; }
page() { on_host curl -sf --max-time 2 "http://$1/"; }

test_pods() {
  kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: page, labels: {app: page}}
spec:
  containers:
  - name: main
    image: $busybox
    command: [sh, -c, "echo the page > /tmp/index.html; exec httpd -f -p '[::]:80' -h /tmp"]
    readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}
YAML
  kubectl wait --for=condition=Ready pod/page --timeout=60s >/dev/null || fail "the pod: $(kubectl describe pod page)"
  local v4 v6
  v4=$(pod_field page '.status.podIPs[0].ip')
  v6=$(pod_field page '.status.podIPs[1].ip')
  [[ $v4 == 10.244.* && $v6 == fd00:10:244:* ]] || fail "addresses of the pod: $v4 $v6"
  await 20 page "$v4" || fail "the pod by $v4"
  await 20 page "[$v6]" || fail "the pod by $v6"
  ok "a pod has an address of each family and answers by both"
}

test_services() {
  kubectl apply -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: both}
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  selector: {app: page}
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: six}
spec: {ipFamilies: [IPv6], selector: {app: page}, ports: [{port: 80}], sessionAffinity: ClientIP}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, ipFamilyPolicy: RequireDualStack, selector: {app: page}, ports: [{port: 80}]}
YAML
  local v4 v6
  v4=$(field service both '.spec.clusterIPs[0]')
  v6=$(field service both '.spec.clusterIPs[1]')
  [[ $v4 == 10.* && $v6 == fd00:10:96:* ]] || fail "addresses of the Service: $v4 $v6"
  await 20 page "$v4" || fail "the Service by $v4"
  await 20 page "[$v6]" || fail "the Service by $v6"
  [ "$(kubectl get endpointslices -l kubernetes.io/service-name=both -o jsonpath='{.items[*].addressType}' | xargs -n1 | sort | xargs)" = 'IPv4 IPv6' ] ||
    fail "endpoint slices of both families"
  await 20 page "$node_ip:$(field service both '.spec.ports[0].nodePort')" || fail "the node port"
  [[ $(field service six '.spec.clusterIPs[*]') == fd00:10:96:* ]] || fail "a Service of IPv6 alone"
  await 20 page "[$(field service six '.spec.clusterIP')]" || fail "the Service of IPv6 alone, with session affinity"
  ok "Services of both families and of IPv6 alone answer, by node port too"

  local name=both.default.svc.cluster.local
  await 20 shows "^$v4$" on_host dig +short @$node_ip $name A || fail "A of $name"
  await 20 shows "^$v6$" on_host dig +short @$node_ip $name AAAA || fail "AAAA of $name"
  await 20 shows "^$name.$" on_host dig +short @$node_ip -x "$v6" || fail "PTR of $v6"
  await 20 shows "^fd00:10:244:" on_host dig +short @$node_ip headless.default.svc.cluster.local AAAA || fail "AAAA of headless"
  ok "their names have addresses of both families"
}

begin
# The host has a way out by IPv6 too, without which it would not send to a Service's address at all.
ip -n "$tag" addr add 2001:db8:100::1/64 dev eth0 nodad
ip -n "$tag" route add default via 2001:db8:100::2
says 'overlap' up --pod-network-cidr 10.244.0.0/16,fd00:10::/32 --service-cidr 10.96.0.0/12,fd00:10:96::/112 ||
  fail "networks that overlap in the second family"
up --pod-network-cidr 10.244.0.0/16,fd00:10:244::/56 --service-cidr 10.96.0.0/12,fd00:10:96::/112 >/dev/null || fail "the start"
await 20 kubectl get serviceaccount default || fail "no default service account"
test_pods
test_services
finish
