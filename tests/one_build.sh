#!/usr/bin/env bash
# Fails if running and testing would compile a crate below this one with different features: then Burn, which takes
# minutes, is compiled twice. The remedy is a line in Cargo.toml, below "Not used".
set -euo pipefail
crates() { cargo tree --locked --prefix none --format '{p} {f}' "$@" | sed 's/ (\*)$//' | sort -u; }
run=$(crates --edges no-dev)
all=$(crates)
differ=$(comm -23 <(echo "$run") <(echo "$all"))
if [ -n "$differ" ]; then
    echo "error: the tests' dependencies turn on features of these crates, which are compiled twice:" >&2
    echo "$differ" >&2
    exit 1
fi
