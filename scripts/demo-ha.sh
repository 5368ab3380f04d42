#!/usr/bin/env bash
# Three nodes on this machine, one of which loses its power. State: /var/lib/cloudless-demo-ha. scripts/demo-ha-clean.sh
# removes everything.
#
# Each node is a network namespace with its own data directory, containerd and cgroup; a fourth namespace holds the switch
# that joins them, a fifth is another machine on the wire. The addresses are of TEST-NET-2 (RFC 5737).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/demo-lib.sh
source scripts/demo-ha-lib.sh

require_root
step "Install what is needed and build" prepare
step "Three machines and a client on one wire" make_hosts
step "Start the cluster on node-1" start_first
for node in 2 3; do step "Join node-$node" join_node $node; done
kubectl get nodes -o wide

step "kubectl apply -f examples/demo" kubectl apply -f examples/demo
step "kubectl -n demo scale deployment web --replicas 3" kubectl -n demo scale deployment web --replicas 3
kubectl -n demo annotate --overwrite service web "external-dns.kubernetes.io/hostname=$name" >/dev/null
step "Three replicas run" kubectl -n demo rollout status deployment web --timeout 60s
kubectl -n demo get pods -o wide
step "$name has its address in the cluster's own DNS" await_name
step "nginx answers at http://$name/" await_page "http://$name/"

trap stop_requests EXIT
start_requests
step "The page is asked for, again and again" await 10 requests_flow
victim=$(announcer)
say "$address is announced by node-$victim. Its power goes now: no goodbye, no link."
off=$(date +%s%N)
power_off "$victim"
step "Another node takes the address over" await 30 taken_over "$victim"
say "node-$(announcer) announces $address now."
step "The page answers from the remaining nodes" await 30 answered_since "$off"
observe 15
stop_requests
printf '\nThe longest time without an answer: \033[1m%s\033[0m (%s requests answered, %s not).\n' \
  "$(longest_gap "$off")" "$(wc -l <"$answers")" "$(wc -l <"$failures")"
[ "$victim" = 1 ] || kubectl get nodes

cat <<END

Stop it and remove all traces:
  sudo scripts/demo-ha-clean.sh
END
