#!/usr/bin/env bash
# The first process of a lab: a cloud of its own on this machine.
#   unshare --mount --pid --fork --kill-child --mount-proc lab/init.sh DIR NUMBER HOSTS PROGRAMS
#
#   this machine's namespace                  underlay                     host N (own network, mounts, processes)
#   iroko-api, iroko-scheduler  iklabN ══ up0 ── bridge und0 ── upN ══ eth0   libvirtd, both agents, guests
#   198.18.NUMBER.254                                                         198.18.NUMBER.N
#
# Everything lives in this process's PID and mount namespaces, and every network namespace in its
# private /run/netns: when this process ends, however it ends, the kernel takes all of it along.
# Others steer it by files below DIR (see supervise.sh) and by killing what it runs.
set -euo pipefail
dir=$1 number=$2 hosts=$3 programs=$4
here=$(dirname "$(realpath "$0")")
net=198.18.$number
mtu=1500

# /run is shared with the machine; the names of our network namespaces are not.
mkdir -p /run/netns
mount -t tmpfs -o mode=755 lab /run/netns

underlay() {
  ip netns add underlay
  ip link delete "iklab$number" 2>/dev/null || true
  ip link add "iklab$number" mtu "$mtu" type veth peer name up0 netns underlay
  ip address add "$net.254/24" dev "iklab$number"
  ip link set "iklab$number" up
  ip -n underlay link add und0 mtu "$mtu" type bridge
  ip -n underlay link set und0 up
  ip -n underlay link set up0 master und0 up
}

# One host: started, cabled, and started again after every end, as by a power switch.
host() {
  local n=$1 root=$dir/hosts/$1 pid
  mkdir -p "$root/log" "$root/hold"
  while true; do
    while [[ -e $root/hold/host || ! -e $root/etc/net-agent.toml ]]; do sleep 0.1; done
    rm -rf "$root/root/run"
    unshare --mount --net --pid --uts --fork --kill-child --mount-proc \
      bash "$here/host.sh" "$root" "host-$n" "$net.$n/24" "$programs" </dev/null >>"$root/log/host.log" 2>&1 &
    pid=$!
    cable "$n" "$pid" || kill -9 "$pid"
    wait "$pid" || true
    ip -n underlay link delete "up$n" 2>/dev/null || true
  done
}

# The host's first process is the child of unshare; it waits for its device.
cable() {
  local n=$1 unshare=$2 pid
  for _ in {1..100}; do
    pid=$(cat "/proc/$unshare/task/$unshare/children" 2>/dev/null || true)
    pid=${pid%% *}
    # Before its exec the child may still be in our namespace.
    if [[ -n $pid && $(readlink "/proc/$pid/ns/net") != $(readlink /proc/self/ns/net) ]]; then
      ip -n underlay link delete "up$n" 2>/dev/null || true
      ip -n underlay link add "up$n" mtu "$mtu" type veth peer name "eth$n"
      ip -n underlay link set "up$n" master und0 up
      # From namespace to namespace, under the name it keeps.
      ip -n underlay link set "eth$n" netns "$pid" name eth0
      return 0
    fi
    sleep 0.05
  done
  return 1
}

# Ends in order: daemons, then the database, so that it is clean on disk.
finish() {
  trap - TERM INT
  touch "$dir"/hold/{api,scheduler,postgres}
  pkill -TERM -x iroko-api || true
  pkill -TERM -x iroko-scheduler || true
  pkill -INT -x -o postgres || true
  for _ in {1..100}; do
    pgrep -x postgres >/dev/null || break
    sleep 0.1
  done
  exit 0
}

mkdir -p "$dir/hold"
underlay
"$here/supervise.sh" postgres "$dir" "$here/postgres.sh" run "$dir/postgres" &
"$here/supervise.sh" api "$dir" "$programs/iroko-api" --config "$dir/api.toml" &
"$here/supervise.sh" scheduler "$dir" "$programs/iroko-scheduler" --config "$dir/scheduler.toml" &
for ((n = 1; n <= hosts; n++)); do host "$n" & done
trap finish TERM INT
echo ready >"$dir/ready"
while true; do wait -n || true; done
