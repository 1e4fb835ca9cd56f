#!/usr/bin/env bash
# Lints the OpenAPI document and generates clients from it, in TypeScript and in Python: each must end without an
# error, and what is generated must be right by its own language. What it needs comes from `lab/install.sh test`.
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.."
readonly DOCUMENT=openapi/iroko-v1.json PROGRAMS=openapi/node_modules/.bin VENV=target/openapi-clients/venv
readonly MADE=target/openapi-clients/made
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true PYTHONWARNINGS=ignore

lint() { "$PROGRAMS/redocly" lint "$DOCUMENT" --config openapi/redocly.yaml --max-problems 20; }

typescript() {
  "$PROGRAMS/openapi-typescript" "$DOCUMENT" --output "$MADE/iroko-v1.ts" &&
    "$PROGRAMS/tsc" --noEmit --strict "$MADE/iroko-v1.ts"
}

# A warning is what the generator leaves out of a client.
python() {
  "$VENV/bin/openapi-python-client" generate --path "$DOCUMENT" --output-path "$MADE/python" \
    --config openapi/python-client.yaml --fail-on-warning && "$VENV/bin/python" -m compileall -q "$MADE/python"
}

rm -rf "$MADE"
mkdir -p "$MADE"
declare -A running
for what in lint typescript python; do
  "$what" >"$MADE/$what.log" 2>&1 &
  running[$what]=$!
done
failed=0
for what in "${!running[@]}"; do
  wait "${running[$what]}" || { failed=1 && echo "clients.sh: $what:" && tail -n 60 "$MADE/$what.log"; }
done
exit "$failed"
