# What the demos share; sourced.
state=/var/lib/cloudless-demo
build=${CLOUDLESS_BUILD:-build/release}
client_ns=cloudless-demo
host_link=demolan
node_ip=198.51.100.1
address=198.51.100.80
name=www.home.example
export KUBECONFIG=$state/admin.conf

mkdir -p build/demo

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# step TEXT COMMAND...: says what it does, does it, and says how long it took. A failure ends the demo with its output.
step() {
  local text=$1 begin end
  shift
  say "$text"
  begin=$(date +%s%N)
  if ! "$@"; then
    echo "This step failed: $*" >&2
    [ ! -f "$state/cloudless.log" ] || { echo "The end of $state/cloudless.log:" >&2; tail -n 20 "$state/cloudless.log" >&2; }
    exit 1
  fi
  end=$(date +%s%N)
  printf '  took %d.%03d s\n' $(((end - begin) / 1000000000)) $(((end - begin) / 1000000 % 1000))
}

require_root() {
  [ "$(id -u)" = 0 ] && return
  echo "The demo makes namespaces, devices and packet rules, so it needs root: sudo make demo" >&2
  exit 1
}

prepare() {
  # Tests bring a program of their own.
  if [ -z "${CLOUDLESS_SKIP_BUILD:-}" ]; then
    scripts/setup.sh build run
    cmake --preset release >/dev/null
    cmake --build --preset release --target cloudless
  fi
  scripts/setup-demo.sh
  scripts/nginx-image.sh $build/cloudless build/demo/nginx.tar
}

kubectl() {
  timeout 120 build/clients/kubectl "$@"
}

client() { ip netns exec $client_ns "$@"; }

make_wire() {
  ip netns list | grep -w $client_ns >/dev/null && return
  ip netns add $client_ns
  ip link add $host_link type veth peer name eth0 netns $client_ns
  ip addr add $node_ip/24 dev $host_link
  ip link set $host_link up
  ip -n $client_ns addr add 198.51.100.2/24 dev eth0
  ip -n $client_ns link set eth0 up
  ip -n $client_ns link set lo up
}

start_cluster() {
  $build/cloudless up --detach --data-dir $state --node-ip $node_ip --dns-listen $node_ip:53 \
    --image build/demo/nginx.tar
}

# await SECONDS COMMAND...: tries until it succeeds.
await() {
  local tries=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    sleep 0.05
  done
}

await_page() { await 60 client curl -sSf --max-time 1 "$1"; }
has_name() { [ "$(client dig +short +tries=1 +time=1 "@$node_ip" $name)" = $address ]; }
await_name() { await 20 has_name; }
