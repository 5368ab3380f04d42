#!/usr/bin/env bash
# The DNS server beside Knot DNS, NSD and PowerDNS, each on one pinned core, and what a change of one Service
# costs the cluster's zones. Started by scripts/bench.sh.
set -euo pipefail
cmake --build --preset release --target bench_dns bench_dns_server bench_dns_zones
build/release/bench_dns build/release/bench_dns_server
build/release/bench_dns_zones
