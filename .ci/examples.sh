#!/usr/bin/env bash
# Starts each example as a user would, asks it over HTTP, and stops it with SIGTERM.
# Fails unless each answers and ends with exit code 0.
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/.."

readonly HOST=127.0.0.1
readonly TRIES=150 PAUSE=0.2  # up to 30 s for a start, an answer or a stop

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
readonly ROOT="$PWD"
readonly BINARIES="$CARGO_TARGET_DIR/release"

scratch="$(mktemp -d)"
pid=""
port=""

cleanup() {
    if [ -n "$pid" ]; then
        kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap cleanup EXIT

fail() {
    echo "error: $*" >&2
    if [ -f "$scratch/log" ]; then
        echo "--- the last lines of the program:" >&2
        tail -n 60 "$scratch/log" >&2
    fi
    exit 1
}

# Sets `port` to one that nobody listens on now.
choose_port() {
    local try
    for try in $(seq "$TRIES"); do
        port=$((20000 + RANDOM % 20000))
        if ! (exec 3<>"/dev/tcp/$HOST/$port") 2>/dev/null; then
            return
        fi
    done
    fail "no free port after $try tries"
}

# Prints the body of GET $1; fails unless the status is 200.
get() {
    local url="http://$HOST:$port$1"
    if command -v curl >/dev/null 2>&1; then
        curl --silent --show-error --fail --max-time 10 "$url"
        return
    fi
    local answer
    answer="$(
        exec 3<>"/dev/tcp/$HOST/$port"
        printf 'GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$1" "$HOST" "$port" >&3
        timeout 10 cat <&3
    )" || return 1
    case "$answer" in
        "HTTP/1."?" 200"*) printf '%s' "${answer#*$'\r\n\r\n'}" ;;
        *) return 1 ;;
    esac
}

# Waits until GET $1 is answered with 200 and a body that contains $2.
expect() {
    local try body=""
    for try in $(seq "$TRIES"); do
        if body="$(get "$1" 2>/dev/null)" && [[ "$body" == *"$2"* ]]; then
            echo "    GET $1 -> ${body:0:160}"
            return
        fi
        kill -0 "$pid" 2>/dev/null || fail "the program ended before it answered GET $1"
        sleep "$PAUSE"
    done
    fail "GET $1 did not answer 200 with \`$2\` after $try tries; the last body: ${body:0:400}"
}

# Starts program $1 with the configuration $2, in the scratch directory.
start() {
    choose_port
    echo "==> $1 on $HOST:$port"
    cd "$scratch"
    "$BINARIES/$1" run --config "$2" --set "server.port=$port" >"$scratch/log" 2>&1 &
    pid=$!
    cd "$ROOT"
    expect /health/ready ""
}

# Asks the program to end, waits, and checks its exit code.
stop() {
    local try code=0
    kill -TERM "$pid"
    for try in $(seq "$TRIES"); do
        kill -0 "$pid" 2>/dev/null || break
        sleep "$PAUSE"
    done
    if kill -0 "$pid" 2>/dev/null; then
        fail "the program still runs after SIGTERM and $try tries"
    fi
    wait "$pid" || code=$?
    pid=""
    [ "$code" -eq 0 ] || fail "exit code $code after SIGTERM; expected 0"
    echo "    SIGTERM -> exit code 0"
}

sysmon() {
    # A copy in a directory of its own, so that relative data does not land in the sources.
    mkdir -p "$scratch/sysmon"
    cp examples/sysmon/sysmon.yaml "$scratch/sysmon/sysmon.yaml"
    start sysmon "$scratch/sysmon/sysmon.yaml"
    expect /services '"collector"'
    expect /services/api/latest cpu
    without_features
    stop
}

playground() {
    cat >"$scratch/playground.yaml" <<'YAML'
services:
  greeter:
    kind: hello
  clock:
    kind: ticker
    interval: 100ms
    depends_on: [greeter]
YAML
    start playground "$scratch/playground.yaml"
    expect /services '"clock"'
    expect /services/greeter/status '"running"'
    expect /services/clock/ticks '"ticks"'
    stop
}

# What the tests cannot see, for they have every feature: sysmon has none, and runs.
without_features() {
    echo 'server: {tls: {certificate: tls.crt, key: tls.key}}' >"$scratch/tls.yaml"
    refused 78 "built without TLS" check --config "$scratch/tls.yaml"
    echo 'observability: {tracing: {endpoint: "http://localhost:4318"}}' >"$scratch/otlp.yaml"
    refused 78 'built without the feature `otlp`' check --config "$scratch/otlp.yaml"
    refused 64 'built without the feature `top`' top --url "http://$HOST:$port"
    refused 69 'built without the feature `tls`' status --url "https://$HOST:$port"
}

# Fails unless sysmon with the arguments after $2 ends with exit code $1 and says $2.
refused() {
    local expected="$1" words="$2" code=0 said
    shift 2
    said="$("$BINARIES/sysmon" "$@" 2>&1)" || code=$?
    [[ $code -eq $expected && "$said" == *"$words"* ]] || fail "sysmon $*: $code, $said"
    echo "    sysmon $* -> exit code $code"
}

# An example takes part as soon as it is an application.
present=()
if [ -f examples/sysmon/sysmon.yaml ]; then present+=(sysmon); fi
if grep -rqs 'Application::new' examples/playground/src; then present+=(playground); fi
for example in sysmon playground; do
    [[ " ${present[*]-} " == *" $example "* ]] || echo "skipped: $example is no application yet"
done

for example in ${present[@]+"${present[@]}"}; do
    cargo build --release --locked -p "$example"
    "$example"
done
