#!/usr/bin/env bash
# Checks licences, sources and duplicates of all dependencies, without internet. Installs cargo-deny
# where it is missing.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
readonly VERSION=0.20.2
command -v cargo-deny >/dev/null ||
  cargo install --quiet --locked cargo-deny --version "$VERSION" --no-default-features
exec cargo deny --log-level error check licenses bans sources
