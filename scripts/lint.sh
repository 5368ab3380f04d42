#!/usr/bin/env bash
# Formatting and clang-tidy; findings are errors. The build's generated and precompiled headers come first.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.cpp' '*.hpp' '*.ipp' | xargs clang-format-19 --dry-run -Werror
scripts/setup.sh build test
cmake --preset release
cmake --build --preset release
# With file names: only those; else everything that is ours.
if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(git ls-files 'src/*.cpp' | grep -v _fuzz.cpp); fi
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/release --quiet
