#!/usr/bin/env bash
# A one-node cluster on this machine, shown step by step. State: /var/lib/cloudless-demo. scripts/demo-clean.sh
# removes everything.
#
# The "network" is a veth pair: this machine has 198.51.100.1, and a network namespace plays another machine on the same
# wire with 198.51.100.2. The addresses are of TEST-NET-2 (RFC 5737), so nothing real is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/demo-lib.sh

require_root
step "Install what is needed and build" prepare

step "A wire with another machine on it" make_wire
step "Start the cluster" start_cluster
kubectl get nodes -o wide

say "The other machine asks for the page at $address, where nobody answers yet:"
client curl -sS --max-time 2 "http://$address/" || true

step "kubectl apply -f examples/demo/web.yaml" kubectl apply -f examples/demo/web.yaml
step "nginx answers at $address" await_page "http://$address/"
client curl -sS "http://$address/" | sed -n 's/.*<title>\(.*\)<\/title>.*/  \1/p'
kubectl -n demo get service,pods -o wide

step "kubectl apply -f examples/demo/zone.yaml" kubectl apply -f examples/demo/zone.yaml
step "kubectl annotate service web external-dns.kubernetes.io/hostname=$name" \
  kubectl -n demo annotate --overwrite service web "external-dns.kubernetes.io/hostname=$name"
step "$name has its address in the cluster's own DNS" await_name
client dig +short "@$node_ip" "$name"
client curl -sS --resolve "$name:80:$(client dig +short "@$node_ip" "$name")" "http://$name/" |
  sed -n 's/.*<title>\(.*\)<\/title>.*/  http:\/\/'"$name"' says: \1/p'

cat <<END

The cluster runs on. Try:
  export KUBECONFIG=$state/admin.conf
  kubectl get pods -A
  kubectl -n demo scale deployment web --replicas 3
  ip netns exec $client_ns curl http://$address/hostname
  dig @$node_ip $name
Stop it and remove all traces:
  sudo make demo-clean
END
