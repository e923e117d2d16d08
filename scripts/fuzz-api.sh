#!/usr/bin/env bash
# Lets schemathesis, a public fuzzer for OpenAPI, loose on a live control plane: scripts/fuzz-api.sh
# Needs python3 with venv, and the Python package index for the first run; says so and ends with 0
# if they are missing. Services' own routes are left out: their contract is not in the document.
# FUZZ_EXAMPLES (default 30) is the number of cases for each endpoint, FUZZ_SEED (default 1) the seed.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VERSION=4.32.5
target="${CARGO_TARGET_DIR:-$PWD/target}"
venv="$target/schemathesis-$VERSION"
scratch="$(mktemp -d)"
server=""
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

skip() {
    echo "skipped: $1"
    exit 0
}

command -v python3 >/dev/null || skip "python3 is not there"
if [ ! -x "$venv/bin/schemathesis" ]; then
    python3 -m venv "$venv" 2>/dev/null || skip "python3 has no module venv"
    "$venv/bin/pip" install --quiet "schemathesis==$VERSION" || {
        rm -rf "$venv"
        skip "schemathesis $VERSION cannot be installed"
    }
fi

cargo build --quiet --locked -p playground
readonly TOKEN="fuzz-$$-$RANDOM$RANDOM$RANDOM-loopback-only"
cat >"$scratch/app.yaml" <<YAML
server:
  port: 0
  creatable_kinds: [hello]
  limits: {writes: {burst: 100000, per_second: 100000}}
  auth: {tokens: [{name: fuzz, role: admin, token: "$TOKEN"}]}
services:
  hello: {kind: hello}
  fast: {kind: ticker, interval: 1s, depends_on: [hello]}
  off: {kind: hello, enabled: false}
YAML
export XDG_RUNTIME_DIR="$scratch"
"$target/debug/playground" run --config "$scratch/app.yaml" >"$scratch/log" 2>&1 &
server=$!
url=""
for _ in $(seq 100); do
    url="$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$scratch/log" | head -1 || true)"
    [ -z "$url" ] || break
    sleep 0.1
done
[ -n "$url" ] || { cat "$scratch/log"; echo "error: it did not start"; exit 1; }

"$venv/bin/schemathesis" run "$url/openapi.json" \
    --header "Authorization:Bearer $TOKEN" \
    --checks all --exclude-checks ignored_auth,positive_data_acceptance,missing_required_header \
    --phases examples,coverage,fuzzing \
    --exclude-path-regex '\{path\}|/stream$|/shutdown$' \
    --max-examples "${FUZZ_EXAMPLES:-30}" --seed "${FUZZ_SEED:-1}" \
    --request-timeout 20 --suppress-health-check all --continue-on-failure

kill -0 "$server" || { cat "$scratch/log"; echo "error: the application did not survive"; exit 1; }
! grep -E 'panicked|internal error' "$scratch/log"
