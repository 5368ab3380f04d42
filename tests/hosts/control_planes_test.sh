#!/usr/bin/env bash
# Two control planes and a worker, hosts in network namespaces, on one PostgreSQL: init --upload-certs, join --control-plane with the
# certificate key, join of a worker; then the first control plane loses its power. The worker goes on through the second before
# the control plane's address has moved, and kubectl does when it has. Dry runs change nothing. In the end nothing remains.
set -euo pipefail
cd "$(dirname "$0")/../.."
export HA_PREFIX=cl-cp HA_STATE=/var/lib/cloudless-control-planes-test
source scripts/demo-lib.sh
source tests/hosts/lib.sh

endpoint=198.51.100.10 # of the control plane, wherever it runs
store=198.51.100.254

clean() {
  # First the nodes, whose pods end by the API and so by the store.
  for node in 1 2 3; do ip netns pids "$(host $node)" 2>/dev/null | xargs -r kill -CONT 2>/dev/null || true; done
  scripts/demo-ha-clean.sh >/dev/null
  if [ -n "${store_pid:-}" ]; then
    kill -QUIT "$store_pid" 2>/dev/null || true
    await 10 test ! -e "/proc/$store_pid" || true
  fi
  rm -rf $state
}

as_postgres() {
  local program=$1
  shift
  nsenter --net=/run/netns/$lan_ns setpriv --reuid postgres --regid postgres --clear-groups \
    "$(find /usr/lib/postgresql -path "*/bin/$program" | sort -V | tail -n 1)" "$@"
}
start_store() {
  ip -n $lan_ns link set lo up
  ip -n $lan_ns addr add $store/24 dev switch
  install -d -o postgres -g postgres $state/pg
  as_postgres initdb -D $state/pg/data -A trust --no-sync -U postgres >$state/pg.log 2>&1
  echo "host all all 198.51.100.0/24 trust" >>$state/pg/data/pg_hba.conf
  as_postgres postgres -D $state/pg/data -k $state/pg -c listen_addresses=$store -c fsync=off \
    -c shared_buffers=16MB >>$state/pg.log 2>&1 &
  await 30 as_postgres pg_isready -h $store || return 1
  store_pid=$(head -n 1 $state/pg/data/postmaster.pid)
}

# The address of the control plane is on that host from now on.
give_endpoint() {
  ip -n "$(host "$1")" addr add $endpoint/24 dev eth0
  ip -n $client_ns neigh flush dev eth0
}

configuration() {
  cat <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: $1
nodeRegistration:
  taints: []
YAML
}

first() {
  local flags
  mapfile -t flags < <(node_flags 1)
  on_host 1 $build/cloudless init --config $state/init.yaml --control-plane-endpoint $endpoint \
    --datastore-endpoint "postgres://postgres:sesame@$store/postgres?sslmode=disable" --upload-certs "${flags[@]}" "$@"
}
# join NUMBER FLAG...: with a token of its own.
join() {
  local number=$1 flags command
  shift
  mapfile -t flags < <(node_flags "$number")
  read -ra command < <(on_host 1 $build/cloudless token create --ttl 10m --print-join-command)
  on_host "$number" $build/cloudless "${command[@]:1}" "${flags[@]}" "$@"
}

pod_on() {
  kubectl "${@:3}" apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  nodeName: $2
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: $image, imagePullPolicy: IfNotPresent}]
YAML
}
is_running() { [ "$(kubectl "${@:2}" get pod "$1" -o jsonpath='{.status.phase}')" = Running ]; }
ready_of() { kubectl "${@:2}" get node "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'; }
servers() { kubectl "$@" get endpoints kubernetes -o jsonpath='{.subsets[0].addresses[*].ip}' 2>/dev/null; }
servers_are() { [ "$(servers "${@:2}")" = "$1" ]; }
# What is on a host: files with their content, as a digest.
files() { find "$state/$1" -type f 2>/dev/null | sort | xargs -r sha256sum | sha256sum; }

begin

prepare >/dev/null
image=$(tar -xOf build/demo/nginx.tar index.json | sed -n 's/.*"io.containerd.image.name":"\([^"]*\)".*/\1/p')
make_hosts
mkdir -p $state/1 $state/2
start_store || fail "PostgreSQL: $(tail -n 5 $state/pg.log)"
configuration InitConfiguration >$state/init.yaml
configuration JoinConfiguration >$state/join.yaml
give_endpoint 1

untouched=$(files 1)
first --dry-run >build/demo/dry-run.txt 2>&1 || fail "init --dry-run: $(tail -n 5 build/demo/dry-run.txt)"
grep -q 'Would write file .*manifests/kube-apiserver.yaml" with content:' build/demo/dry-run.txt || fail "what init --dry-run says"
[ "$(files 1)" = "$untouched" ] || fail "init --dry-run has changed files"
ok "init --dry-run says what it would do, and does nothing"

first >build/demo/control-planes-init.txt 2>&1 || fail "init: $(tail -n 5 build/demo/control-planes-init.txt)"
key=$(sed -n 's/.*--certificate-key \([0-9a-f]\{64\}\).*/\1/p' build/demo/control-planes-init.txt)
[ -n "$key" ] || fail "init does not say the certificate key"
kubectl -n kube-system get secret kubeadm-certs -o jsonpath='{.metadata.ownerReferences[0].name}' |
  grep '^bootstrap-token-' >/dev/null || fail "the Secret kubeadm-certs has no owner that expires"
if kubectl -n kube-system get configmap kubeadm-config -o yaml | grep sesame >/dev/null; then fail "the store's password is published"; fi
ok "init uploads the shared certificates"

on_host 1 $build/cloudless init phase upload-certs --upload-certs --data-dir $state/1 >build/demo/upload-certs.txt 2>&1 ||
  fail "init phase upload-certs: $(tail -n 5 build/demo/upload-certs.txt)"
newer=$(sed -n 's/^\([0-9a-f]\{64\}\)$/\1/p' build/demo/upload-certs.txt)
[ -n "$newer" ] && [ "$newer" != "$key" ] || fail "init phase upload-certs does not say a new certificate key"
key=$newer
ok "init phase upload-certs uploads them again, under another key"

join 2 --control-plane --certificate-key "$key" --dry-run >build/demo/dry-run.txt 2>&1 ||
  fail "join --dry-run: $(tail -n 5 build/demo/dry-run.txt)"
[ ! -e $state/2/kubernetes ] || fail "join --dry-run has made files"
says 'not encrypted with this --certificate-key' join 2 --control-plane --certificate-key "$(printf '0%.0s' {1..64})" ||
  fail "join with another certificate key"
join 2 --control-plane --certificate-key "$key" --config $state/join.yaml >build/demo/control-planes-join.txt 2>&1 ||
  fail "join --control-plane: $(tail -n 5 build/demo/control-planes-join.txt)"
join 3 >/dev/null || fail "join of the worker"
kubectl wait --for=condition=Ready node --all --timeout 60s >/dev/null || fail "nodes are not Ready"
for node in 1 2; do
  for component in kube-apiserver kube-controller-manager kube-scheduler; do
    await 60 shows Running kubectl -n kube-system get pod $component-node-$node || fail "$component on node-$node"
  done
done
[ "$(kubectl get nodes -l node-role.kubernetes.io/control-plane -o name | wc -l)" = 2 ] || fail "two control planes are marked"
await 30 servers_are '198.51.100.1 198.51.100.2' || fail "the kubernetes Service points to: $(servers)"
ok "join --control-plane: a second API server, controller manager and scheduler"

pod_on settled node-3
await 60 is_running settled || fail "a pod on the worker"
second=(--server https://198.51.100.2:6443)
power_off 1
pod_on late node-3 "${second[@]}"
await 60 is_running late "${second[@]}" || fail "the worker does not go on through the second API server"
[ "$(ready_of node-3 "${second[@]}")" = True ] || fail "the worker is not Ready"
ok "the first control plane loses its power: the worker goes on through the second"

give_endpoint 2
await 20 kubectl get --raw /readyz || fail "the control plane's address answers no more"
await 90 shows Unknown ready_of node-1 || fail "node-1 still counts as Ready"
await 60 servers_are 198.51.100.2 || fail "the kubernetes Service still points to: $(servers)"
kubectl create deployment web --image "$image" --replicas 2 >/dev/null
kubectl rollout status deployment web --timeout 90s >/dev/null || fail "no deployment on the second control plane alone"
ok "kubectl goes on at the address that has moved, and so do controllers and scheduler"

ip -n "$(host 1)" addr del $endpoint/24 dev eth0
power_on 1
await 90 shows True ready_of node-1 || fail "node-1 is not Ready again"
await 60 servers_are '198.51.100.1 198.51.100.2' || fail "the first API server is not back: $(servers)"
ok "the first control plane comes back"

on_host 3 $build/cloudless reset --dry-run --data-dir $state/3 >build/demo/dry-run.txt || fail "reset --dry-run"
grep -q "Would delete the directory \"$state/3\"" build/demo/dry-run.txt || fail "what reset --dry-run says"
[ "$(ready_of node-3)" = True ] && [ -e $state/3/cluster.json ] || fail "reset --dry-run has done something"
ok "reset --dry-run says what it would do, and does nothing"

finish
