//! The net-agent: carries tenant networks on one host.
//!
//! It owns every network device, nftables table and DHCP server whose name starts with `ik`, and
//! touches nothing else. It repeats one pass for ever:
//!
//! ```text
//!   DesiredHandle ── desired ──> wanted ─┐
//!                                        ├─ plan ──> actions ── apply ──> kernel
//!   kernel ────────── observed ──────────┘                                   │
//!     ^                                                                       │
//!     └───────────────────── verify: read again, compare again ◄──────────────┘
//! ```
//!
//! [`object`] is the shared vocabulary: wanted and observed state are both maps from an object's
//! [`object::Key`] to its [`object::Value`], so planning is a comparison of two maps. [`desired`]
//! and [`plan`] are pure; [`linux`] is the real kernel and [`fake`] the one of simulated hosts, and
//! both run under the same [`reconcile`].
//!
//! What it refuses: to act before anything is known ([`iroko_agent_link::Desired::known`]),
//! to bring up a tap whose filter is not in place, and to touch a device without our prefix.

mod address_set;
pub mod announce;
pub mod apply;
pub mod config;
pub mod connection_log;
pub mod conntrack;
pub mod cut;
pub mod desired;
pub mod dhcp;
mod entries;
pub mod fake;
pub mod firewall;
pub mod flows;
mod host_facts;
pub mod kernel;
pub mod link;
pub mod linux;
mod member;
mod network;
mod nfnetlink;
pub mod object;
mod observed;
mod peer;
pub mod plan;
mod port;
pub mod reconcile;
mod security_group;
mod shared;
pub mod statistics;
mod underlay;
pub mod verify;

pub use config::Config;
pub use fake::Fake;
pub use host_facts::HostFacts;
pub use kernel::{Kernel, KernelError};
pub use linux::Linux;
pub use reconcile::run;
pub use underlay::{Underlay, UnderlayError};
