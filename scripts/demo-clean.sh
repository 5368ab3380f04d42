#!/usr/bin/env bash
# Removes all that the demos made: processes, pods, mounts, devices, addresses, rules, state.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/demo-lib.sh

require_root
if [ -x $build/cloudless ]; then $build/cloudless reset --force --data-dir $state; fi
ip netns delete $client_ns 2>/dev/null || true
ip link delete $host_link 2>/dev/null || true
if [ -x scripts/demo-ha-clean.sh ]; then scripts/demo-ha-clean.sh; fi
rm -rf $state
echo "Nothing of the demo is left."
