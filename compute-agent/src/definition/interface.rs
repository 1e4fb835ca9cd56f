//! Interfaces: which tap carries which Ethernet address.

use super::read::{Element, each, first};
use iroko_agent_wire::InstanceSpec;

/// An interface of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its Ethernet address, in lower case.
    pub mac: String,
    /// The tap device.
    pub tap: String,
}

impl Interface {
    /// What is wanted.
    pub fn wanted(spec: &InstanceSpec) -> Vec<Self> {
        let interface = |nic: &iroko_agent_wire::NicSpec| Self { mac: nic.mac.to_string(), tap: nic.tap.clone() };
        spec.nics.iter().map(interface).collect()
    }

    pub(super) fn read(domain: &[Element]) -> Vec<Self> {
        let interface = |interface: &[Element]| {
            let mac = first(interface, "devices/interface/mac")?.attribute("address")?.to_ascii_lowercase();
            let tap = first(interface, "devices/interface/target")?.attribute("dev")?.to_owned();
            Some(Self { mac, tap })
        };
        each(domain, "devices/interface").into_iter().filter_map(interface).collect()
    }
}

/// True where they are not the same, in the order in which the guest sees them.
pub fn differ(wanted: &[Interface], seen: &[Interface]) -> bool {
    wanted != seen
}
