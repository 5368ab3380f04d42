#!/usr/bin/env bash
# Removes all that scripts/demo-ha.sh made: processes, pods, mounts, namespaces, state.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/demo-lib.sh
source scripts/demo-ha-lib.sh

require_root
for node in 1 2 3 4; do
  netns=$(host $node)
  if [ -e "/run/netns/$netns" ]; then
    # One that is powered off could not obey.
    ip netns pids "$netns" | xargs -r kill -CONT 2>/dev/null || true
    # Without the program nothing would stop the pods: it must be there as long as there is something to remove.
    if [ -d "$state/$node" ]; then
      on_host $node $build/cloudless reset --force --data-dir "$state/$node"
    fi
    ip netns delete "$netns"
  fi
  find /sys/fs/cgroup -depth -type d -path "*/$netns*" -exec rmdir {} \; 2>/dev/null || true
done
for netns in $client_ns $lan_ns; do
  if [ -e /run/netns/$netns ]; then ip netns delete $netns; fi
done
rm -rf /etc/netns/$client_ns $state
