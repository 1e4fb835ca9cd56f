#!/usr/bin/env bash
# Runs a program again and again, as a service manager would.
#   lab/supervise.sh NAME DIR COMMAND...
# Its output goes to DIR/log/NAME.log. While the file DIR/hold/NAME exists it is not started again.
set -u
name=$1 dir=$2
shift 2
mkdir -p "$dir/log" "$dir/hold"
while true; do
  while [[ -e $dir/hold/$name ]]; do sleep 0.1; done
  "$@" >>"$dir/log/$name.log" 2>&1
  echo "--- $name ended with $?" >>"$dir/log/$name.log"
  sleep 0.1
done
