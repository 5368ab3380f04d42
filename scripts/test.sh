#!/usr/bin/env bash
# Installs what is needed, builds the release, runs every test. The last lines say how many passed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh build run test
scripts/clients.sh
cmake --preset release
cmake --build --preset release
export PATH="$PWD/build/clients:$PATH"
ctest --test-dir build/release --output-on-failure -j "$(nproc)"
