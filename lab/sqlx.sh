#!/usr/bin/env bash
# Checks every query against a database made by the migrations, and keeps what it found in .sqlx/,
# so that others build without a database. `lab/sqlx.sh --check` only says whether .sqlx/ is right.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
readonly VERSION=0.9.0
lab/install.sh lab
command -v cargo-sqlx >/dev/null ||
  cargo install --quiet --locked sqlx-cli --version "$VERSION" --no-default-features --features rustls,postgres
cluster=$(mktemp -d)
trap 'lab/postgres.sh stop "$cluster/pg"; rm -rf "$cluster"' EXIT
chmod 755 "$cluster"
lab/postgres.sh start "$cluster/pg"
DATABASE_URL=$(lab/postgres.sh url "$cluster/pg")
export DATABASE_URL
unset SQLX_OFFLINE
cargo sqlx migrate run --source store/migrations
cargo sqlx prepare --workspace "$@" -- --all-targets --all-features
