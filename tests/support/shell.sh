# What tests in shell share; sourced.
passed=0
# ok TEXT: one more thing is proved.
ok() {
  passed=$((passed + 1))
  echo "ok: $*"
}

# says PATTERN COMMAND...: the command fails, and says so in these words.
says() {
  local pattern=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "it succeeded: $output" >&2
    return 1
  fi
  grep -q -- "$pattern" <<<"$output" || { echo "it said: $output" >&2; return 1; }
}
# shows PATTERN COMMAND...: its output has the pattern.
shows() {
  local pattern=$1
  shift
  # grep reads to the end: what writes would fail where it stopped at the first match.
  "$@" 2>&1 | grep -- "$pattern" >/dev/null
}
