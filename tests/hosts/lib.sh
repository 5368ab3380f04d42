# What the tests of several hosts share, on top of the demo's hosts: sourced from the top of the repository. A test defines
# clean(), which takes down what it made.
source scripts/demo-ha-lib.sh
source tests/support/shell.sh

fail() {
  echo "FAILED: $*" >&2
  for log in "$state"/[0-9]/cloudless.log; do
    [ ! -f "$log" ] || { echo "--- $log" >&2; tail -n 25 "$log" >&2; }
  done
  exit 1
}

traces() {
  {
    ip netns list | awk '{print $1}' | grep -E "^(cni-|$prefix)" || true
    grep -F "$state" /proc/self/mounts || true
    ps -eo args | grep -F "$state" | grep -vF grep || true
    ls -d $state /run/cloudless/* 2>/dev/null || true
    find /sys/fs/cgroup -maxdepth 2 -name "$prefix*"
  } | sort
}

# From here on what is on the machine counts as not ours, and what comes is taken down whatever happens.
begin() {
  scripts/demo-ha-clean.sh >/dev/null
  before=$(traces)
  trap clean EXIT
}
# The last proof: nothing of it all remains.
finish() {
  local after left
  clean
  after=$(traces)
  trap - EXIT
  left=$(comm -13 <(echo "$before") <(echo "$after"))
  [ -z "$left" ] || fail "left behind: $left"
  echo "$((passed + 1)) passed, 0 failed"
}
