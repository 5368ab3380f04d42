# What the demo of three nodes is made of; sourced after demo-lib.sh, whose names of state and client it replaces.
# A test that runs beside a demo has a prefix (five characters: it is in devices' names) and a state of its own.
prefix=${HA_PREFIX:-cl-ha}
state=${HA_STATE:-/var/lib/cloudless-demo-ha}
client_ns=$prefix-client
lan_ns=$prefix-lan
answers=$state/answers
failures=$state/failures
export KUBECONFIG=$state/1/kubernetes/admin.conf

host() { echo "$prefix-$1"; }
# Only the network is another one: `ip netns exec` would hide the machine's cgroups.
on_host() {
  local netns=/run/netns/$(host "$1")
  shift
  nsenter --net="$netns" "$@"
}
kubectl() { nsenter --net=/run/netns/$client_ns build/clients/kubectl "$@"; }

# plug NAMESPACE ADDRESS: a cable from eth0 of that namespace to the switch.
plug() {
  ip netns add "$1"
  ip -n $lan_ns link add "to-$1" type veth peer name eth0 netns "$1"
  ip -n $lan_ns link set "to-$1" master switch up
  ip -n "$1" link set lo up
  ip -n "$1" addr add "$2/24" dev eth0
  ip -n "$1" link set eth0 up
  ip -n "$1" route add default via 198.51.100.254
}

make_hosts() {
  local node
  mkdir -p $state
  ip netns add $lan_ns
  ip -n $lan_ns link add switch type bridge forward_delay 0
  ip -n $lan_ns link set switch up
  for node in 1 2 3; do plug "$(host $node)" 198.51.100.$node; done
  plug $client_ns 198.51.100.200
  # Where programs of the client look names up: on any node.
  mkdir -p /etc/netns/$client_ns
  printf 'nameserver 198.51.100.%s\n' 1 2 3 >/etc/netns/$client_ns/resolv.conf
}

node_flags() {
  printf '%s\n' --detach --data-dir "$state/$1" --kubernetes-dir "$state/$1/kubernetes" --node-name "node-$1" --node-ip "198.51.100.$1" \
    --dns-listen "198.51.100.$1:53" --image build/demo/nginx.tar --cgroup-root "/$(host "$1")"
}

# A control plane that runs pods like any other node: three machines are to share all work.
start_first() {
  local flags
  mapfile -t flags < <(node_flags 1)
  mkdir -p $state/1
  cat >$state/init.yaml <<'YAML'
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration:
  taints: []
YAML
  on_host 1 $build/cloudless init --config $state/init.yaml "${flags[@]}"
}

# join_node NUMBER: with a token of its own, as `token create --print-join-command` says it.
join_node() {
  local flags command
  mapfile -t flags < <(node_flags "$1")
  read -ra command < <(on_host 1 $build/cloudless token create --ttl 10m --print-join-command)
  on_host "$1" $build/cloudless "${command[@]:1}" "${flags[@]}"
}

# The loop has its name's address at hand as a browser does; what is measured is how long nobody serves it. It runs until
# stop_requests, which is the caller's to call, whatever happens.
start_requests() {
  : >$answers
  : >$failures
  ip netns exec $client_ns bash -c '
    while :; do
      if curl -sf -o /dev/null --max-time 0.5 --resolve "$1:80:$2" "http://$1/"; then
        date +%s%N >>"$3"
      else
        date +%s%N >>"$4"
      fi
      sleep 0.02
    done' requests $name $address $answers $failures &
  requests_pid=$!
}
stop_requests() {
  [ -z "${requests_pid:-}" ] || kill "$requests_pid" 2>/dev/null || true
  requests_pid=
}
requests_flow() { [ "$(wc -l <$answers)" -ge 20 ]; }
answered_since() { [ "$(tail -n 1 $answers)" -gt "$1" ]; }
observe() {
  say "Watching for $1 s more"
  sleep "$1"
}

mac_of() { ip -n "$(host "$1")" -o link show eth0 | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p'; }

# The number of the node whose hardware address the client knows the Service's address by.
announcer() {
  local node known
  known=$(ip -n $client_ns neigh show $address | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p')
  for node in 1 2 3; do
    if [ "$(mac_of $node)" = "$known" ]; then echo $node; fi
  done
}
taken_over() {
  local now
  now=$(announcer)
  [ -n "$now" ] && [ "$now" != "$1" ]
}

# What power_off has taken, in the opposite order.
power_on() {
  ip netns pids "$(host "$1")" | xargs -r kill -CONT
  ip -n $lan_ns link set "to-$(host "$1")" up
}

# The cable first, then everything that runs: nothing can say goodbye.
power_off() {
  ip -n $lan_ns link set "to-$(host "$1")" down
  ip netns pids "$(host "$1")" | xargs -r kill -STOP
}

# longest_gap SINCE: between two answers, of those that end after SINCE.
longest_gap() {
  awk -v since="$1" '$1 > since && before { gap = $1 - before; if (gap > most) most = gap }
    { before = $1 } END { printf "%.3f s", most / 1e9 }' $answers
}
