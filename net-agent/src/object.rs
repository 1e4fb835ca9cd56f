//! The vocabulary of planning: every thing the agent keeps on a host, by key and value.
//!
//! Wanted and observed state are the same type, so "what differs" is a comparison. An observed
//! thing that exists but is not as every such thing must be (down, flooding, not on its bridge) is
//! [`Value::Wrong`], which equals nothing wanted.

use ipnetwork::IpNetwork;
use iroko_model::connection_log::Verdict;
use iroko_model::security_group::Direction;
use iroko_model::{AddressSetId, MacAddress, PortId, SecurityGroupId, Vni};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Names one thing on the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The two nftables tables without their elements, and the host's bridge sysctls.
    Base,
    /// A chain that judges what one port sends or gets, or what one group allows.
    Chain(Chain),
    /// The two sets of a group's members, one a family.
    MemberSets(SecurityGroupId),
    /// The two sets of an address set, one a family, with all their ranges.
    AddressSet(AddressSetId),
    /// One element of one of the tables' sets and maps.
    Element(Element),
    /// The bridge of a network.
    Bridge(Vni),
    /// The VXLAN device of a network.
    Vxlan(Vni),
    /// The service namespace of a network, with its cable to the bridge and its addresses.
    Service(Vni),
    /// The tap of a port.
    Tap(String),
    /// What holds a tap to a rate, towards its instance or from it.
    Shape(String, Direction),
    /// On the VXLAN device: behind which VTEP a MAC address is.
    Tunnel(Vni, MacAddress),
    /// On the VXLAN device: a VTEP that gets what is sent to many, as far as the filter lets it cross.
    Flood(Vni, IpAddr),
    /// On the bridge: behind which device a MAC address is.
    Forward(Vni, MacAddress),
    /// On the bridge: the MAC address of an IP address, for ARP and ND suppression.
    Neighbour(Vni, IpAddr),
    /// A line of the DHCP server: the addresses of a local instance.
    Reservation(Vni, PortId),
    /// A line of the DNS server: the name of any instance of the network.
    HostRecord(Vni, PortId),
    /// The DHCP and DNS server of a network, running.
    Dnsmasq(Vni),
}

/// A chain that comes and goes. See [`crate::firewall`] for what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chain {
    /// What a group allows: a rule a rule.
    Group(SecurityGroupId, Direction),
    /// What the groups of a tap's port allow together; all else is dropped.
    Port(String, Direction),
    /// What a tap may send or get: passes what is plain, and names the chain that asks at length.
    Tap(String, Direction),
    /// How much a tap may carry towards its instance or from it.
    Limit(String, Direction),
    /// Logs what of a tap's port ends with a verdict.
    Log(String, Direction, Verdict),
    /// Logs what port security refuses of a tap.
    Refused(String),
}

/// An element of a set or map of the tables. See [`crate::firewall`] for what each set is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// The MAC address a tap may use.
    TapMac(String, MacAddress),
    /// An IP address a tap may use.
    TapIp(String, IpAddr),
    /// An IPv6 address a tap may advertise as its own.
    TapNd(String, Ipv6Addr),
    /// Further addresses that a tap may use.
    TapRange(String, IpNetwork),
    /// Further addresses that a tap may advertise as its own, first and last.
    TapNdRange(String, Ipv6Addr, Ipv6Addr),
    /// A tap whose port may use addresses that move between hosts.
    TapShares(String),
    /// A tap whose port keeps no state.
    TapStateless(String),
    /// The number of a network by its tunnel, that of its conntrack zone.
    Number(Vni),
    /// The MAC address of a network's service, by its tunnel.
    ServiceMac(Vni),
    /// Addresses of a network that move between hosts.
    Shared(Vni, IpNetwork),
    /// The same as targets of neighbour discovery, first and last.
    SharedNd(Vni, Ipv6Addr, Ipv6Addr),
    /// Where frames from a tap's instance are judged, or those to it.
    Tap(String, Direction),
    /// Where what port security refuses of a tap is logged.
    LogRefused(String),
    /// The conntrack zone of a network.
    Zone(Vni),
    /// Where packets from a local port are judged.
    Sender(Vni, MacAddress),
    /// Where packets to a local port are judged.
    Receiver(Vni, MacAddress),
    /// How many flows the port with a MAC address may begin, or others to it; of no MAC address: all ports of
    /// the network without port security together.
    Flows(Vni, Option<MacAddress>, Direction),
    /// How many flows the service of a network may begin, or those of other hosts to it.
    ServiceFlows(Vni, Direction),
    /// An address of a member of a network, local or not.
    Member(Vni, IpAddr),
    /// An address of a member of a group, local or not.
    GroupMember(SecurityGroupId, Vni, IpAddr),
}

/// How a thing is to be, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Version of the tables' text.
    Base(String),
    /// There is nothing to say beside that it exists.
    Present,
    /// A conntrack zone.
    Zone(u16),
    /// What an element of a verdict map says, as nft writes it.
    Verdict(String),
    /// Flows that may be there at a time, and that may begin in a second.
    Flows {
        /// At a time.
        most: u32,
        /// In a second.
        per_second: u32,
    },
    /// Ranges of addresses, first and last, sorted, apart from each other.
    Ranges(Vec<(IpAddr, IpAddr)>),
    /// A bridge.
    Bridge {
        /// Its MTU.
        mtu: u32,
    },
    /// A VXLAN device.
    Vxlan {
        /// Underlay address of this host.
        local: IpAddr,
        /// Its MTU.
        mtu: u32,
        /// What moves between the hosts of its network.
        sharing: Sharing,
    },
    /// A service namespace.
    Service {
        /// MTU of its cable.
        mtu: u32,
        /// Its addresses with the prefix lengths of their subnets, sorted.
        addresses: Vec<IpNetwork>,
    },
    /// A tap.
    Tap {
        /// The network whose bridge it is on.
        vni: Vni,
        /// Its MTU.
        mtu: u32,
        /// The user who may open it; none: root alone.
        owner: Option<u32>,
        /// What its port shares with others.
        sharing: Sharing,
    },
    /// Bytes a second.
    Rate(u64),
    /// A VTEP.
    Vtep(IpAddr),
    /// A device name.
    Device(String),
    /// A MAC address.
    Mac(MacAddress),
    /// The text of a file.
    Text(String),
    /// It exists, but not as it must be. Never wanted.
    Wrong {
        /// What is wrong, for the log.
        why: String,
        /// Whether only making it anew can mend it.
        remake: bool,
    },
}

/// What of a port, or of a network, may move from host to host by the word of the instances alone
/// (allowed address pairs). The kernel's devices say it by their flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharing {
    /// Nothing.
    #[default]
    Nothing,
    /// IP addresses: ARP and neighbour discovery about them crosses hosts.
    Addresses,
    /// MAC addresses too: where they are is learned.
    Macs,
}

/// Everything wanted of a host, or seen on it.
pub type State = HashMap<Key, Value>;

impl Key {
    /// A thing that cannot outlive another: when the parent goes, the kernel removes it too.
    pub fn parent(&self) -> Option<Self> {
        match self {
            Self::Element(_) | Self::Chain(_) | Self::MemberSets(_) | Self::AddressSet(_) => Some(Self::Base),
            Self::Tunnel(vni, _) | Self::Flood(vni, _) => Some(Self::Vxlan(*vni)),
            Self::Forward(vni, _) | Self::Neighbour(vni, _) => Some(Self::Bridge(*vni)),
            Self::Shape(tap, Direction::Ingress) => Some(Self::Tap(tap.clone())),
            Self::Base
            | Self::Bridge(_)
            | Self::Vxlan(_)
            | Self::Service(_)
            | Self::Tap(_)
            // It has a device of its own, which outlives the tap.
            | Self::Shape(_, Direction::Egress)
            | Self::Reservation(..)
            | Self::HostRecord(..)
            | Self::Dnsmasq(_) => None,
        }
    }

    /// The network of a line of the DHCP or DNS server.
    pub const fn record_of(&self) -> Option<Vni> {
        match self {
            Self::Reservation(vni, _) | Self::HostRecord(vni, _) => Some(*vni),
            _ => None,
        }
    }

    /// True for what nftables holds.
    pub const fn is_filter(&self) -> bool {
        matches!(self, Self::Base | Self::Element(_) | Self::Chain(_) | Self::MemberSets(_) | Self::AddressSet(_))
    }
}

impl Element {
    /// The tap this element is about.
    pub fn tap(&self) -> Option<&str> {
        match self {
            Self::TapMac(tap, _)
            | Self::TapIp(tap, _)
            | Self::TapNd(tap, _)
            | Self::TapRange(tap, _)
            | Self::TapNdRange(tap, ..)
            | Self::TapShares(tap)
            | Self::TapStateless(tap)
            | Self::Tap(tap, _)
            | Self::LogRefused(tap) => Some(tap),
            Self::Zone(_)
            | Self::Number(_)
            | Self::ServiceMac(_)
            | Self::Shared(..)
            | Self::SharedNd(..)
            | Self::Sender(..)
            | Self::Receiver(..)
            | Self::Flows(..)
            | Self::ServiceFlows(..)
            | Self::Member(..)
            | Self::GroupMember(..) => None,
        }
    }
}

impl Value {
    /// A thing that can be mended in place.
    pub fn wrong(why: impl Into<String>) -> Self {
        Self::Wrong { why: why.into(), remake: false }
    }

    /// A thing that must be made anew.
    pub fn unusable(why: impl Into<String>) -> Self {
        Self::Wrong { why: why.into(), remake: true }
    }

    /// True where the old thing cannot be changed into the new one.
    pub fn needs_remake(&self, new: &Self) -> bool {
        match (self, new) {
            (Self::Wrong { remake, .. }, _) => *remake,
            (Self::Vxlan { local: old, .. }, Self::Vxlan { local: new, .. }) => old != new,
            (Self::Tap { owner: Some(_), .. }, Self::Tap { owner: None, .. }) => true,
            (Self::Verdict(old), Self::Verdict(new)) => old != new,
            (Self::Zone(old), Self::Zone(new)) => old != new,
            (Self::Flows { .. }, Self::Flows { .. }) => self != new,
            _ => false,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("nftables tables"),
            Self::Chain(chain) => write!(f, "nftables chain {chain}"),
            Self::MemberSets(group) => write!(f, "nftables sets of the members of {group}"),
            Self::AddressSet(set) => write!(f, "nftables sets of the address set {set}"),
            Self::Element(element) => write!(f, "nftables {element:?}"),
            Self::Bridge(vni) => write!(f, "bridge {}", vni.bridge()),
            Self::Vxlan(vni) => write!(f, "VXLAN device {}", vni.vxlan()),
            Self::Service(vni) => write!(f, "service namespace {}", namespace(*vni)),
            Self::Tap(tap) => write!(f, "tap {tap}"),
            Self::Shape(tap, Direction::Ingress) => write!(f, "queue to the instance of {tap}"),
            Self::Shape(tap, Direction::Egress) => write!(f, "queue from the instance of {tap}"),
            Self::Tunnel(vni, mac) => write!(f, "tunnel of {mac} on {}", vni.vxlan()),
            Self::Flood(vni, vtep) => write!(f, "flooding to {vtep} on {}", vni.vxlan()),
            Self::Forward(vni, mac) => write!(f, "forwarding of {mac} on {}", vni.bridge()),
            Self::Neighbour(vni, ip) => write!(f, "neighbour {ip} on {}", vni.bridge()),
            Self::Reservation(vni, port) => write!(f, "DHCP reservation of {port} on {}", vni.bridge()),
            Self::HostRecord(vni, port) => write!(f, "DNS record of {port} on {}", vni.bridge()),
            Self::Dnsmasq(vni) => write!(f, "dnsmasq of {}", vni.bridge()),
        }
    }
}

/// The chain's name: `in_` or `out_`, and the tap's name or the group's id without hyphens; of a
/// limit and a log what it is before that; `from_` or `to_` and the tap's name.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |direction| if direction == Direction::Ingress { "in" } else { "out" };
        match self {
            Self::Group(group, direction) => write!(f, "{}_{}", way(*direction), group.as_uuid().simple()),
            Self::Port(tap, direction) => write!(f, "{}_{tap}", way(*direction)),
            Self::Tap(tap, Direction::Egress) => write!(f, "from_{tap}"),
            Self::Tap(tap, Direction::Ingress) => write!(f, "to_{tap}"),
            Self::Limit(tap, direction) => write!(f, "limit_{}_{tap}", way(*direction)),
            Self::Log(tap, direction, verdict) => write!(f, "{}_{}_{tap}", verdict.as_str(), way(*direction)),
            Self::Refused(tap) => write!(f, "refused_{tap}"),
        }
    }
}

impl Chain {
    /// The family of the table that it is in.
    pub const fn family(&self) -> &'static str {
        match self {
            Self::Group(..) | Self::Port(..) | Self::Log(..) => "inet",
            Self::Tap(..) | Self::Limit(..) | Self::Refused(_) => "bridge",
        }
    }

    /// The chain of this name; none where it is not one of ours that come and go.
    pub fn from_name(name: &str) -> Option<Self> {
        let of_port = |rest| if let Self::Port(tap, way) = Self::from_name(rest)? { Some((tap, way)) } else { None };
        if let Some(limit) = name.strip_prefix("limit_") {
            return of_port(limit).map(|(tap, direction)| Self::Limit(tap, direction));
        }
        for verdict in Verdict::ALL {
            if let Some(log) = name.strip_prefix(verdict.as_str()).and_then(|rest| rest.strip_prefix('_')) {
                return of_port(log).map(|(tap, direction)| Self::Log(tap, direction, *verdict));
            }
        }
        let tap = |prefix| name.strip_prefix(prefix).filter(|tap| tap.starts_with(TAP)).map(str::to_owned);
        if let Some(tap) = tap("refused_") {
            return Some(Self::Refused(tap));
        }
        for (prefix, direction) in [("from_", Direction::Egress), ("to_", Direction::Ingress)] {
            if let Some(tap) = tap(prefix) {
                return Some(Self::Tap(tap, direction));
            }
        }
        let (direction, of) = match name.strip_prefix("in_") {
            Some(of) => (Direction::Ingress, of),
            None => (Direction::Egress, name.strip_prefix("out_")?),
        };
        if of.starts_with(TAP) {
            return Some(Self::Port(of.to_owned(), direction));
        }
        (of.len() == 32).then(|| of.parse().ok())?.map(|group| Self::Group(group, direction))
    }
}

/// Name of a network's service namespace, `ikns0000ff`.
pub fn namespace(vni: Vni) -> String {
    format!("ikns{:06x}", vni.get())
}

/// The service's cable at the bridge, `iksv0000ff`.
pub fn service_port(vni: Vni) -> String {
    format!("iksv{:06x}", vni.get())
}

/// The service's cable inside its namespace, `iksn0000ff`.
pub fn service_device(vni: Vni) -> String {
    format!("iksn{:06x}", vni.get())
}

/// The device that queues what comes from a tap, `iki0123456789ab` for `ikt0123456789ab`.
pub fn shaper_of(tap: &str) -> String {
    format!("{SHAPER}{}", tap.strip_prefix(TAP).unwrap_or(tap))
}

/// The tap of such a device; none where it is none.
pub fn tap_of_shaper(name: &str) -> Option<String> {
    let digits = name.strip_prefix(SHAPER)?;
    is_tap_number(digits).then(|| format!("{TAP}{digits}"))
}

/// True for what follows the prefix in a tap's name.
pub fn is_tap_number(digits: &str) -> bool {
    digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

const TAP: &str = "ikt";
const SHAPER: &str = "iki";

/// First octets of the addresses that the host's own ends have. Locally administered and outside
/// `02:`, so no guest has one.
const SERVICE_MAC: [u8; 3] = [0x06, b'i', b'k'];
/// As [`SERVICE_MAC`], followed by the VTEP.
const RELAY_MAC: [u8; 2] = [0x0e, b'i'];
/// A prefix of 64 bits in `fd00::/8`, of our own (RFC 4193).
pub const RELAY_NETWORK: [u16; 4] = [0xfd69, 0x6b6f, 0x2d64, 0x6e73];
const BRIDGE_MAC: [u8; 3] = [0x0a, b'i', b'k'];

/// The service's MAC address: the same on every host, so that a guest that migrates finds it again.
pub fn service_mac(vni: Vni) -> MacAddress {
    with_vni(SERVICE_MAC, vni)
}

/// Where other hosts of a network find the service of the host with this VTEP, to have it ask a DNS server that
/// is on that host: [`relay_mac`] and [`relay_address`].
pub fn relay_mac(vtep: IpAddr) -> MacAddress {
    let [a, b, c, d] = match vtep {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => folded(v6),
    };
    MacAddress::from_octets([RELAY_MAC[0], RELAY_MAC[1], a, b, c, d])
}

/// Its address, which is on no subnet.
pub fn relay_address(vtep: IpAddr) -> Ipv6Addr {
    let [.., a, b, c, d] = relay_mac(vtep).octets().map(u16::from);
    let [net, work, of, relays] = RELAY_NETWORK;
    Ipv6Addr::new(net, work, of, relays, 0, 0, a << 8 | b, c << 8 | d)
}

/// Of IPv6 VTEPs two in four thousand million share it.
fn folded(address: Ipv6Addr) -> [u8; 4] {
    let octets = address.octets();
    std::array::from_fn(|n| octets[n] ^ octets[n + 4].rotate_left(1) ^ octets[n + 8].rotate_left(2) ^ octets[n + 12])
}

/// The bridge's MAC address, fixed so that it does not follow the ports'.
pub fn bridge_mac(vni: Vni) -> MacAddress {
    with_vni(BRIDGE_MAC, vni)
}

const fn with_vni([a, b, c]: [u8; 3], vni: Vni) -> MacAddress {
    let [_, d, e, f] = vni.get().to_be_bytes();
    MacAddress::from_octets([a, b, c, d, e, f])
}

/// The VNI in a device name of ours with this prefix.
pub fn vni_of(name: &str, prefix: &str) -> Option<Vni> {
    let digits = name.strip_prefix(prefix).filter(|digits| digits.len() == 6)?;
    Vni::try_from(u32::from_str_radix(digits, 16).ok()?).ok()
}

/// The IPv6 link-local address that a guest forms from its MAC address (RFC 4291, appendix A).
pub fn link_local(mac: MacAddress) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.octets().map(u16::from);
    Ipv6Addr::new(0xfe80, 0, 0, 0, (a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_by_name() {
        let (tap, group) = (|| "ikt0123456789ab".to_owned(), SecurityGroupId::new());
        let ways = [Direction::Ingress, Direction::Egress];
        let of_way = |way| {
            let log = |verdict: &Verdict| Chain::Log(tap(), way, *verdict);
            let others =
                [Chain::Group(group, way), Chain::Port(tap(), way), Chain::Tap(tap(), way), Chain::Limit(tap(), way)];
            Verdict::ALL.iter().map(log).chain(others).collect::<Vec<_>>()
        };
        for chain in ways.into_iter().flat_map(of_way).chain([Chain::Refused(tap())]) {
            assert_eq!(Chain::from_name(&chain.to_string()), Some(chain.clone()), "{chain}");
        }
        for other in ["refused", "stateful", "limit_", "accepted_in_0", "dropped", "in_x", "from_guest", "to_many"] {
            assert_eq!(Chain::from_name(other), None, "{other}");
        }
    }

    #[test]
    fn names_and_addresses() {
        let vni = Vni::try_from(0xab_cdef).unwrap();
        assert_eq!(vni_of(&vni.bridge(), "ikbr"), Some(vni));
        assert_eq!(vni_of("ikbr123", "ikbr"), None);
        assert_eq!(vni_of("ikbr000000", "ikbr"), None);
        assert_eq!(service_mac(vni).to_string(), "06:69:6b:ab:cd:ef");
        let mac: MacAddress = "02:00:00:aa:bb:cc".parse().unwrap();
        assert_eq!(link_local(mac).to_string(), "fe80::ff:feaa:bbcc");
        assert_eq!(relay_mac("192.0.2.7".parse().unwrap()).to_string(), "0e:69:c0:00:02:07");
        assert_eq!(relay_address("192.0.2.7".parse().unwrap()).to_string(), "fd69:6b6f:2d64:6e73::c000:207");
        let [one, other] = ["2001:db8::1", "2001:db8::2"].map(|vtep| relay_mac(vtep.parse().unwrap()));
        assert_ne!(one, other);
        assert!(namespace(vni).len() <= 15 && service_port(vni).len() <= 15);
    }
}
