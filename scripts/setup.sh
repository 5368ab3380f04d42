#!/usr/bin/env bash
# Installs the Debian packages of the named sets (build, run, test): scripts/packages-SET.txt. Does nothing where they
# are all there. Services that packages bring are not started: tests start their own, on ports of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for set in "$@"; do
  while read -r package; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
  done < <(grep -v '^#' "scripts/packages-$set.txt")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "These packages are missing: ${missing[*]}" >&2
  echo "Run as root, or: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

# policy-rc.d is how Debian lets an administrator say that no service starts on installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' > $policy
  chmod +x $policy
  trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
