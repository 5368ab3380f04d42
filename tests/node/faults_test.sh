#!/usr/bin/env bash
# What a user may get wrong, and what may break, on a one-node cluster: each gives a clear reason where the user looks
# (command output, event, status), and nothing is lost.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/node/lib.sh

# --- before there is a cluster ---

as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
# without PROGRAM COMMAND...: as on a machine where that is not installed.
without() {
  local missing=$1
  shift
  on_host unshare --mount bash -c 'mount --bind /dev/null "$0" && exec "$@"' "$(readlink -f "$(command -v "$missing")")" "$@"
}
# occupy PROTOCOL PORT: somebody else listens there, until vacate.
occupy() {
  nsenter --net="/run/netns/$tag" python3 - "$1" "$2" "$state/occupied" <<'PYTHON' &
import socket, sys, time
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
taken = socket.socket(socket.AF_INET, kind)
taken.bind(("0.0.0.0", int(sys.argv[2])))
if kind == socket.SOCK_STREAM:
    taken.listen()
open(sys.argv[3], "w").close()
time.sleep(60)
PYTHON
  occupant=$!
  await 10 test -e "$state/occupied"
}
vacate() {
  kill "$occupant"
  wait "$occupant" 2>/dev/null || true
  rm -f "$state/occupied"
}

up_elsewhere() { node_ip=198.51.100.77 up; }

test_starts_that_cannot_be() {
  local flags port
  mapfile -t flags < <(up_flags)
  cp $build/cloudless "$state/program"  # where anybody may read it
  says 'needs root: use sudo' as_nobody "$state/program" up --data-dir "$state/nobody" || fail "not root"
  rm "$state/program"
  ok "without root it says that it needs root"

  says 'apt-get install containerd' without containerd $build/cloudless up "${flags[@]}" || fail "no containerd"
  says 'apt-get install runc' without runc $build/cloudless up "${flags[@]}" || fail "no runc"
  says 'package nftables' without nft $build/cloudless up "${flags[@]}" || fail "no nft"
  ok "a program that is missing is named with its package"

  for port in tcp/6443 tcp/10250 udp/53 tcp/53 udp/7946; do
    occupy "${port%/*}" "${port#*/}"
    says "${port#*/}.*[Aa]ddress already in use" up || fail "port $port is taken"
    vacate
  done
  ok "a port that is taken is named"

  says '198.51.100.77' up_elsewhere || fail "a foreign address"
  says 'overlap' up --pod-network-cidr 10.96.0.0/16 || fail "networks that overlap"
  ok "addresses that cannot be are refused"
}

# --- state that is not what it should be ---

test_state() {
  says "already runs on $data as process $(program)" up || fail "a second start"
  ok "a second start on the same data is refused, and says who runs"

  kubectl create configmap kept --from-literal=key=value >/dev/null
  kill_program
  cp "$data/db/state.db" "$state/state.db"
  printf 'this is no database' | dd of="$data/db/state.db" bs=1 conv=notrunc status=none
  says 'state.db' up || fail "a damaged database"
  cp "$state/state.db" "$data/db/state.db"
  rm "$state/state.db"
  up >/dev/null || fail "the start after the database was put back"
  [ "$(kubectl get configmap kept -o jsonpath='{.data.key}')" = value ] || fail "a ConfigMap is lost"
  ok "a damaged database is named and left alone"
}

# --- manifests ---

test_manifests() {
  says 'error converting YAML\|error parsing' kubectl apply -f - <<<$'a: b: c\n' || fail "no YAML"
  says 'unknown field "spec.replica"' kubectl apply -f - <<'YAML' || fail "an unknown field"
apiVersion: apps/v1
kind: Deployment
metadata: {name: typo}
spec:
  replica: 3
  selector: {matchLabels: {app: typo}}
  template: {metadata: {labels: {app: typo}}, spec: {containers: [{name: main, image: busybox}]}}
YAML
  says 'spec.template.metadata.labels: Invalid value' kubectl apply -f - <<'YAML' || fail "a selector that does not match"
apiVersion: apps/v1
kind: Deployment
metadata: {name: mismatch}
spec:
  selector: {matchLabels: {app: one}}
  template: {metadata: {labels: {app: other}}, spec: {containers: [{name: main, image: busybox}]}}
YAML
  says 'no matches for kind "Deploymnt"' kubectl apply -f - <<<$'apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: x}\n' || fail "an unknown kind"
  says 'namespaces "nowhere" not found' kubectl -n nowhere create configmap x || fail "an unknown namespace"
  ok "manifests with errors are refused with the field and the reason"
}

# --- pods ---

pod() {
  local name=$1
  shift
  kubectl run "$name" --image $busybox --image-pull-policy IfNotPresent "$@" >/dev/null
}

test_pods() {
  local reason='.status.containerStatuses[0].state.waiting.reason'
  kubectl run absent --image 127.0.0.1:1/absent:1 >/dev/null
  pod crash -- sh -c 'echo last words; exit 3'
  pod wordless --command -- /bin/no-such-program
  kubectl run unconfigured --image $busybox --image-pull-policy IfNotPresent --overrides \
    '{"spec":{"containers":[{"name":"unconfigured","image":"'$busybox'","envFrom":[{"configMapRef":{"name":"nowhere"}}]}]}}' >/dev/null
  kubectl run unmounted --image $busybox --overrides \
    '{"spec":{"containers":[{"name":"unmounted","image":"'$busybox'"}],"volumes":[{"name":"v","configMap":{"name":"nowhere"}}]}}' >/dev/null
  kubectl run greedy --image $busybox --overrides \
    '{"spec":{"containers":[{"name":"greedy","image":"'$busybox'","resources":{"requests":{"cpu":"1000"}}}]}}' >/dev/null

  await_event 'absent Failed Error: ErrImagePull' || fail "no ErrImagePull"
  await_event 'absent Failed Failed to pull image "127.0.0.1:1/absent:1": ' || fail "no reason of the pull"
  await 30 shows ImagePullBackOff pod_field absent $reason || fail "no ImagePullBackOff"
  await_event 'absent BackOff Back-off pulling image "127.0.0.1:1/absent:1"' || fail "no back-off of the pull"
  await 10 shows ImagePullBackOff kubectl get pod absent || fail "kubectl get does not show it"
  says 'container "absent" in pod "absent" is waiting to start: .*image' kubectl logs absent || fail "kubectl logs does not say why"
  ok "an image that does not exist"

  await 30 shows CrashLoopBackOff pod_field crash $reason || fail "no CrashLoopBackOff"
  [ "$(pod_field crash .status.containerStatuses[0].restartCount)" -ge 1 ] || fail "restarts are not counted"
  [ "$(pod_field crash .status.containerStatuses[0].lastState.terminated.exitCode)" = 3 ] || fail "no exit code"
  await_event 'crash BackOff Back-off restarting failed container crash in pod crash_default' || fail "no BackOff event"
  [ "$(kubectl logs crash --previous)" = 'last words' ] || fail "no log of the one before"
  ok "a container that crashes at once"

  await_event 'wordless Failed Error: .*no-such-program.*no such file or directory' || fail "no reason for no program"
  await 30 shows 'RunContainerError\|CrashLoopBackOff' pod_field wordless $reason || fail "no RunContainerError"
  ok "a command that is not in the image"

  await 30 shows CreateContainerConfigError pod_field unconfigured $reason || fail "no CreateContainerConfigError"
  await_event 'unconfigured Failed Error: configmap "nowhere" not found' || fail "no missing ConfigMap"
  await_event 'unmounted FailedMount MountVolume.SetUp failed for volume "v" : configmap "nowhere" not found' ||
    fail "no FailedMount"
  ok "a ConfigMap that does not exist"

  await_event 'greedy FailedScheduling 0/1 nodes are available: 1 Insufficient cpu' || fail "no FailedScheduling"
  ok "a pod that fits nowhere"
  kubectl delete pod --all --now >/dev/null
}

# --- addresses and names ---

service() { kubectl create service loadbalancer "$1" --tcp=80 >/dev/null; }
address_of() { kubectl get service "$1" -o jsonpath='{.status.loadBalancer.ingress[0].ip}'; }
annotate() { kubectl annotate --overwrite "$@" >/dev/null; }
answer() { client dig +short +tries=1 +time=1 @$node_ip "$1"; }

test_addresses() {
  kubectl apply -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Namespace
metadata: {name: metallb-system}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system}
spec: {addresses: [198.51.100.80-198.51.100.89]}
YAML
  service first
  annotate service first metallb.io/loadBalancerIPs=198.51.100.80
  await 20 shows 198.51.100.80 address_of first || fail "no address"
  service second
  service outside
  annotate service second metallb.io/loadBalancerIPs=198.51.100.80
  annotate service outside metallb.io/loadBalancerIPs=203.0.113.1
  await_event 'second AllocationFailed .*address also in use by default/first' ||
    fail "two Services ask for one address"
  [ "$(address_of first)" = 198.51.100.80 ] || fail "the first has lost its address"
  ok "two Services that ask for one address: the first keeps it, the second is told"
  await_event 'outside AllocationFailed .*203.0.113.1' || fail "an address outside every pool"
  [ -z "$(address_of outside)" ] || fail "it has an address all the same"
  ok "an address outside every pool"
}

# zone TEXT: the zone home.example is this text.
zone() {
  kubectl create configmap zones --from-literal=home.example="$1" --dry-run=client -o yaml |
    kubectl label --local -f - cloudless/dns=zones -o yaml | kubectl apply -f - >/dev/null
}

test_names() {
  local good=$'$TTL 60\n@ IN SOA ns hostmaster 1 7200 900 1209600 60\n  IN NS ns\nns IN A 198.51.100.1\n'
  zone "$good"
  annotate service first external-dns.alpha.kubernetes.io/hostname=www.home.example
  await 20 shows 198.51.100.80 answer www.home.example || fail "no answer"
  service elsewhere
  annotate service elsewhere external-dns.kubernetes.io/hostname=www.elsewhere.example
  await_event 'elsewhere NoZone .*www.elsewhere.example' || fail "a hostname outside every zone"
  ok "a hostname outside every zone"

  zone "$good"$'mail IN A 198.51.100.300\n'
  await_event 'zones ZoneRefused .*line 5.*198.51.100.300' || fail "a broken line"
  [ "$(answer ns.home.example)" = 198.51.100.1 ] || fail "the last good zone did not stay"
  [ "$(answer www.home.example)" = 198.51.100.80 ] || fail "the Service's name did not stay"
  [ -z "$(answer mail.home.example)" ] || fail "the broken zone is served"
  zone "$good"$'mail IN A 198.51.100.30\n'
  await 20 shows 198.51.100.30 answer mail.home.example || fail "the zone that is whole again"
  ok "a zone with a broken line: refused with line and reason while the last good one stays"
}

# --- the end of the program, whenever ---

test_kills() {
  kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: page, labels: {app: page}}
spec:
  containers:
  - name: main
    image: $busybox
    command: [sh, -c, "echo the page > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]
    readinessProbe: {httpGet: {port: 80}, initialDelaySeconds: 3, periodSeconds: 1}
YAML
  kubectl patch service first --type merge -p '{"spec":{"selector":{"app":"page"}}}' >/dev/null
  kubectl apply -f - >/dev/null <<'YAML'
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: all, namespace: metallb-system}
YAML
  await 30 client curl -sf --max-time 1 http://198.51.100.80/ || fail "no page"
  local container missed round
  container=$(pod_field page .status.containerStatuses[0].containerID)
  touch "$state/requesting"
  client bash -c 'while [ -e "$1" ]; do curl -sf -o /dev/null --max-time 2 http://198.51.100.80/ || echo missed; sleep 0.05; done' \
    - "$state/requesting" >"$state/missed" 2>&1 &
  local requests=$!
  for round in 1 2 3; do
    kubectl create configmap "round-$round" --from-literal=key=value >/dev/null
    kill_program
    up >/dev/null || fail "the start after kill -9"
    [ "$(kubectl get configmap "round-$round" -o jsonpath='{.data.key}')" = value ] || fail "a ConfigMap is lost"
    [ "$(pod_field page '.status.conditions[?(@.type=="Ready")].status')" = True ] || fail "the pod is not ready any more"
  done
  sleep 1
  rm "$state/requesting"
  wait $requests
  missed=$(wc -l <"$state/missed")
  [ "$(pod_field page .status.containerStatuses[0].containerID)" = "$container" ] || fail "the container was replaced"
  [ "$(pod_field page .status.containerStatuses[0].restartCount)" = 0 ] || fail "the container was restarted"
  [ "$missed" -eq 0 ] || fail "$missed requests were not answered while the program was killed and started"
  ok "kill -9 and start, three times: pods, data and the page stay"
}

# A program that is killed while it starts, at any point, finds its state at the next start.
test_kills_at_the_start() {
  local flags delay pid
  mapfile -t flags < <(up_flags)
  for delay in 0.02 0.1 0.3 0.6 1; do
    kill_program
    nsenter --net="/run/netns/$tag" $build/cloudless up "${flags[@]:1}" >>"$state/killed.log" 2>&1 &
    pid=$!
    sleep $delay  # the point of the test: no condition, any moment
    kill -9 $pid
    wait $pid 2>/dev/null || true
    up >/dev/null || fail "the start after kill -9 at $delay s"
  done
  [ "$(kubectl get configmap kept -o jsonpath='{.data.key}')" = value ] || fail "a ConfigMap is lost"
  await 20 client curl -sf --max-time 1 http://198.51.100.80/ || fail "no page"
  ok "kill -9 while it starts"
}

imports() { ps -eo args | grep -F "images import" | grep -F "$state/busybox.tar" | grep -vF grep; }

# The image that is being imported when the program ends is whole at the next start.
test_kill_during_an_import() {
  local flags pid
  mapfile -t flags < <(up_flags)
  kill_program
  nsenter --net="/run/netns/$tag" $build/cloudless up "${flags[@]:1}" >>"$state/killed.log" 2>&1 &
  pid=$!
  await 30 imports || fail "no import was seen"
  kill -9 $pid
  wait $pid 2>/dev/null || true
  up >/dev/null || fail "the start after kill -9 during an import"
  pod imported -- sleep 3600
  await 30 shows Running pod_field imported .status.phase || fail "the image is not whole"
  kubectl delete pod imported --now >/dev/null
  ok "kill -9 while an image is imported"
}

# What containerd runs for the pods of that label.
sandboxes() {
  ctr --address "$run_dir/containerd.sock" -n k8s.io containers list -q \
    "labels.\"io.cri-containerd.kind\"==sandbox,labels.\"app\"==$1" | wc -l
}
sandboxes_are() { [ "$(sandboxes "$1")" = "$2" ]; }
replicas_run() { [ "$(kubectl get deployment "$1" -o jsonpath='{.status.readyReplicas}')" = "$2" ]; }

# A program that is killed while it starts pods goes on with those that it has begun.
test_kills_during_the_start_of_pods() {
  local delay name
  run_dir=$(sed -n 's/.*address = "\(.*\)\/containerd.sock".*/\1/p' "$data/containerd/containerd.toml" | head -1)
  for delay in 0.1 0.4 0.9; do
    name=burst-${delay#0.}
    kubectl create deployment "$name" --image $busybox --replicas 3 -- sleep 3600 >/dev/null
    sleep $delay  # the point of the test: no condition, any moment
    kill_program
    up >/dev/null || fail "the start after kill -9 at $delay s"
    await 60 replicas_run "$name" 3 || fail "not all pods of $name run: $(kubectl get pods)"
    await 60 sandboxes_are "$name" 3 || fail "$(sandboxes "$name") sandboxes for the 3 pods of $name"
    [ "$(kubectl get pods -l app="$name" -o name | wc -l)" = 3 ] || fail "not 3 pods of $name"
  done
  kubectl delete deployment --all >/dev/null
  ok "kill -9 while pods start: each is started once"
}

begin
test_starts_that_cannot_be
up >/dev/null || fail "the start"
await 10 kubectl get serviceaccount default || fail "no default service account"
test_state
test_manifests
test_pods
test_addresses
test_names
test_kills
test_kills_at_the_start
test_kill_during_an_import
test_kills_during_the_start_of_pods
finish
