#!/usr/bin/env bash
# Lists, watches and writes of one control plane, and what it takes when idle. Started by scripts/bench.sh.
set -euo pipefail
cmake --build --preset release --target cloudless bench_apiserver
build/release/bench_apiserver build/release/cloudless "$BENCH_DIR"
