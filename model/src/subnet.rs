//! Subnets: an address range on a network, its gateway, and the addresses that may be given out.

use crate::Invalid;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A checked address range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetPlan {
    /// The range, host bits zero.
    pub cidr: IpNetwork,
    /// The address of the network's gateway, kept free for a router; none where no router is to be there.
    pub gateway: Option<IpAddr>,
    /// The address of the network's own DHCP and DNS service: the first that is not the gateway.
    pub service: IpAddr,
    /// Addresses that ports are given which name none, in order.
    pub pools: Vec<AddressPool>,
    /// DNS servers that the network's own resolver asks what it does not know itself; at most 3.
    pub dns_servers: Vec<IpAddr>,
}

/// Addresses in a row, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AddressPool {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
}

/// What is asked for as a gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gateway {
    /// The first address of the range.
    #[default]
    First,
    /// None.
    None,
    /// This address.
    At(IpAddr),
}

/// Most pools of a subnet.
pub const POOLS_MAX: usize = 16;

/// The IPv4 ranges a tenant cannot use, each with its reason.
const RESERVED_V4: [(&str, &str); 5] = [
    ("0.0.0.0/8", "this network (RFC 1122)"),
    ("127.0.0.0/8", "loopback (RFC 1122)"),
    ("169.254.0.0/16", "link-local and metadata (RFC 3927)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("240.0.0.0/4", "reserved (RFC 1112)"),
];

impl SubnetPlan {
    /// Checks a range as a tenant asks for it. `pools`: all of it but gateway and service unless given.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(
        cidr: IpNetwork,
        gateway: Gateway,
        pools: Option<Vec<AddressPool>>,
        dns_servers: Vec<IpAddr>,
    ) -> Result<Self, Invalid> {
        check_range(cidr)?;
        let (first, last) = usable(cidr);
        let gateway = match gateway {
            Gateway::First => Some(from_number(first, cidr.is_ipv4())),
            Gateway::None => None,
            Gateway::At(address) if is_usable(cidr, address) => Some(address),
            Gateway::At(address) => {
                let text = format!("the gateway {address} is not a host address of {cidr}");
                return Err(Invalid::new("gateway_outside", text));
            }
        };
        if dns_servers.len() > 3 {
            return Err(Invalid::new("dns_too_many", "a subnet has at most 3 DNS servers"));
        }
        if let Some(no_host) = dns_servers.iter().find(|server| !is_host(**server)) {
            let text = format!("{no_host} is not the address of one host: no DNS server can be reached there");
            return Err(Invalid::new("dns_no_host", text));
        }
        let number = gateway.map(to_number);
        let not_gateway = |n: u128| if Some(n) == number { n + 1 } else { n };
        let service = not_gateway(first);
        let address = |n| from_number(n, cidr.is_ipv4());
        if dns_servers.contains(&address(service)) {
            let text = format!(
                "{} is the network's own resolver, which guests are told anyway: leave it out",
                address(service)
            );
            return Err(Invalid::new("dns_own", text));
        }
        let pool_last = if number == Some(last) { last - 1 } else { last };
        let all = || vec![AddressPool { first: address(not_gateway(service + 1)), last: address(pool_last) }];
        let pools = pools.map_or_else(|| Ok(all()), |pools| checked_pools(cidr, pools))?;
        Ok(Self { cidr, gateway, service: address(service), pools, dns_servers })
    }

    /// Checks an address that a port asks for.
    ///
    /// # Errors
    /// Where no port can have it.
    pub fn check_port(
        cidr: IpNetwork,
        gateway: Option<IpAddr>,
        service: IpAddr,
        address: IpAddr,
    ) -> Result<(), Invalid> {
        if !is_usable(cidr, address) {
            return Err(Invalid::new("address_outside", format!("{address} is not a host address of {cidr}")));
        }
        if gateway == Some(address) || service == address {
            let text =
                format!("{address} is the gateway or the DHCP and DNS service of {cidr}; choose another address");
            return Err(Invalid::new("address_reserved", text));
        }
        Ok(())
    }

    /// True where both ranges share an address.
    pub fn overlaps(a: IpNetwork, b: IpNetwork) -> bool {
        a.is_ipv4() == b.is_ipv4() && (a.contains(b.network()) || b.contains(a.network()))
    }
}

/// False for addresses of no host, of this host, and of many, and for those that mean nothing beyond one link.
fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            !(first == 0 || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || first >= 240)
        }
        IpAddr::V6(v6) => {
            let is_embedded = v6.to_ipv4().is_some();
            !(is_embedded || v6.is_unspecified() || v6.is_loopback() || v6.is_multicast() || v6.is_unicast_link_local())
        }
    }
}

fn check_range(cidr: IpNetwork) -> Result<(), Invalid> {
    if cidr.ip() != cidr.network() {
        return Err(Invalid::new(
            "cidr_host_bits",
            format!("{cidr} has host bits set; did you mean {}/{}?", cidr.network(), cidr.prefix()),
        ));
    }
    match cidr {
        IpNetwork::V4(range) => {
            if !(8..=29).contains(&range.prefix()) {
                return Err(Invalid::new("cidr_size", "an IPv4 subnet has a prefix from /8 to /29"));
            }
            for (reserved, why) in RESERVED_V4 {
                let reserved: IpNetwork = reserved.parse().expect("a constant of this file");
                if SubnetPlan::overlaps(cidr, reserved) {
                    return Err(Invalid::new(
                        "cidr_reserved",
                        format!("{cidr} overlaps {reserved}: {why}; take a range of RFC 1918 such as 10.0.0.0/24"),
                    ));
                }
            }
        }
        IpNetwork::V6(range) => {
            if !(64..=120).contains(&range.prefix()) {
                return Err(Invalid::new("cidr_size", "an IPv6 subnet has a prefix from /64 to /120"));
            }
            let first = range.network().segments()[0];
            if first & 0xffc0 == 0xfe80 || first & 0xff00 == 0xff00 || first == 0 {
                return Err(Invalid::new(
                    "cidr_reserved",
                    format!(
                        "{cidr} is link-local, multicast or unspecified space; take a range of fd00::/8 or your own"
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// First and last host address, as numbers. Network and IPv4 broadcast address are left out.
fn usable(cidr: IpNetwork) -> (u128, u128) {
    let first = to_number(cidr.network());
    let size = 1u128 << (if cidr.is_ipv4() { 32 } else { 128 } - u32::from(cidr.prefix()));
    (first + 1, first + size - if cidr.is_ipv4() { 2 } else { 1 })
}

/// True for an address that something in the range can have.
fn is_usable(cidr: IpNetwork, address: IpAddr) -> bool {
    let (first, last) = usable(cidr);
    address.is_ipv4() == cidr.is_ipv4() && (first..=last).contains(&to_number(address))
}

/// The pools in order: each in the range, no two with an address in common.
fn checked_pools(cidr: IpNetwork, mut pools: Vec<AddressPool>) -> Result<Vec<AddressPool>, Invalid> {
    if !(1..=POOLS_MAX).contains(&pools.len()) {
        return Err(Invalid::new("pools_count", format!("a subnet has 1 to {POOLS_MAX} allocation pools")));
    }
    for AddressPool { first, last } in &pools {
        if !is_usable(cidr, *first) || !is_usable(cidr, *last) || to_number(*first) > to_number(*last) {
            let text = format!("from {first} to {last} are not host addresses of {cidr} in a row, the lower one first");
            return Err(Invalid::new("pool_outside", text));
        }
    }
    pools.sort_by_key(|pool| to_number(pool.first));
    if let Some([one, other]) = pools.windows(2).find(|two| to_number(two[0].last) >= to_number(two[1].first)) {
        let text = format!("the pools that begin at {} and at {} overlap; put them together", one.first, other.first);
        return Err(Invalid::new("pools_overlap", text));
    }
    Ok(pools)
}

/// An address as a number that orders and adds.
pub fn to_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The address of a number from [`to_number`] of the same family.
pub fn from_number(number: u128, is_ipv4: bool) -> IpAddr {
    if is_ipv4 {
        IpAddr::V4(Ipv4Addr::from(u32::try_from(number).expect("an IPv4 address number has 32 bits")))
    } else {
        IpAddr::V6(Ipv6Addr::from(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_cannot_be() {
        let with = |server: &str| {
            SubnetPlan::new("10.0.0.0/24".parse().unwrap(), Gateway::First, None, vec![server.parse().unwrap()])
                .err()
                .map(|e| e.rule)
        };
        for server in ["9.9.9.9", "10.0.0.9", "100.64.0.1", "2620:fe::fe", "fd00::53"] {
            assert_eq!(with(server), None, "{server}");
        }
        for server in [
            "0.0.0.0",
            "0.0.0.1",
            "127.0.0.53",
            "169.254.169.253",
            "224.0.0.251",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::fb",
            "::ffff:9.9.9.9",
        ] {
            assert_eq!(with(server), Some("dns_no_host"), "{server}");
        }
        assert_eq!(with("10.0.0.2"), Some("dns_own"));
    }

    #[test]
    fn plans_and_refusals() {
        let plan = |cidr: &str, gateway: Option<&str>| {
            let gateway = match gateway {
                None => Gateway::First,
                Some("") => Gateway::None,
                Some(address) => Gateway::At(address.parse().unwrap()),
            };
            SubnetPlan::new(cidr.parse().unwrap(), gateway, None, vec![])
        };
        for (cidr, gateway, wanted) in [
            ("10.1.2.0/29", None, ["10.1.2.1", "10.1.2.2", "10.1.2.3", "10.1.2.6"]),
            ("10.1.2.0/29", Some("10.1.2.2"), ["10.1.2.2", "10.1.2.1", "10.1.2.3", "10.1.2.6"]),
            ("10.1.2.0/29", Some("10.1.2.3"), ["10.1.2.3", "10.1.2.1", "10.1.2.2", "10.1.2.6"]),
            ("10.1.2.0/24", Some("10.1.2.254"), ["10.1.2.254", "10.1.2.1", "10.1.2.2", "10.1.2.253"]),
            ("fd00:1::/64", None, ["fd00:1::1", "fd00:1::2", "fd00:1::3", "fd00:1::ffff:ffff:ffff:ffff"]),
        ] {
            let p = plan(cidr, gateway).unwrap();
            let [pool] = p.pools[..] else { panic!("one pool") };
            let got = [p.gateway.unwrap(), p.service, pool.first, pool.last].map(|a| a.to_string());
            assert_eq!(got, wanted, "{cidr} {gateway:?}");
        }
        let without = plan("10.1.2.0/29", Some("")).unwrap();
        assert_eq!((without.gateway, without.service.to_string().as_str()), (None, "10.1.2.1"));
        for (cidr, gateway, rule) in [
            ("10.1.2.3/24", None, "cidr_host_bits"),
            ("10.0.0.0/30", None, "cidr_size"),
            ("169.254.0.0/16", None, "cidr_reserved"),
            ("224.0.0.0/24", None, "cidr_reserved"),
            ("fe80::/64", None, "cidr_reserved"),
            ("10.0.0.0/24", Some("10.0.1.1"), "gateway_outside"),
            ("10.0.0.0/24", Some("10.0.0.255"), "gateway_outside"),
            ("10.0.0.0/24", Some("fd00::1"), "gateway_outside"),
        ] {
            assert_eq!(plan(cidr, gateway).unwrap_err().rule, rule, "{cidr} {gateway:?}");
        }
    }

    #[test]
    fn pools_are_in_the_range_and_apart() {
        let plan = |pools: &[(&str, &str)]| {
            let pool = |(first, last): &(&str, &str)| AddressPool {
                first: first.parse().unwrap(),
                last: last.parse().unwrap(),
            };
            let pools = pools.iter().map(pool).collect();
            SubnetPlan::new("10.1.2.0/24".parse().unwrap(), Gateway::First, Some(pools), vec![])
        };
        let made = plan(&[("10.1.2.100", "10.1.2.199"), ("10.1.2.10", "10.1.2.10")]).unwrap();
        assert_eq!(
            made.pools.iter().map(|pool| pool.first.to_string()).collect::<Vec<_>>(),
            ["10.1.2.10", "10.1.2.100"]
        );
        for (pools, rule) in [
            (&[][..], "pools_count"),
            (&[("10.1.2.9", "10.1.2.8")], "pool_outside"),
            (&[("10.1.2.9", "10.1.3.8")], "pool_outside"),
            (&[("10.1.2.9", "10.1.2.255")], "pool_outside"),
            (&[("fd00::1", "fd00::2")], "pool_outside"),
            (&[("10.1.2.9", "10.1.2.20"), ("10.1.2.20", "10.1.2.30")], "pools_overlap"),
        ] {
            assert_eq!(plan(pools).unwrap_err().rule, rule, "{pools:?}");
        }
        assert_eq!(plan(&[("10.1.2.9", "10.1.2.9"); POOLS_MAX + 1]).unwrap_err().rule, "pools_count");
    }

    #[test]
    fn ports_cannot_have_every_address() {
        let check = |address: &str| {
            let [gateway, service] = ["10.1.2.1", "10.1.2.2"].map(|text| text.parse().unwrap());
            SubnetPlan::check_port("10.1.2.0/24".parse().unwrap(), Some(gateway), service, address.parse().unwrap())
                .err()
                .map(|e| e.rule)
        };
        for (address, rule) in [
            ("10.1.2.3", None),
            ("10.1.2.254", None),
            ("10.1.2.0", Some("address_outside")),
            ("10.1.2.255", Some("address_outside")),
            ("10.1.3.3", Some("address_outside")),
            ("fd00::3", Some("address_outside")),
            ("10.1.2.1", Some("address_reserved")),
            ("10.1.2.2", Some("address_reserved")),
        ] {
            assert_eq!(check(address), rule, "{address}");
        }
    }
}
