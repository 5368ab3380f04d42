#!/usr/bin/env bash
# The clients that the demo uses: curl and dig from Debian, kubectl as it is on the machine or from Debian's package.
set -euo pipefail
missing=()
command -v curl >/dev/null || missing+=(curl)
command -v dig >/dev/null || missing+=(dnsutils)
command -v kubectl >/dev/null || missing+=(kubernetes-client)
[ ${#missing[@]} -eq 0 ] || apt-get install -q -y --no-install-recommends "${missing[@]}"
