#!/bin/sh
# What udhcpc runs with a lease: address, route, MTU, name; then one line for the test.
[ "$1" = bound ] || [ "$1" = renew ] || exit 0

[ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
ip address replace "$ip/$mask" dev "$interface"
for gateway in $router; do
  ip route replace default via "$gateway" dev "$interface"
  break
done
if [ -n "$hostname" ] && [ ! -e /run/named ]; then
  hostname "$hostname"
  hostname >/www/index.html
fi
: >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done

now=$(cat "/sys/class/net/$interface/mtu")
mac=$(cat "/sys/class/net/$interface/address")
echo "IROKO-TEST nic=$interface mac=$mac ip=$ip/$mask mtu=$now hostname=$(hostname) gateway=${router%% *}" >/dev/console
