//! Addresses that pass to another instance, told to the local instances that may know the one before. Pure.
//!
//! An instance keeps the MAC address of a neighbour for half a minute after the neighbour is gone. What is sent to it
//! meanwhile is lost, also where the address has another instance by then. So each host tells its own instances of the
//! network, and its service, what the new one would say of itself: a gratuitous ARP (RFC 5227), an unsolicited neighbour
//! advertisement that overrides (RFC 4861). Nothing of that crosses hosts: each host hears of the change itself.
//!
//! Only addresses that were with another instance lately are told: a new one is known to nobody.

use crate::object::{Element, Key, State, Value, service_port};
use crate::plan::Action;
use iroko_agent_link::Desired;
use iroko_agent_wire::NetworkSpec;
use iroko_model::{MacAddress, NetworkId, Vni};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::time::Instant;

/// Who was silent for so long has forgotten its neighbours.
const REMEMBERED: Duration = Duration::from_mins(10);
/// Most addresses that are remembered; one more is not told when it comes back.
const REMEMBERED_MOST: usize = 65_536;

/// What is told, and by which devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The network, and the address in it.
    pub address: (Vni, IpAddr),
    /// The frame.
    pub frame: Vec<u8>,
    /// Taps of the network, and its service.
    pub devices: Vec<String>,
}

/// Which announcement of each address is the last, so that none is repeated after a newer one.
#[derive(Debug, Default)]
pub struct Latest {
    made: u64,
    of: HashMap<(Vni, IpAddr), u64>,
}

impl Latest {
    /// Takes these as the last ones of their addresses; gives the number by which they are known.
    pub fn take(&mut self, announcements: &[Announcement]) -> u64 {
        self.made += 1;
        self.of.extend(announcements.iter().map(|announcement| (announcement.address, self.made)));
        self.made
    }

    /// True where nothing newer was taken.
    pub fn is_last(&self, announcement: &Announcement, number: u64) -> bool {
        self.of.get(&announcement.address) == Some(&number)
    }

    /// What is not repeated any more.
    pub fn forget(&mut self, number: u64) {
        self.of.retain(|_, last| *last != number);
    }
}

/// Remembers which addresses were let go.
#[derive(Debug, Default)]
pub struct Announcer {
    gone: HashMap<(Vni, IpAddr), Instant>,
}

impl Announcer {
    /// What these actions give to another instance. `observed`: what was there before them.
    pub fn after(
        &mut self,
        actions: &[Action],
        observed: &State,
        desired: &Desired,
        now: Instant,
    ) -> Vec<Announcement> {
        self.gone.retain(|_, since| now.duration_since(*since) < REMEMBERED);
        for address in actions.iter().filter_map(|action| let_go(action, observed)) {
            if self.gone.len() < REMEMBERED_MOST || self.gone.contains_key(&address) {
                self.gone.insert(address, now);
            }
        }
        let moved = |action: &Action| match action {
            Action::Ensure(key @ Key::Neighbour(vni, ip), Value::Mac(mac)) => {
                let other = matches!(observed.get(key), Some(Value::Mac(old)) if old != mac);
                (other || self.gone.contains_key(&(*vni, *ip))).then_some((*vni, *ip, *mac))
            }
            // Most often nothing was let go lately, and no port has to be looked for.
            Action::Ensure(Key::Element(Element::TapIp(tap, ip)), _) if !self.gone.is_empty() => {
                let port = desired.ports.values().find(|port| port.tap == *tap && port.addresses.contains(ip))?;
                let vni = desired.networks.get(&port.network_id)?.vni;
                self.gone.contains_key(&(vni, *ip)).then_some((vni, *ip, port.mac))
            }
            _ => None,
        };
        let moved: Vec<_> = actions.iter().filter_map(moved).collect();
        moved.iter().filter_map(|(vni, ip, mac)| announcement(*vni, *ip, *mac, desired)).collect()
    }
}

/// The address that an action takes from an instance.
fn let_go(action: &Action, observed: &State) -> Option<(Vni, IpAddr)> {
    match action {
        Action::Remove(Key::Neighbour(vni, ip), _) => Some((*vni, *ip)),
        Action::Remove(Key::Element(Element::TapIp(tap, ip)), _) => match observed.get(&Key::Tap(tap.clone()))? {
            Value::Tap { vni, .. } => Some((*vni, *ip)),
            _ => None,
        },
        _ => None,
    }
}

fn announcement(vni: Vni, ip: IpAddr, mac: MacAddress, desired: &Desired) -> Option<Announcement> {
    let network: &NetworkSpec = desired.networks.values().find(|network| network.vni == vni)?;
    let mut devices = taps(network.id, mac, desired);
    if !network.subnets.is_empty() {
        devices.push(service_port(vni));
    }
    Some(Announcement { address: (vni, ip), frame: frame(ip, mac), devices })
}

/// Local taps of the network but the instance's own.
fn taps(network: NetworkId, mac: MacAddress, desired: &Desired) -> Vec<String> {
    let others = desired.ports.values().filter(|port| port.network_id == network && port.mac != mac);
    others.map(|port| port.tap.clone()).collect()
}

/// What an instance says of an address that it has now.
pub fn frame(ip: IpAddr, mac: MacAddress) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => gratuitous_arp(v4, mac),
        IpAddr::V6(v6) => unsolicited_advertisement(v6, mac),
    }
}

/// Ethernet, IPv4 over Ethernet, a question for the sender's own address.
fn gratuitous_arp(ip: Ipv4Addr, mac: MacAddress) -> Vec<u8> {
    let (ip, mac) = (ip.octets(), mac.octets());
    [&[0xff; 6][..], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &mac, &ip, &[0; 6], &ip].concat()
}

/// To all nodes, with the override flag and the target's link-layer address.
fn unsolicited_advertisement(ip: Ipv6Addr, mac: MacAddress) -> Vec<u8> {
    const OVERRIDE: u8 = 0x20;
    let (all_nodes, mac) = (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), mac.octets());
    let mut message = [&[136, 0, 0, 0, OVERRIDE, 0, 0, 0][..], &ip.octets(), &[2, 1], &mac].concat();
    let length = [0, 32];
    let pseudo = [&ip.octets()[..], &all_nodes.octets(), &[0, 0], &length, &[0, 0, 0, 58], &message].concat();
    message[2..4].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    let header = [&[0x60, 0, 0, 0][..], &length, &[58, 255], &ip.octets(), &all_nodes.octets()].concat();
    [&[0x33, 0x33, 0, 0, 0, 1][..], &mac, &[0x86, 0xdd], &header, &message].concat()
}

/// The internet checksum (RFC 1071) of an even number of octets.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_as_the_standards_say() {
        let mac: MacAddress = "02:00:00:00:00:0a".parse().unwrap();
        assert_eq!(
            frame("10.0.0.10".parse().unwrap(), mac),
            [
                255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 10, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 10, 10,
                0, 0, 10, 0, 0, 0, 0, 0, 0, 10, 0, 0, 10
            ]
        );
        let six = frame("fd00:1::a".parse().unwrap(), mac);
        assert_eq!((six.len(), &six[..14]), (86, &[0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 10, 0x86, 0xdd][..]));
        let pseudo = [&six[22..54], &[0, 0, 0, 32, 0, 0, 0, 58], &six[54..]].concat();
        assert_eq!(checksum(&pseudo), 0, "with its checksum the sum is right");
    }

    #[test]
    fn nothing_is_repeated_after_what_is_newer() {
        let address = (Vni::try_from(0xff).unwrap(), "10.0.0.10".parse().unwrap());
        let announcement = Announcement { address, frame: vec![], devices: vec![] };
        let mut latest = Latest::default();
        let first = latest.take(std::slice::from_ref(&announcement));
        assert!(latest.is_last(&announcement, first));
        let second = latest.take(std::slice::from_ref(&announcement));
        assert!(!latest.is_last(&announcement, first) && latest.is_last(&announcement, second));
        latest.forget(first);
        assert!(latest.is_last(&announcement, second));
        latest.forget(second);
        assert!(latest.of.is_empty());
    }

    #[test]
    fn who_left_lately_is_remembered_and_not_for_ever() {
        let (mut announcer, desired, start) = (Announcer::default(), Desired::default(), Instant::now());
        let vni = Vni::try_from(0xff).unwrap();
        let key = Key::Neighbour(vni, "10.0.0.10".parse().unwrap());
        let value = Value::Mac("02:00:00:00:00:0a".parse().unwrap());
        let removed = [Action::Remove(key.clone(), value.clone())];
        announcer.after(&removed, &State::new(), &desired, start);
        assert_eq!(announcer.gone.len(), 1);
        announcer.after(&[], &State::new(), &desired, start + REMEMBERED);
        assert_eq!(announcer.gone.len(), 0);
    }
}
