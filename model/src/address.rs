//! Addresses of the data plane, and the names of the devices that carry them.
//!
//! Every device Iroko makes starts with `ik`; nothing else does. That prefix is how an agent knows
//! its own devices from the administrator's. Linux allows 15 characters (`IFNAMSIZ` - 1).

use crate::{Invalid, PortId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Prefix of every network device, nftables table and libvirt domain that Iroko makes.
pub const DEVICE_PREFIX: &str = "ik";

/// An Ethernet address, written `02:00:00:aa:bb:cc`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// First octet of the addresses Iroko gives out: unicast, locally administered (IEEE 802c).
    pub const LOCAL_UNICAST: u8 = 0x02;

    /// An address from its six octets.
    pub const fn from_octets(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// A locally administered unicast address with these 40 random bits.
    pub const fn local(random: [u8; 5]) -> Self {
        let [a, b, c, d, e] = random;
        Self([Self::LOCAL_UNICAST, a, b, c, d, e])
    }

    /// The six octets, most significant first.
    pub const fn octets(&self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::new("mac_form", format!("{text:?} is not a MAC address like 02:00:00:aa:bb:cc"));
        let mut octets = [0u8; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(bad)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(Self(octets))
    }
}

/// First octets of addresses that hosts' own ends have: bridges, services, relays.
const OF_HOSTS: [&[u8]; 3] = [&[0x06, b'i', b'k'], &[0x0a, b'i', b'k'], &[0x0e, b'i']];

impl MacAddress {
    /// Checks an address that a port asks for.
    ///
    /// # Errors
    /// Where no port can have it.
    pub fn check_port(self) -> Result<Self, Invalid> {
        if self.0[0] & 1 == 1 || self.0 == [0; 6] {
            let text = format!(
                "{self} is the address of many or of nobody; choose one whose first octet is even, such as 02:00:00:00:00:01"
            );
            return Err(Invalid::new("mac_no_port", text));
        }
        if OF_HOSTS.iter().any(|first| self.0.starts_with(first)) {
            let text = format!(
                "{self} is of a range that hosts use themselves; choose another, such as one that begins with 02:"
            );
            return Err(Invalid::new("mac_reserved", text));
        }
        Ok(self)
    }
}

impl TryFrom<String> for MacAddress {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> String {
        mac.to_string()
    }
}

/// A VXLAN network identifier, 1 to 16777215 (24 bits, RFC 7348 section 4; 0 is not given out).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(u32);

impl Vni {
    /// The largest identifier.
    pub const MAX: u32 = (1 << 24) - 1;

    /// The number on the wire.
    pub const fn get(&self) -> u32 {
        self.0
    }

    /// The bridge that carries this network on a host, `ikbr0000ff`.
    pub fn bridge(&self) -> String {
        format!("{DEVICE_PREFIX}br{:06x}", self.0)
    }

    /// The VXLAN device of this network on a host, `ikvx0000ff`.
    pub fn vxlan(&self) -> String {
        format!("{DEVICE_PREFIX}vx{:06x}", self.0)
    }
}

impl TryFrom<u32> for Vni {
    type Error = Invalid;
    fn try_from(number: u32) -> Result<Self, Invalid> {
        if (1..=Self::MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(Invalid::new("vni_range", format!("a VNI is a number from 1 to {}", Self::MAX)))
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> u32 {
        vni.0
    }
}

/// The tap device of a port: `ikt` and the last 12 hexadecimal digits of its id, which in a
/// UUIDv7 are random (48 bits; a host has hundreds of ports, so two never meet in practice, and
/// the port's unique `tap` column refuses the pair that would).
pub fn tap_name(port: PortId) -> String {
    format!("{DEVICE_PREFIX}t{:012x}", port.as_uuid().as_u128() & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_text_round_trips_and_rejects() {
        let mac: MacAddress = "02:0a:00:ff:10:01".parse().unwrap();
        assert_eq!(mac.to_string(), "02:0a:00:ff:10:01");
        assert_eq!(MacAddress::local([1, 2, 3, 4, 5]).octets()[0] & 3, 2, "local, unicast");
        for bad in
            ["", "02:0a:00:ff:10", "02:0a:00:ff:10:01:02", "2:a:0:f:1:1", "02-0a-00-ff-10-01", "zz:0a:00:ff:10:01"]
        {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_cannot_have_every_address() {
        let check = |text: &str| text.parse::<MacAddress>().unwrap().check_port().err().map(|e| e.rule);
        for (text, rule) in [
            ("02:00:00:00:00:01", None),
            ("52:54:00:12:34:56", None),
            ("01:00:5e:00:00:01", Some("mac_no_port")),
            ("ff:ff:ff:ff:ff:ff", Some("mac_no_port")),
            ("00:00:00:00:00:00", Some("mac_no_port")),
            ("06:69:6b:00:00:01", Some("mac_reserved")),
            ("0a:69:6b:00:00:01", Some("mac_reserved")),
            ("0e:69:01:02:03:04", Some("mac_reserved")),
        ] {
            assert_eq!(check(text), rule, "{text}");
        }
    }

    #[test]
    fn device_names_fit_the_kernel() {
        let vni = Vni::try_from(Vni::MAX).unwrap();
        assert_eq!((vni.bridge().as_str(), vni.vxlan().as_str()), ("ikbrffffff", "ikvxffffff"));
        assert_eq!(tap_name(PortId::new()).len(), 15);
        assert!(Vni::try_from(0).is_err() && Vni::try_from(Vni::MAX + 1).is_err());
    }
}
