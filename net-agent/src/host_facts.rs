//! What of this host shapes what is wanted on it.

use crate::{dhcp, flows};
use iroko_model::HostId;
use std::net::IpAddr;

/// What of this host shapes what is wanted on it.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// The host; peers on it are ignored.
    pub host_id: HostId,
    /// Its underlay address.
    pub vtep: IpAddr,
    /// Who may open its taps.
    pub tap_owner: Option<u32>,
    /// Whether bandwidth is kept by queues; else by dropping.
    pub shaping: bool,
    /// How the DHCP servers behave.
    pub dhcp: dhcp::Settings,
    /// How many flows its ports may have.
    pub flows: flows::Settings,
}
