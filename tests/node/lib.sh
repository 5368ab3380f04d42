# A one-node cluster for tests, sourced from the top of the repository: in a network namespace of its own (198.51.100.1,
# an address of TEST-NET-2), with a client on the same wire in another. Its state is a folder of its own, so any number of
# them run beside each other and beside the demos. In the end the test compares what is on the machine with what was.
source tests/support/shell.sh
build=${CLOUDLESS_BUILD:-build/release}
[ "$(id -u)" = 0 ] || { echo "running pods needs root" >&2; exit 1; }
[ -x build/clients/kubectl ] || scripts/clients.sh

state=$(mktemp -d /tmp/cl-node-XXXXXX)
chmod 0755 "$state"
tag=$(basename "$state")
client_ns=$tag-c
data=$state/data
node_ip=198.51.100.1
busybox=cloudless.test/busybox:1
export KUBECONFIG=$data/admin.conf

# Only the network is another one: `ip netns exec` would hide the machine's cgroups.
on_host() { nsenter --net="/run/netns/$tag" "$@"; }
client() { nsenter --net="/run/netns/$client_ns" "$@"; }
kubectl() { on_host timeout 120 "${kubectl_program:-build/clients/kubectl}" "$@"; }

fail() {
  echo "FAILED: $*" >&2
  [ ! -f "$data/cloudless.log" ] || tail -n 60 "$data/cloudless.log" >&2
  exit 1
}

# await SECONDS COMMAND...: tries until it succeeds.
await() {
  local tries=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    sleep 0.1
  done
}

events() { kubectl get events -A -o jsonpath='{range .items[*]}{.involvedObject.name}{" "}{.reason}{" "}{.message}{"\n"}{end}'; }
# grep reads to the end: what writes would fail where it stopped at the first match.
has_event() { events | grep -- "$1" >/dev/null; }
await_event() { await 30 has_event "$1" || { events >&2; return 1; }; }
pod_field() { kubectl get pod "$1" -o jsonpath="{$2}"; }

traces() {
  {
    ip netns list | awk '{print $1}' | grep -F "$tag" || true
    ip -br link | awk '{print $1}' | grep -F "$tag" || true
    grep -F "$state" /proc/self/mounts || true
    ps -eo args | grep -F "$state" | grep -vF grep || true
    find /sys/fs/cgroup -type d -name "$tag" 2>/dev/null || true
    [ ! -e "${run_dir:-/none}" ] || echo "$run_dir"
  } | sort
}

make_hosts() {
  ip netns add "$tag"
  ip netns add "$client_ns"
  ip -n "$tag" link set lo up
  ip -n "$client_ns" link set lo up
  ip -n "$tag" link add eth0 type veth peer name eth0 netns "$client_ns"
  ip -n "$tag" addr add $node_ip/24 dev eth0
  ip -n "$client_ns" addr add 198.51.100.2/24 dev eth0
  ip -n "$tag" link set eth0 up
  ip -n "$client_ns" link set eth0 up
  ip -n "$tag" route add default via 198.51.100.2
}

make_image() {
  local name
  mkdir -p "$state/root/bin" "$state/root/tmp" "$state/root/etc"
  for name in $(/bin/busybox --list); do ln -s busybox "$state/root/bin/$name"; done
  cp --remove-destination /bin/busybox "$state/root/bin/busybox"
  $build/cloudless image pack --rootfs "$state/root" --reference $busybox --output "$state/busybox.tar" --env PATH=/bin --cmd sh
}

up_flags() {
  printf '%s\n' --detach --data-dir "$data" --node-name node-1 --node-ip $node_ip --dns-listen $node_ip:53 \
    --image "$state/busybox.tar" --cgroup-root "/$tag"
}
# up [FLAG...]: starts the cluster.
up() {
  local flags
  mapfile -t flags < <(up_flags)
  on_host $build/cloudless up "${flags[@]}" "$@"
}
program() { cat "$data/cloudless.pid"; }
# Ends the program as a power failure would, and returns once it has ended.
kill_program() {
  local pid
  pid=$(program)
  kill -9 "$pid"
  await 10 not_running "$pid"
}
not_running() { [ ! -e "/proc/$1" ]; }

clean_up() {
  if [ -e "/run/netns/$tag" ]; then
    [ ! -d "$data" ] || on_host $build/cloudless reset --force --data-dir "$data" || true
    ip netns pids "$tag" | xargs -r kill 2>/dev/null || true
  fi
  find /sys/fs/cgroup -depth -type d -path "*/$tag*" -exec rmdir {} \; 2>/dev/null || true
  for name in "$tag" "$client_ns"; do
    [ ! -e "/run/netns/$name" ] || ip netns delete "$name"
  done
  rm -rf "$state"
}

begin() {
  trap clean_up EXIT
  make_hosts
  make_image
}
# Nothing may be left of the cluster.
finish() {
  clean_up
  trap - EXIT
  local left
  left=$(traces)
  [ -z "$left" ] || fail "left behind: $left"
  echo "$passed passed, 0 failed"
}
