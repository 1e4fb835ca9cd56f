#!/usr/bin/env bash
# The first process of a lab's host, in network, mount, process and name namespaces of its own.
#   host.sh DIR NAME ADDRESS/LENGTH PROGRAMS
# What a reboot clears is below DIR/root/run; everything else of the host is kept below DIR/root.
set -euo pipefail
dir=$1 name=$2 address=$3 programs=$4
here=$(dirname "$(realpath "$0")")

hostname "$name"
for path in /run /var/lib/libvirt /etc/libvirt /var/log/libvirt /var/cache/libvirt; do
  mkdir -p "$path" "$dir/root$path"
  mount --bind "$dir/root$path" "$path"
done
mount -t sysfs sysfs /sys
mkdir -p /run/netns

cat >/etc/libvirt/qemu.conf <<'CONF'
security_driver = "none"
dynamic_ownership = 0
namespaces = []
user = "root"
group = "root"
cgroup_controllers = []
stdio_handler = "file"
CONF
cat >/etc/libvirt/libvirtd.conf <<'CONF'
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
CONF

ip link set lo up
for _ in {1..200}; do
  [[ -e /sys/class/net/eth0 ]] && break
  sleep 0.05
done
ip address add "$address" dev eth0
ip link set eth0 up

# As a service manager would before it starts libvirtd.
cat >"$dir/libvirtd.sh" <<START
"$programs/iroko-compute-agent" forget-lost-starts || true
exec libvirtd --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirtd.pid
START
"$here/supervise.sh" libvirtd "$dir" sh "$dir/libvirtd.sh" &
"$here/supervise.sh" net-agent "$dir" "$programs/iroko-net-agent" --config "$dir/etc/net-agent.toml" &
"$here/supervise.sh" compute-agent "$dir" "$programs/iroko-compute-agent" --config "$dir/etc/compute-agent.toml" &
while true; do wait -n || true; done
