//! Which servers a network's resolver asks what it does not know itself. Pure.
//!
//! Guests are told one resolver, their network's own: with a second one beside it, a guest would ask for names
//! of its project where nobody knows them (systemd-resolved stays with whoever answered last). So it asks the servers of
//! the subnets (`dns_servers`) in their place, from the network itself and never by way of the host's own.
//!
//! ```text
//!   guest ──> resolver of its host ──> server, where that is an instance of this host
//!                      └── relay ──> resolver of the server's host ──> server
//! ```
//!
//! All hosts' resolvers have the same address in the network, so that each can only ask instances of its own host:
//! an answer to it would end on the server's host. Between hosts they have addresses that only they use
//! ([`relay_address`]). A server that is no instance of the network is asked by nobody: there is no way to it.

use crate::object::relay_address;
use ipnetwork::IpNetwork;
use iroko_agent_link::Desired;
use iroko_agent_wire::{NetworkSpec, PeerSpec};
use iroko_model::NetworkId;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

/// True where hosts of a network ask for each other.
pub fn is_needed(network: &NetworkSpec) -> bool {
    servers(network).next().is_some()
}

fn servers(network: &NetworkSpec) -> impl Iterator<Item = IpAddr> {
    let own = |ip: &IpAddr| network.subnets.iter().any(|subnet| subnet.service == *ip);
    network.subnets.iter().flat_map(|subnet| subnet.dns_servers.iter().copied()).filter(move |ip| !own(ip))
}

/// True where one of these addresses is that of a server.
pub fn serves(network: &NetworkSpec, addresses: &[IpAddr]) -> bool {
    servers(network).any(|server| addresses.contains(&server))
}

/// Whom the resolver on this host asks: servers that are instances of this host, and for all others the hosts they
/// are on.
pub fn asked(network: &NetworkSpec, desired: &Desired, vtep: IpAddr) -> BTreeSet<IpAddr> {
    servers(network).filter_map(|server| way_to(server, network.id, desired, vtep)).collect()
}

fn way_to(server: IpAddr, network: NetworkId, desired: &Desired, vtep: IpAddr) -> Option<IpAddr> {
    let is_here = desired.ports.values().any(|port| port.network_id == network && port.addresses.contains(&server));
    if is_here {
        return Some(server);
    }
    let peers = desired.peers.get(&network)?;
    let has = |peer: &&std::sync::Arc<PeerSpec>| peer.addresses.contains(&server) && peer.vtep != vtep;
    peers.values().find(has).map(|peer| relay_address(peer.vtep).into())
}

/// The address of this host's resolver between hosts, with the length of their prefix.
pub fn own_address(vtep: IpAddr) -> IpNetwork {
    let address: Ipv6Addr = relay_address(vtep);
    IpNetwork::new(address.into(), 64).expect("an IPv6 prefix has up to 128 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_agent_wire::SubnetSpec;
    use iroko_model::{HostId, Hostname, MacAddress, PortId, SubnetId, Vni};
    use std::sync::Arc;

    fn network(servers: &[&str]) -> NetworkSpec {
        let subnet = SubnetSpec {
            id: SubnetId::new(),
            cidr: "10.0.0.0/24".parse().unwrap(),
            gateway: None,
            service: "10.0.0.2".parse().unwrap(),
            dns_servers: servers.iter().map(|server| server.parse().unwrap()).collect(),
        };
        let (id, vni) = (NetworkId::new(), Vni::try_from(0xff).unwrap());
        NetworkSpec { id, generation: 1, vni, mtu: 1450, domain: "internal".into(), subnets: vec![subnet] }
    }

    #[test]
    fn a_server_elsewhere_is_asked_by_its_host() {
        let network = network(&["10.0.0.9", "10.0.0.2", "9.9.9.9"]);
        let mut desired = Desired::default();
        let own: IpAddr = "192.0.2.1".parse().unwrap();
        assert!(is_needed(&network));
        assert_eq!(asked(&network, &desired, own), BTreeSet::new(), "nobody is asked where there is no way");
        let peer = PeerSpec {
            port_id: PortId::new(),
            network_id: network.id,
            host_id: HostId::new(),
            vtep: "192.0.2.7".parse().unwrap(),
            mac: MacAddress::local([0, 0, 0, 0, 9]),
            addresses: vec!["10.0.0.9".parse().unwrap()],
            hostname: Hostname::try_from("dns".to_owned()).unwrap(),
            allowed_address_pairs: vec![],
        };
        assert!(serves(&network, &peer.addresses));
        desired.peers.entry(network.id).or_default().insert(peer.port_id, Arc::new(peer));
        let relay: IpAddr = "fd69:6b6f:2d64:6e73::c000:207".parse().unwrap();
        assert_eq!(asked(&network, &desired, own), [relay].into());
    }

    #[test]
    fn a_network_without_servers_has_no_relays() {
        assert!(!is_needed(&network(&[])) && !is_needed(&network(&["10.0.0.2"])));
    }
}
