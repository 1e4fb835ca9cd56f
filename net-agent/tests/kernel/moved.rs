//! Addresses that pass to another instance: those who knew the one before hear of it at once.

use crate::guest::PATIENCE;
use crate::instance::Instance;
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_wire::{Change, ObjectKey, PortSpec};
use iroko_model::{MacAddress, PortId};
use std::time::Instant;

/// The instance that has the addresses of another after it.
fn next(net: &Net, old: &PortSpec, n: u8) -> PortSpec {
    PortSpec { addresses: old.addresses.clone(), ..net.port(n) }
}

/// As if the instance had just talked to a neighbour.
fn knows(instance: &Instance, port: &PortSpec) {
    for ip in &port.addresses {
        instance.sh(&format!("ip neigh replace {ip} lladdr {} dev eth0 nud reachable", port.mac));
    }
}

fn known(instance: &Instance, port: &PortSpec, mac: MacAddress) -> bool {
    let of = |ip| instance.ask(&format!("ip neigh show {ip} dev eth0"));
    port.addresses.iter().all(|ip| of(ip).contains(&mac.to_string()))
}

fn hears_of(instance: &Instance, port: &PortSpec, what: &str) {
    let start = Instant::now();
    while !known(instance, port, port.mac) {
        assert!(start.elapsed() < PATIENCE, "{what}: {}", instance.ask("ip neigh"));
        std::thread::yield_now();
    }
}

fn gone(port: &PortSpec) -> Change {
    Change::Gone(ObjectKey::Port(port.id))
}

fn peer_gone(port: &PortSpec) -> Change {
    Change::Gone(ObjectKey::Peer(port.network_id, port.id))
}

/// On the same host, to another one, from another one, and there; both families, at once and in two steps.
#[test]
fn neighbours_hear_of_an_address_that_passes_to_another_instance() {
    needs_kernel!();
    let (net, other_net) = (Net::new(0x901), Net::new(0x902));
    let (here, there) = Host::pair();
    let (witness, first) = (net.port(10), net.port(20));
    let stranger = PortSpec { id: PortId::new(), ..other_net.port(10) };
    here.change(vec![net.set(), other_net.set(), set_port(&witness), set_port(&stranger), set_port(&first)]);
    let (instance, elsewhere) = (Instance::boot(&here, &witness), Instance::boot(&here, &stranger));

    knows(&instance, &first);
    knows(&elsewhere, &first);
    let second = next(&net, &first, 30);
    here.change(vec![gone(&first)]);
    assert!(known(&instance, &first, first.mac), "nobody says anything of an address that nobody has");
    here.change(vec![set_port(&second)]);
    hears_of(&instance, &second, "local to local");

    let third = next(&net, &first, 40);
    here.change(vec![gone(&second), peer(&third, &there)]);
    hears_of(&instance, &third, "local to remote");

    let fourth = next(&net, &first, 50);
    here.change(vec![peer_gone(&third)]);
    here.change(vec![peer(&fourth, &there)]);
    hears_of(&instance, &fourth, "remote to remote");

    let fifth = next(&net, &first, 60);
    here.change(vec![peer_gone(&fourth), set_port(&fifth)]);
    hears_of(&instance, &fifth, "remote to local");
    assert!(known(&elsewhere, &first, first.mac), "other networks hear nothing, with the same addresses");

    // The agent was not there when it passed on.
    here.restart();
    let sixth = next(&net, &first, 70);
    here.change(vec![gone(&fifth), peer(&sixth, &there)]);
    hears_of(&instance, &sixth, "while the agent was away");

    // A new address is known to nobody, and nobody is told.
    let new = net.port(80);
    for ip in &new.addresses {
        instance.sh(&format!("ip neigh replace {ip} lladdr 02:00:00:00:00:99 dev eth0 nud reachable"));
    }
    here.change(vec![set_port(&new)]);
    let seventh = next(&net, &first, 90);
    here.change(vec![peer_gone(&sixth), set_port(&seventh)]);
    hears_of(&instance, &seventh, "the marker");
    assert!(known(&instance, &new, "02:00:00:00:00:99".parse().unwrap()), "{}", instance.ask("ip neigh"));
}
