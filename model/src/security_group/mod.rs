//! Security groups: what a rule may say, and what a set of rules lets through.
//!
//! A port is in any number of groups. A packet passes a port where a rule of one of them lets it
//! ([`allows`]); there is no rule that forbids. Hosts carry this out in the kernel; the function
//! here is what they are compared with.

mod packet;
mod protocol;
mod rule;

pub use packet::{Packet, Payload, Remotes, allows};
pub use protocol::{Ethertype, IcmpType, PortRange, Protocol};
pub use rule::{Direction, Remote, Rule, RuleParts};
