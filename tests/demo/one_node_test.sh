#!/usr/bin/env bash
# The one-node demo as a user runs it, then what a user may meet: the program killed at once and started again, a second
# start on the same data, bad manifests. In the end nothing of it remains on the machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/demo-lib.sh
source tests/support/shell.sh

fail() {
  echo "FAILED: $*" >&2
  [ ! -f $state/cloudless.log ] || tail -n 40 $state/cloudless.log >&2
  exit 1
}

traces() {
  {
    ip -br link | awk '{print $1}'
    nft list tables
    grep -F "$state" /proc/self/mounts || true
    ps -eo args | grep -F "$state" | grep -vF grep || true
    ls -d $state /run/cloudless/* /sys/fs/cgroup/*/kubepods 2>/dev/null || true
  } | sort
}

is_gone() { [ ! -e "/proc/$1" ]; }

scripts/demo-clean.sh >/dev/null
before=$(traces)
trap 'scripts/demo-clean.sh >/dev/null' EXIT

scripts/demo.sh > build/demo/output.txt 2>&1 || fail "the demo: $(tail -n 20 build/demo/output.txt)"
grep -q 'http://www.home.example says: Welcome to nginx!' build/demo/output.txt || fail "no page by name"

echo "logs, exec and port-forward through the API server"
kubectl -n demo logs deploy/web | grep kube-probe >/dev/null || fail "no logs"
for _ in $(seq 10); do
  kubectl -n demo exec deploy/web -- /usr/sbin/nginx -v 2>&1 | grep 'nginx version' >/dev/null || fail "exec"
done

echo "three replicas share the address"
kubectl -n demo scale deployment web --replicas 3 >/dev/null
kubectl -n demo rollout status deployment web --timeout 60s >/dev/null || fail "the rollout"
hosts=$(for _ in $(seq 40); do client curl -s --max-time 2 "http://$address/hostname"; done | sort -u | wc -l)
[ "$hosts" -eq 3 ] || fail "the page came from $hosts pods"

echo "kill -9: pods go on, and the next start finds the cluster as it was"
pods=$(kubectl -n demo get pods -o jsonpath='{.items[*].metadata.uid}')
containers=$(kubectl -n demo get pods -o jsonpath='{.items[*].status.containerStatuses[*].containerID}')
for _ in 1 2 3; do
  program=$(cat $state/cloudless.pid)
  kill -9 "$program"
  await 10 is_gone "$program" || fail "process $program does not end"
  client curl -sSf --max-time 2 "http://$address/" >/dev/null || fail "the page went with the program"
  start_cluster >/dev/null || fail "the start after kill -9"
done
[ "$(kubectl -n demo get pods -o jsonpath='{.items[*].metadata.uid}')" = "$pods" ] || fail "pods were replaced"
[ "$(kubectl -n demo get pods -o jsonpath='{.items[*].status.containerStatuses[*].containerID}')" = "$containers" ] ||
  fail "containers were replaced"
await_page "http://$address/" || fail "the page after kill -9"
await_name || fail "the name after kill -9"

echo "a second start on the same data is refused"
says 'already runs on' $build/cloudless up --data-dir $state --node-ip $node_ip || fail "a second start"

echo "bad input is refused where the user looks"
says 'a lowercase RFC 1035 label\|a DNS-1035 label' kubectl -n demo create service clusterip Bad_Name --tcp=80 || fail "a bad name"
kubectl -n demo create service loadbalancer outside --tcp=80 >/dev/null
kubectl -n demo annotate service outside metallb.io/loadBalancerIPs=203.0.113.1 >/dev/null
has_event() { kubectl get events -A -o jsonpath='{range .items[*]}{.reason}{" "}{.message}{"\n"}{end}' | grep "$1" >/dev/null; }
await 20 has_event 'AllocationFailed.*203.0.113.1' || fail "an address outside every pool"
kubectl -n demo annotate service web --overwrite external-dns.kubernetes.io/hostname=www.elsewhere.example >/dev/null
await 20 has_event 'NoZone' || fail "a hostname outside every zone"
kubectl -n demo patch configmap zones --type merge -p '{"data":{"home.example":"@ 60 IN SOA broken\n"}}' >/dev/null
await 20 has_event 'ZoneRefused.*line 1' || fail "a broken zone"
[ -n "$(client dig +short @$node_ip ns.home.example)" ] || fail "the last good zone did not stay"
kubectl -n demo run broken --image docker.io/library/nothing:none --image-pull-policy Never >/dev/null
await 20 has_event 'ErrImageNeverPull' || fail "an image that does not exist"

scripts/demo-clean.sh >/dev/null
after=$(traces)
trap - EXIT
left=$(comm -13 <(echo "$before") <(echo "$after"))
[ -z "$left" ] || fail "left behind: $left"
echo "1 passed, 0 failed"
