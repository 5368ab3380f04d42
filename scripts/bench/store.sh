#!/usr/bin/env bash
# `cloudless store` beside a real etcd on one disk, then two of it on one PostgreSQL. Started by scripts/bench.sh.
set -euo pipefail
cmake --build --preset release --target cloudless-store bench_etcd

# A PostgreSQL of our own, on a Unix socket, gone at the end.
pg_bin=$(pg_config --bindir)
pg=$(mktemp -d)
chown postgres "$pg"
as_postgres() { (cd "$pg" && runuser -u postgres -- "$pg_bin/$@"); }
trap 'as_postgres pg_ctl -D "$pg/data" -m immediate stop >/dev/null || true; rm -rf "$pg"' EXIT
as_postgres initdb -D "$pg/data" -A trust -U postgres >/dev/null
as_postgres pg_ctl -D "$pg/data" -l "$pg/log" -o "-c listen_addresses= -c unix_socket_directories=$pg" -w start >/dev/null
export BENCH_POSTGRES="postgres://postgres@/bench?host=$pg"

build/release/bench_etcd build/release/cloudless-store "$BENCH_DIR"
