#!/usr/bin/env bash
# Measures, with the release build, and prints tables: the control plane with simulated hosts, log-ins, how
# soon a change of a group is in force, what statements cost in clouds of different sizes, real instances beside
# `virsh create`. Takes about five minutes on two processors.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
[[ -e target/lab-images/tiny.qcow2 ]] || lab/images/tiny-image.sh target/lab-images/tiny.qcow2 >&2
echo "## Control plane"
echo
target/release/control-plane
echo
echo "## Log-ins"
echo
target/release/log-in
echo
echo "## How soon a change of a security group is in force"
echo
target/release/enforcement
echo
echo "## Growth"
echo
cluster=$PWD/target/bench-postgres
trap 'lab/postgres.sh stop "$cluster"' EXIT
lab/postgres.sh start "$cluster" >&2
DATABASE_URL=$(lab/postgres.sh url "$cluster") target/release/growth
echo
echo "## Real instances"
echo
target/release/iroko-lab ratio
