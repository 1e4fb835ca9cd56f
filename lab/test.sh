#!/usr/bin/env bash
# Runs every test and ends with one line: "N passed, N failed, N skipped".
# A test that cannot run here prints "skipped: WHY" and is counted as skipped.
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.."
export SQLX_OFFLINE=true CARGO_TERM_COLOR=never
began=$SECONDS
passed=0 failed=0 skipped=0

# A check that is not a Rust test counts as one.
check() {
  local name=$1
  shift
  echo "==> $name"
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED: $name"; fi
}

fatal() { echo "$1"; echo "0 passed, 1 failed"; exit 1; }

lab/install.sh test || fatal "what the tests need could not be installed"
cluster=$PWD/target/test-postgres
mkdir -p target
trap 'lab/postgres.sh stop "$cluster"' EXIT
# What is in it is gone with its test: nothing has to survive a power cut.
IROKO_POSTGRES_CONF="fsync = off" lab/postgres.sh start "$cluster" || fatal "PostgreSQL did not start"
DATABASE_URL=$(lab/postgres.sh url "$cluster")
export DATABASE_URL

cargo build --workspace || fatal "it does not compile"
[[ -e target/lab-images/tiny.qcow2 ]] || lab/images/tiny-image.sh target/lab-images/tiny.qcow2 || fatal "no guest image"

check "formatting" cargo fmt --all --check
check "licences, sources and duplicates of dependencies" lab/deny.sh
check "clients can be generated from the document" lab/clients.sh
check "lints, no conversion that cuts a number among them" cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings

log=target/nextest.log
cargo nextest run --workspace --all-features --no-fail-fast --status-level slow --success-output final --final-status-level slow 2>&1 |
  tee "$log" | grep -vE '^\s*(PASS|SLOW|START)|^\s*$|stdout ──|stderr ──|^\s*(running [0-9]+ test|test result:|test .* ok$)'
summary=$(grep -E '^\s*Summary \[' "$log" | tail -n 1)
[[ -n $summary ]] || { failed=$((failed + 1)) && echo "FAILED: the tests did not run"; }
count() { grep -oE "[0-9]+ $1" <<<"$summary" | grep -oE '^[0-9]+' || echo 0; }
skips=$(grep -cE '^\s*skipped: ' "$log")
passed=$((passed + $(count passed) - skips))
failed=$((failed + $(count failed) + $(count 'timed out')))
skipped=$((skipped + skips))
grep -E '^\s*skipped: ' "$log" | sort | uniq -c

echo "took $((SECONDS - began)) s"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
