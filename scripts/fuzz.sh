#!/usr/bin/env bash
# Builds the fuzz targets with the sanitizers and runs each: `fuzz.sh` all of them, `fuzz.sh dns_query_fuzz` those
# named. FUZZ_SECONDS for each (default: 60). A search begins at tests/fuzz/TARGET; what it finds interesting stays in
# build/asan/corpus/TARGET for the next; an input that fails is kept in build/asan/findings. Put it into tests/fuzz/TARGET
# with the mend: make test runs what lies there.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=("$@")
if [ $# = 0 ]; then
  # NAME_X_fuzz of src/NAME/**/X_fuzz.cpp, as cmake/part.cmake names them.
  mapfile -t targets < <(git ls-files 'src/*_fuzz.cpp' | sed -E 's|^src/([^/]+)/(.*/)?([^/]+)\.cpp$|\1_\3|')
fi
[ -n "${FUZZ_SKIP_BUILD:-}" ] || { cmake --preset asan; cmake --build --preset asan --target "${targets[@]}"; }

failed=()
mkdir -p build/asan/findings
for target in "${targets[@]}"; do
  corpus=build/asan/corpus/$target
  mkdir -p "$corpus"
  echo "== $target, ${FUZZ_SECONDS:-60} s"
  "build/asan/$target" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -verbosity=0 -artifact_prefix="build/asan/findings/$target-" "$corpus" "tests/fuzz/$target" || failed+=("$target")
done
[ ${#failed[@]} = 0 ] || { echo "Findings of: ${failed[*]}, in build/asan/findings" >&2; exit 1; }
