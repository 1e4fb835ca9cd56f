//! Ranges of addresses.

use crate::{Invalid, checked};
use ipnetwork::{IpNetwork, Ipv4Network};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::net::Ipv4Addr;

/// A range whose host bits are zero, of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Cidr(IpNetwork);

/// Takes the place of a range that is none, and is one that nobody asks for.
const STAND_IN: Cidr = Cidr(IpNetwork::V4(match Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 31) {
    Some(range) => range,
    None => panic!("31 is a prefix"),
}));

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
        checked::deserialize::<String, _, _>(from, || STAND_IN)
    }
}

/// Most ranges of a list.
pub const CIDRS_MAX: usize = 1000;

/// A list of ranges, each once, at most 1000.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Cidrs(Vec<Cidr>);

impl Cidrs {
    /// The ranges.
    pub fn into_ranges(self) -> Vec<IpNetwork> {
        self.0.into_iter().map(Cidr::get).collect()
    }
}

impl TryFrom<Vec<IpNetwork>> for Cidrs {
    type Error = Invalid;

    fn try_from(ranges: Vec<IpNetwork>) -> Result<Self, Invalid> {
        ranges.into_iter().map(Cidr::try_from).collect::<Result<_, _>>().map(Self)
    }
}

impl<'de> Deserialize<'de> for Cidrs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Ranges)
    }
}

/// Reads a list of ranges.
struct Ranges;

impl<'de> Visitor<'de> for Ranges {
    type Value = Cidrs;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cidrs, A::Error> {
        let (mut ranges, mut seen) = (Vec::new(), HashSet::new());
        while let Some(range) = list.next_element_seed(Once(&mut seen))? {
            ranges.push(range);
        }
        let text = format!("a set has at most {CIDRS_MAX} ranges; put them together, or take several sets");
        let fits = (ranges.len() <= CIDRS_MAX).then_some(()).ok_or_else(|| Invalid::new("cidrs_too_many", text));
        checked::judge(fits, || ())?;
        Ok(Cidrs(ranges))
    }
}

/// Reads a range that is not among those that were there before it.
struct Once<'a>(&'a mut HashSet<Cidr>);

impl<'de> DeserializeSeed<'de> for Once<'_> {
    type Value = Cidr;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cidr, D::Error> {
        let range = Cidr::deserialize(from)?;
        let is_new = range == STAND_IN || self.0.insert(range);
        let text = || Invalid::new("cidr_twice", format!("{range} is named twice; name it once"));
        checked::judge(is_new.then_some(range).ok_or_else(text), || range)
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
