//! Subnets: an address range on a network, its gateway, and the addresses that may be given out.

use crate::Invalid;
use ipnetwork::IpNetwork;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A checked address range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetPlan {
    /// The range, host bits zero.
    pub cidr: IpNetwork,
    /// The address of the network's gateway, kept free for a router.
    pub gateway: IpAddr,
    /// The address of the network's own DHCP and DNS service: the first that is not the gateway.
    pub service: IpAddr,
    /// First address given to ports.
    pub pool_first: IpAddr,
    /// Last address given to ports.
    pub pool_last: IpAddr,
    /// DNS servers that the network's own resolver asks what it does not know itself; at most 3.
    pub dns_servers: Vec<IpAddr>,
}

/// The IPv4 ranges a tenant cannot use, each with its reason.
const RESERVED_V4: [(&str, &str); 5] = [
    ("0.0.0.0/8", "this network (RFC 1122)"),
    ("127.0.0.0/8", "loopback (RFC 1122)"),
    ("169.254.0.0/16", "link-local and metadata (RFC 3927)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("240.0.0.0/4", "reserved (RFC 1112)"),
];

impl SubnetPlan {
    /// Checks a range as a tenant asks for it. The gateway defaults to the first address.
    pub fn new(cidr: IpNetwork, gateway: Option<IpAddr>, dns_servers: Vec<IpAddr>) -> Result<Self, Invalid> {
        check_range(cidr)?;
        let (first, last) = usable(cidr);
        let gateway = gateway.unwrap_or_else(|| from_number(first, cidr.is_ipv4()));
        let number = to_number(gateway);
        if gateway.is_ipv4() != cidr.is_ipv4() || number < first || number > last {
            return Err(Invalid::new(
                "gateway_outside",
                format!("the gateway {gateway} is not a host address of {cidr}"),
            ));
        }
        if dns_servers.len() > 3 {
            return Err(Invalid::new("dns_too_many", "a subnet has at most 3 DNS servers"));
        }
        if let Some(no_host) = dns_servers.iter().find(|server| !is_host(**server)) {
            let text = format!("{no_host} is not the address of one host: no DNS server can be reached there");
            return Err(Invalid::new("dns_no_host", text));
        }
        let not_gateway = |n: u128| if n == number { n + 1 } else { n };
        let service = not_gateway(first);
        let pool_first = not_gateway(service + 1);
        let pool_last = if number == last { last - 1 } else { last };
        let address = |n| from_number(n, cidr.is_ipv4());
        if dns_servers.contains(&address(service)) {
            let text = format!(
                "{} is the network's own resolver, which guests are told anyway: leave it out",
                address(service)
            );
            return Err(Invalid::new("dns_own", text));
        }
        Ok(Self {
            cidr,
            gateway,
            service: address(service),
            pool_first: address(pool_first),
            pool_last: address(pool_last),
            dns_servers,
        })
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
            SubnetPlan::new("10.0.0.0/24".parse().unwrap(), None, vec![server.parse().unwrap()]).err().map(|e| e.rule)
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
            SubnetPlan::new(cidr.parse().unwrap(), gateway.map(|g| g.parse().unwrap()), vec![])
        };
        for (cidr, gateway, wanted) in [
            ("10.1.2.0/29", None, ["10.1.2.1", "10.1.2.2", "10.1.2.3", "10.1.2.6"]),
            ("10.1.2.0/29", Some("10.1.2.2"), ["10.1.2.2", "10.1.2.1", "10.1.2.3", "10.1.2.6"]),
            ("10.1.2.0/29", Some("10.1.2.3"), ["10.1.2.3", "10.1.2.1", "10.1.2.2", "10.1.2.6"]),
            ("10.1.2.0/24", Some("10.1.2.254"), ["10.1.2.254", "10.1.2.1", "10.1.2.2", "10.1.2.253"]),
            ("fd00:1::/64", None, ["fd00:1::1", "fd00:1::2", "fd00:1::3", "fd00:1::ffff:ffff:ffff:ffff"]),
        ] {
            let p = plan(cidr, gateway).unwrap();
            let got = [p.gateway, p.service, p.pool_first, p.pool_last].map(|a| a.to_string());
            assert_eq!(got, wanted, "{cidr} {gateway:?}");
        }
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
}
