//! Ranges of addresses.

use crate::{Invalid, checked};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A range whose host bits are zero, of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Cidr(IpNetwork);

impl Cidr {
    /// The range.
    pub const fn get(self) -> IpNetwork {
        self.0
    }
}

/// Reads a range. An address alone is none: what is shown is what was asked for.
///
/// # Errors
/// For text of another form.
pub fn range(text: &str) -> Result<IpNetwork, Invalid> {
    let range = text.split_once('/').and_then(|_| text.parse().ok());
    range.ok_or_else(|| Invalid::new("cidr_form", format!("{text:?} is not a range like 10.20.0.0/24")))
}

impl TryFrom<IpNetwork> for Cidr {
    type Error = Invalid;

    fn try_from(range: IpNetwork) -> Result<Self, Invalid> {
        if range.ip() == range.network() {
            return Ok(Self(range));
        }
        let (network, prefix) = (range.network(), range.prefix());
        Err(Invalid::new("cidr_host_bits", format!("{range} has host bits set; did you mean {network}/{prefix}?")))
    }
}

impl TryFrom<String> for Cidr {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        range(&text)?.try_into()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.0.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        checked::deserialize::<String, _, _>(from, || Self(IpNetwork::from(std::net::IpAddr::from([0, 0, 0, 0]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_exact() {
        for (text, rule) in [
            ("10.20.0.0/24", None),
            ("2001:db8::/48", None),
            ("10.20.0.1/24", Some("cidr_host_bits")),
            ("10.20.0.1", Some("cidr_form")),
            ("x/8", Some("cidr_form")),
            ("10.0.0.0/33", Some("cidr_form")),
        ] {
            assert_eq!(Cidr::try_from(text.to_owned()).err().map(|fault| fault.rule), rule, "{text}");
        }
    }
}
