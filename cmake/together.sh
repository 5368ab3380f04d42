#!/bin/sh
# together.sh NM OUT LIBRARY...: the functions of these libraries, each once, as the linker's --symbol-ordering-file
# wants them.
set -eu
nm=$1
out=$2
shift 2
"$nm" --defined-only --format=posix "$@" | awk 'NF >= 2 && $2 ~ /^[TtW]$/ && !seen[$1]++ { print $1 }' > "$out.new"
[ -s "$out.new" ]
mv "$out.new" "$out"
