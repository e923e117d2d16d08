# Sourced by the scripts beside it: a playground that runs, and a program of Python to let loose on
# it. What a script needs and does not find makes it end with 0 and say `skipped:`.
#
# PLAYGROUND names a program that is built already; without it cargo builds one.
# Sets `scratch` (removed at the end), `url` and TOKEN, that of an admin.

target="${CARGO_TARGET_DIR:-$PWD/target}"
scratch="$(mktemp -d)"
server=""
url=""
readonly TOKEN="live-$$-$RANDOM$RANDOM$RANDOM-loopback-only"

finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

skip() {
    echo "skipped: $1"
    exit 0
}

# Installs version $2 of the package $1 from the Python package index, once; `venv` is where.
tool() {
    venv="$target/$1-$2"
    command -v python3 >/dev/null || skip "python3 is not there"
    [ ! -x "$venv/bin/$1" ] || return 0
    python3 -m venv "$venv" >/dev/null 2>&1 || { rm -rf "$venv"; skip "python3 has no module venv"; }
    "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 "$1==$2" || {
        rm -rf "$venv"
        skip "$1 $2 cannot be installed from the Python package index"
    }
}

# Starts the playground with the configuration on standard input, which may say TOKEN.
serve() {
    local program="${PLAYGROUND:-}" line
    if [ -z "$program" ]; then
        cargo build --quiet --locked -p playground
        program="$target/debug/playground"
    fi
    while IFS= read -r line; do echo "${line//TOKEN/$TOKEN}"; done >"$scratch/app.yaml"
    XDG_RUNTIME_DIR="$scratch" "$program" run --config "$scratch/app.yaml" >"$scratch/log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        url="$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$scratch/log" | head -1 || true)"
        [ -z "$url" ] || return 0
        sleep 0.1
    done
    cat "$scratch/log"
    echo "error: it did not start"
    exit 1
}

# Fails unless the playground is still well.
survived() {
    kill -0 "$server" || { cat "$scratch/log"; echo "error: the application did not survive"; exit 1; }
    ! grep -E 'panicked|internal error' "$scratch/log"
}
