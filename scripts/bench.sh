#!/usr/bin/env bash
# Runs the benchmarks, each beside its real peer: `bench.sh` all of scripts/bench/*.sh, `bench.sh store dns` those
# named. Each part builds what it measures, and works in BENCH_DIR (default: build/bench), whose disk counts.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=("$@")
if [ $# = 0 ]; then
  for script in scripts/bench/*.sh; do parts+=("$(basename "$script" .sh)"); done
fi
for part in "${parts[@]}"; do
  [ -x "scripts/bench/$part.sh" ] && continue
  echo "There is no benchmark '$part'; there are: $(basename -s .sh scripts/bench/*.sh | xargs)" >&2
  exit 2
done

scripts/setup.sh build run test
cmake --preset release
export BENCH_DIR=${BENCH_DIR:-$PWD/build/bench}
mkdir -p "$BENCH_DIR"
for part in "${parts[@]}"; do
  echo "== $part"
  "scripts/bench/$part.sh"
done
