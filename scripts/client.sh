#!/usr/bin/env bash
# Generates a client in Python from the document of a live control plane, and reads with it all that
# can be read: scripts/client.sh
# Needs python3 with venv, and the Python package index for the first run; says so and ends with 0
# if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/live.sh

tool openapi-python-client 0.29.1
# A service for each way to be, so that what may be null is once there and once not.
serve <<'YAML'
server:
  port: 0
  auth: {tokens: [{name: client, role: admin, token: "TOKEN"}]}
observability: {logging: {level: debug}}
defaults: {processpype: {poll_times: true}}
services:
  hello: {kind: hello}
  fast: {kind: ticker, interval: 100ms, depends_on: [hello]}
  bad: {kind: flaky, fail_start: 99, restart: {backoff: {initial: 1h, max: 1h}}}
  waits: {kind: hello, depends_on: [bad]}
  off: {kind: hello, enabled: false}
  idle: {kind: hello, autostart: false}
YAML

# The generator has a formatter run over what it writes, which nobody reads here.
echo 'post_hooks: []' >"$scratch/generator.yaml"
"$venv/bin/openapi-python-client" generate --url "$url/openapi.json" --meta none --fail-on-warning \
    --config "$scratch/generator.yaml" --output-path "$scratch/generated"
PYTHONPATH="$scratch" "$venv/bin/python" -B scripts/client.py "$url" "$TOKEN"
survived
