#!/usr/bin/env bash
# Installs what is needed, builds the release, runs every test. Last line: how many passed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh build run test
cmake --preset release
cmake --build --preset release
ctest --test-dir build/release --output-on-failure -j "$(nproc)"
