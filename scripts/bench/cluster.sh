#!/usr/bin/env bash
# A cluster on three hosts that are network namespaces of this machine: how fast it starts, what it costs while idle,
# pods beside the bare calls to the container runtime, names, Services beside pods' own addresses, and the gaps that a
# client sees. Started by scripts/bench.sh, as root.
#
# BENCH_IDLE_SECONDS: how long the idle cluster is watched (default 300).
# BENCH_CLUSTER: which of "idle pods names service gaps" are measured (default: all).
set -euo pipefail
# Apart from the demos, which may be running.
export HA_PREFIX=cl-bn HA_STATE=${BENCH_DIR:-$PWD/build/bench}/cluster
source scripts/demo-lib.sh
source scripts/demo-ha-lib.sh

export KUBECONFIG=$state/1/admin.conf
data=$state/1
service_host=198.51.100.1

row() { printf '%-40s %12s %s\n' "$@"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
run_dir() { echo "/run/cloudless/$(printf %s "$1" | sha256sum | cut -c1-8)"; }
# The program's own processes of one node. containerd and its shims, and pods, are others' programs.
own_processes() {
  local pid
  for pid in $(ip netns pids "$(host "$1")"); do
    [ "$(readlink "/proc/$pid/exe")" = "$(realpath "$build/cloudless")" ] && echo "$pid"
  done
  return 0
}

remove_everything() {
  stop_requests
  scripts/demo-ha-clean.sh >/dev/null
}

stop_node() {
  local pid
  for pid in $(own_processes "$1"); do kill -TERM "$pid"; done
  await 20 no_process "$1"
}
no_process() { [ -z "$(own_processes "$1")" ]; }

# `up` keeps everything below its data folder.
start_node_1() {
  local flags
  mapfile -t flags < <(node_flags 1 | sed '/^--kubernetes-dir$/,+1d')
  on_host 1 $build/cloudless up "${flags[@]}" >/dev/null
}

# Fresh state, images present: only containerd's folder is kept of an earlier start.
measure_start() {
  local begin ready pids cpu
  start_node_1
  stop_node 1
  find "$data" -mindepth 1 -maxdepth 1 ! -name containerd -exec rm -rf {} +
  begin=$(now_ms)
  start_node_1
  ready=$(now_ms)
  mapfile -t pids < <(own_processes 1)
  cpu=$(cpu_ticks "${pids[@]}")
  row "start to node Ready" "$((ready - begin)) ms" "(aim 3000)"
  row "  CPU time of it" "$((cpu * 1000 / $(getconf CLK_TCK))) ms" "without containerd"
  kubectl apply -f examples/demo/web.yaml >/dev/null
  await 60 client curl -sf -o /dev/null --max-time 0.2 "http://$address/"
  row "  to the page served" "$(($(now_ms) - begin)) ms"
}

cpu_ticks() { awk '{ sum += $14 + $15 } END { print sum }' $(printf '/proc/%s/stat ' "$@"); }
written() { awk '$1 == "write_bytes:" { sum += $2 } END { print sum }' $(printf '/proc/%s/io ' "$@"); }
memory_mib() {
  local field=$1
  shift
  awk -v field="$field:" '$1 == field { sum += $2 } END { printf "%.1f", sum / 1024 }' \
    $(printf '/proc/%s/smaps_rollup ' "$@")
}

# One node with the demo's Deployment and Service, and nobody who asks for anything.
measure_idle() {
  local seconds=${BENCH_IDLE_SECONDS:-300} pids ticks bytes
  sleep 20
  mapfile -t pids < <(own_processes 1)
  ticks=$(cpu_ticks "${pids[@]}")
  bytes=$(written "${pids[@]}")
  sleep "$seconds"
  ticks=$(($(cpu_ticks "${pids[@]}") - ticks))
  bytes=$(($(written "${pids[@]}") - bytes))
  row "idle: resident, shared pages by share" "$(memory_mib Pss "${pids[@]}") MiB" "(aim 64; ${#pids[@]} process)"
  row "idle: resident, whole" "$(memory_mib Rss "${pids[@]}") MiB"
  row "idle: CPU" "$(awk -v t=$ticks -v s="$seconds" -v hz="$(getconf CLK_TCK)" \
    'BEGIN { printf "%.2f %%", 100 * t / hz / s }')" "of a core over $seconds s (aim 0.5)"
  row "idle: written to disk" "$(awk -v b=$bytes -v s="$seconds" \
    'BEGIN { printf "%.2f MB", b / s * 3600 / 1e6 }')" "an hour (aim 2)"
}

measure_pods() {
  on_host 1 $build/bench_cluster pods "$KUBECONFIG" "unix://$(run_dir "$data")/containerd.sock" \
    docker.io/library/nginx:demo
}

measure_names() {
  kubectl apply -f examples/demo/zone.yaml >/dev/null
  on_host 1 $build/bench_cluster names "$KUBECONFIG" $service_host:53 demo web home.example
}

# latency_us COMMAND...: the median of requests one after another on one kept connection.
latency_us() {
  "$@" | awk '$1 == "50%" { v = $2; f = 1; if (v ~ /ms$/) f = 1000; sub(/[a-z]+$/, "", v); print v * f }'
}
# connections COMMAND...: new connections a second, one request each.
connections() { "$@" | awk '$1 == "Requests/sec:" { print $2 }'; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2fx", a / b }'; }

# The pod's own address and the Service's in turns, from the node itself.
measure_service() {
  local pod service round url
  local -A us rate
  pod=http://$(kubectl -n demo get pods -l app=web -o jsonpath='{.items[0].status.podIP}')/
  service=http://$(kubectl -n demo get service web -o jsonpath='{.spec.clusterIP}')/
  for round in 1 2 3 4 5; do
    for url in "$pod" "$service"; do
      us[$url]+="$(latency_us on_host 1 wrk -t1 -c1 -d1s --latency "$url") "
      rate[$url]+="$(connections on_host 1 wrk -t1 -c20 -d1s -H 'Connection: close' "$url") "
    done
  done
  for url in "$pod" "$service"; do
    us[$url]=$(tr ' ' '\n' <<<"${us[$url]% }" | median)
    rate[$url]=$(tr ' ' '\n' <<<"${rate[$url]% }" | median)
  done
  row "page by the pod's own address" "${us[$pod]} us" "${rate[$pod]} new connections/s"
  row "  by the Service's" "${us[$service]} us" \
    "($(ratio "${us[$service]}" "${us[$pod]}")) ${rate[$service]} ($(ratio "${rate[$service]}" "${rate[$pod]}"))"
}

# gap TEXT AIM COMMAND: the longest time without an answer when COMMAND takes the announcing node away.
gap() {
  local text=$1 aim=$2 off victim
  victim=$(announcer)
  off=$(date +%s%N)
  "$3" "$victim"
  await 30 taken_over "$victim"
  await 30 answered_since "$off"
  sleep 5
  row "$text" "$(longest_gap "$off")" "(aim $aim)"
}
# bring_back NODE: what was stopped as planned goes on with the state that it has.
bring_back() { if [ "$1" = 1 ]; then start_node_1; else join_node "$1" >/dev/null; fi; }
measure_gaps() {
  local node victim
  for node in 2 3; do join_node $node >/dev/null; done
  kubectl -n demo scale deployment web --replicas 3 >/dev/null
  kubectl -n demo rollout status deployment web --timeout 60s >/dev/null
  start_requests
  await 20 requests_flow
  victim=$(announcer)
  gap "gap at a planned stop" "0.2 s" stop_node
  bring_back "$victim"
  sleep 5
  gap "gap at a power-off" "2 s" power_off
}

require_root
[ -n "${CLOUDLESS_SKIP_BUILD:-}" ] || cmake --build --preset release --target cloudless bench_cluster
scripts/setup-demo.sh >/dev/null
scripts/nginx-image.sh $build/cloudless build/demo/nginx.tar >/dev/null
remove_everything
trap remove_everything EXIT
make_hosts
measure_start
for part in ${BENCH_CLUSTER:-idle pods names service gaps}; do "measure_$part"; done
