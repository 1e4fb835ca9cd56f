//! What passes do to the host: make, leave alone, mend, remove.

use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_wire::{Change, ObjectKey, PortSpec};
use iroko_model::Vni;
use iroko_model::port::PortState;

/// A host with one network, a port and a peer.
fn plugged(vni: u32) -> (Host, Net, PortSpec, PortSpec) {
    let (host, other, net) = (Host::new(1), Host::new(2), Net::new(vni));
    let (port, remote) = (net.port(10), net.port(20));
    let made = host.change(vec![net.set(), set_port(&port), peer(&remote, &other)]);
    assert!(made.actions > 0 && !made.outstanding, "{:?}", host.reporter.last_port(port.id));
    (host, net, port, remote)
}

fn is_quiet(host: &Host) {
    let again = host.full();
    assert_eq!((again.full, again.actions, again.outstanding), (true, 0, false), "{}", host.outstanding());
}

fn dnsmasq_pid(host: &Host, vni: Vni) -> String {
    host.sh(&format!("cat /run/iroko/net-agent/dnsmasq/{:06x}/pid", vni.get())).trim().to_owned()
}

#[test]
fn makes_everything_and_then_has_nothing_to_do() {
    needs_kernel!();
    let (host, net, port, _) = plugged(0x101);
    let seen = host.reporter.last_port(port.id).unwrap();
    assert_eq!((seen.state, seen.reason), (PortState::Ready, None));
    assert!(host.ready.is_ready(port.id));
    is_quiet(&host);
    let quiet = host.sh(&format!("ip address show dev {}", net.vni().bridge()));
    assert!(!quiet.contains("inet"), "the bridge has no address: {quiet}");
}

#[test]
fn a_new_agent_adopts_what_it_finds() {
    needs_kernel!();
    let (host, net, port, _) = plugged(0x102);
    let before = dnsmasq_pid(&host, net.vni());
    host.ready.clear(port.id).unwrap();
    host.restart();
    is_quiet(&host);
    assert_eq!(dnsmasq_pid(&host, net.vni()), before, "the server runs on");
    assert!(host.ready.is_ready(port.id), "and the port is marked again");
}

#[test]
fn mends_what_was_broken_by_hand() {
    needs_kernel!();
    let (host, net, port, remote) = plugged(0x103);
    let (bridge, vxlan, tap, mac) = (net.vni().bridge(), net.vni().vxlan(), &port.tap, remote.mac);
    let (namespace, cable) = (format!("ikns{:06x}", net.vni().get()), format!("iksv{:06x}", net.vni().get()));
    let inner = format!("iksn{:06x}", net.vni().get());
    for harm in [
        format!("ip link set {tap} down"),
        format!("ip link set {tap} nomaster"),
        format!("ip link set {tap} mtu 1400"),
        format!("ip link del {tap}"),
        format!("bridge link set dev {tap} learning on flood on"),
        format!("bridge link set dev {vxlan} mcast_flood on neigh_suppress off"),
        format!("bridge fdb del {mac} dev {vxlan} self"),
        format!("bridge fdb del {mac} dev {vxlan} master"),
        format!("bridge fdb add 02:00:00:00:00:77 dev {vxlan} dst 192.0.2.7"),
        format!("bridge fdb add 02:00:00:00:00:77 dev {tap} master static"),
        format!("bridge fdb replace {mac} dev {vxlan} self dst 192.0.2.9"),
        format!("ip neigh del 10.0.0.20 dev {bridge}"),
        format!("ip neigh replace 10.0.0.20 lladdr 02:00:00:00:00:66 dev {bridge} nud permanent"),
        format!("ip neigh add 10.0.0.66 lladdr 02:00:00:00:00:66 dev {bridge} nud permanent"),
        format!("ip link del {vxlan}"),
        format!("ip link del {vxlan}; ip link add {vxlan} type vxlan id 5 dstport 4789"),
        format!("ip link del {bridge}"),
        format!("ip link set {bridge} down"),
        format!("ip link set {bridge} type bridge nf_call_iptables 0"),
        "nft flush ruleset".to_owned(),
        "nft flush chain bridge ik from_guest".to_owned(),
        "nft delete table inet ik".to_owned(),
        format!("nft delete element bridge ik tap_mac '{{ \"{tap}\" . {} }}'", port.mac),
        format!("nft add element inet ik members4 '{{ \"{bridge}\" . 10.9.9.9 }}'"),
        "sysctl -w net.bridge.bridge-nf-call-iptables=1".to_owned(),
        format!("kill -9 {}", dnsmasq_pid(&host, net.vni())),
        format!("rm /run/iroko/net-agent/dnsmasq/{:06x}/names/*", net.vni().get()),
        format!("ip netns del {namespace}"),
        format!("ip link del {cable}"),
        format!("ip netns exec {namespace} ip link set {inner} down"),
        format!("ip netns exec {namespace} ip address flush dev {inner} scope global"),
    ] {
        host.sh(&harm);
        let mended = host.full();
        assert!(mended.actions > 0 && !mended.outstanding, "{harm}: {mended:?} {:?}", host.reporter.last_port(port.id));
        is_quiet(&host);
    }
}

#[test]
fn leaves_nothing_behind_and_others_alone() {
    needs_kernel!();
    let (host, net, port, remote) = plugged(0x104);
    host.sh("ip link add ext0 type bridge && ip link set ext0 up && nft add table inet other");
    let second = Net::new(0x105);
    let other = second.port(10);
    host.change(vec![second.set(), set_port(&other)]);
    host.change(vec![Change::Gone(ObjectKey::Peer(net.spec.id, remote.id))]);
    host.change(vec![Change::Gone(ObjectKey::Port(port.id))]);
    assert!(!host.ready.is_ready(port.id) && host.reporter.last_port(port.id).is_none());
    is_quiet(&host);
    assert!(!host.sh("ip -o link").contains("000104"), "the network goes with its last port");
    host.change(vec![Change::Gone(ObjectKey::Port(other.id))]);
    is_quiet(&host);

    let devices = host.sh("ip -o link");
    assert!(!devices.contains(": ik") && devices.contains("ext0"), "{devices}");
    let rules = host.sh("nft list ruleset");
    assert!(!rules.contains("0104") && !rules.contains("0105") && rules.contains("table inet other"), "{rules}");
    assert_eq!(host.sh("ls /run/netns /run/iroko/net-agent/dnsmasq | grep -v :").trim(), "");
    assert_eq!(host.try_sh("pgrep -f 'dnsmasq.*/00010[45]/config'").1, "", "no server is left");
}

#[test]
fn nothing_is_touched_until_something_is_known() {
    needs_kernel!();
    let host = Host::new(1);
    host.sh("ip link add ikbr000106 type bridge");
    assert_eq!(host.full().actions, 0);
    assert!(host.sh("ip -o link").contains("ikbr000106"), "an agent that knows nothing leaves it");
}

/// An agent that died between writing a record and telling the server leaves a mark, and the next
/// one tells it.
#[test]
fn records_the_server_has_not_read_are_not_forgotten() {
    needs_kernel!();
    let (host, net, _, _) = plugged(0x107);
    let before = dnsmasq_pid(&host, net.vni());
    host.sh("touch /run/iroko/net-agent/dnsmasq/000107/unread");
    host.restart();
    let seen = host.full();
    assert!(seen.actions > 0 && !seen.outstanding, "{}", host.outstanding());
    assert_ne!(dnsmasq_pid(&host, net.vni()), before);
    is_quiet(&host);
}

/// Each simulated host has its own names, although all of them have the same networks.
#[test]
fn a_service_namespace_is_named_in_its_own_host_alone() {
    needs_kernel!();
    let (one, net, port, _) = plugged(0x108);
    let two = Host::new(2);
    two.change(vec![net.set(), set_port(&net.port(11))]);
    for host in [&one, &two] {
        assert!(host.sh("ip netns exec ikns000108 ip -o address").contains("10.0.0.2/24"));
    }
    one.change(vec![Change::Gone(ObjectKey::Port(port.id))]);
    is_quiet(&two);
    assert!(!std::path::Path::new("/run/netns/ikns000108").exists(), "the computer itself sees none of it");
}
