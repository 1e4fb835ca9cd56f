#!/usr/bin/env bash
# Measures, with the release build, and prints tables: the control plane with simulated hosts, log-ins, how
# soon a change of a group is in force, real machines beside `virsh create`. Takes about four minutes on two
# processors.
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
echo "## Real machines"
echo
target/release/iroko-lab ratio
