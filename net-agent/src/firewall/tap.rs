//! What a tap may send and get, as the rules of its own chains. Pure.
//!
//! ```text
//!   taps_from ──by tap──> from_TAP ──its own addresses──> accept
//!                            └──all else──> from_guest      (asks at length)
//! ```
//!
//! and `taps_to`, `to_TAP`, `to_guest` likewise. A tap's chain passes nothing that the chain behind it
//! would not: it is the shorter way for nearly all frames, and where the properties of a port stand.

use crate::object::Chain;
use iroko_model::MacAddress;
use iroko_model::security_group::Direction;
use std::fmt::Write;
use std::net::IpAddr;

/// From a link-local address that is not made from a MAC address: the middle of its end is not `ff:fe`.
const PRIVATE_LINK_LOCAL: &str = "ip6 saddr fe80::/64 @nh,152,16 != 0xfffe";
const EXPECT: &str = "a string takes all text";

/// What of a port shapes the chains of its tap.
#[derive(Debug, Clone, Copy)]
pub struct Tap<'a> {
    /// Its name.
    pub name: &'a str,
    /// The conntrack zone of the port's network.
    pub zone: u16,
    /// The port's own MAC address.
    pub mac: MacAddress,
    /// The addresses it may use with that, without ranges.
    pub addresses: &'a [IpAddr],
    /// Port security is on.
    pub is_secured: bool,
    /// The port belongs to groups: what is sent to many is not for it.
    pub is_grouped: bool,
    /// All of these are stateless.
    pub is_stateless: bool,
}

/// The rules of the tap's chain for one direction, a line each. `is_limited`: there is a chain that
/// limits what it carries that way.
pub fn chain(tap: Tap<'_>, direction: Direction, is_limited: bool) -> String {
    let mut rules = String::new();
    if is_limited {
        writeln!(rules, "jump {}", Chain::Limit(tap.name.to_owned(), direction)).expect(EXPECT);
    }
    rules
        + &match (tap.is_secured, direction) {
            (false, Direction::Egress) => "goto from_open\n".to_owned(),
            (false, Direction::Ingress) => "goto to_open\n".to_owned(),
            (true, Direction::Egress) => from(tap),
            (true, Direction::Ingress) => to(tap),
        }
}

/// Servers of DHCP are not plain, nor is what neighbour discovery is part of, nor a fragment without the ports.
fn from(tap: Tap<'_>) -> String {
    let mark = if tap.is_stateless { "meta mark set 0x50" } else { "meta mark set 0x10" };
    let mut rules = String::new();
    for (ip, own) in own_addresses(tap.addresses) {
        let besides = if ip == "ip" { "@th,0,16 != 67" } else { "meta l4proto != 58 @th,0,16 != 547" };
        let mac = tap.mac;
        writeln!(rules, "ether saddr {mac} ether type {ip} {ip} saddr {own} {besides} {mark} accept").expect(EXPECT);
    }
    if tap.addresses.iter().any(IpAddr::is_ipv6) {
        let (mac, private, zone) = (tap.mac, PRIVATE_LINK_LOCAL, tap.zone);
        writeln!(rules, "ether saddr {mac} ether type ip6 {private} meta mark set {zone:#x} goto guest_link")
            .expect(EXPECT);
    }
    rules + mark + "\ngoto from_guest\n"
}

fn to(tap: Tap<'_>) -> String {
    let mark = if tap.is_stateless { 0x82 } else { 0x2 };
    let mark = format!("meta mark set meta mark & 0x251 | {mark:#x}");
    let mut rules = String::new();
    for (ip, own) in own_addresses(tap.addresses) {
        writeln!(rules, "ether daddr {} ether type {ip} {ip} daddr {own} {mark} accept", tap.mac).expect(EXPECT);
    }
    rules += &mark;
    if tap.is_grouped {
        rules += "\nether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 goto to_many";
    }
    rules + "\ngoto to_guest\n"
}

/// `ip` and `ip6`, each with the addresses there are as nft reads them.
fn own_addresses(addresses: &[IpAddr]) -> impl Iterator<Item = (&'static str, String)> {
    [("ip", true), ("ip6", false)].into_iter().filter_map(|(ip, four)| {
        let mut own: Vec<String> =
            addresses.iter().filter(|address| address.is_ipv4() == four).map(ToString::to_string).collect();
        match own.len() {
            0 => None,
            1 => own.pop().map(|one| (ip, one)),
            _ => Some((ip, format!("{{ {} }}", own.join(", ")))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddress = MacAddress::from_octets([2, 0, 0, 0, 0, 0x10]);

    fn tap(addresses: &[IpAddr]) -> Tap<'_> {
        Tap { name: "ikt1", zone: 0xff, mac: MAC, addresses, is_secured: true, is_grouped: true, is_stateless: false }
    }

    #[test]
    fn chains_as_text() {
        let addresses = ["10.0.0.10", "fd00::a", "fe80::10"].map(|text| text.parse().unwrap());
        let plain = tap(&addresses);
        assert_eq!(
            chain(plain, Direction::Egress, true),
            "jump limit_out_ikt1\n\
             ether saddr 02:00:00:00:00:10 ether type ip ip saddr 10.0.0.10 @th,0,16 != 67 meta mark set 0x10 accept\n\
             ether saddr 02:00:00:00:00:10 ether type ip6 ip6 saddr { fd00::a, fe80::10 } meta l4proto != 58 \
             @th,0,16 != 547 meta mark set 0x10 accept\n\
             ether saddr 02:00:00:00:00:10 ether type ip6 ip6 saddr fe80::/64 @nh,152,16 != 0xfffe meta mark set 0xff \
             goto guest_link\n\
             meta mark set 0x10\n\
             goto from_guest\n"
        );
        assert_eq!(
            chain(plain, Direction::Ingress, false),
            "ether daddr 02:00:00:00:00:10 ether type ip ip daddr 10.0.0.10 meta mark set meta mark & 0x251 | 0x2 accept\n\
             ether daddr 02:00:00:00:00:10 ether type ip6 ip6 daddr { fd00::a, fe80::10 } \
             meta mark set meta mark & 0x251 | 0x2 accept\n\
             meta mark set meta mark & 0x251 | 0x2\n\
             ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 goto to_many\n\
             goto to_guest\n"
        );
        let bare = Tap { is_grouped: false, is_stateless: true, ..tap(&[]) };
        assert_eq!(chain(bare, Direction::Egress, false), "meta mark set 0x50\ngoto from_guest\n");
        assert_eq!(chain(bare, Direction::Ingress, false), "meta mark set meta mark & 0x251 | 0x82\ngoto to_guest\n");
        let open = Tap { is_secured: false, ..plain };
        assert_eq!(chain(open, Direction::Egress, false), "goto from_open\n");
        assert_eq!(chain(open, Direction::Ingress, true), "jump limit_in_ikt1\ngoto to_open\n");
    }
}
