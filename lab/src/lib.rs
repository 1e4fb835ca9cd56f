//! A whole cloud on one machine: PostgreSQL, API, scheduler, and several hosts, each a network, mount
//! and process namespace with a libvirtd and both agents of its own. Guests are real (by software
//! emulation), and so are bridges, VXLAN and packet filters.
//!
//! ```text
//!   Lab ──files, signals──> init.sh (first process of the lab's namespaces)
//!    │                        ├─ supervise.sh: postgres, iroko-api, iroko-scheduler
//!    │                        └─ host.sh, once a host (first process of the host's namespaces)
//!    │                             └─ supervise.sh: libvirtd, iroko-net-agent, iroko-compute-agent
//!    └─ REST ──────────────────> iroko-api
//! ```
//!
//! When the first process ends, however it ends, the kernel takes processes, devices, mounts and
//! rules along: a lab leaves files below its directory and nothing else.

pub mod demo;
pub mod guest;
pub mod host;
pub mod images;
pub mod lab;
pub mod process;
pub mod ratio;
pub mod rest;
mod secret;
pub mod tenant;
pub mod traces;
pub mod wait;

pub use guest::Guest;
pub use host::Host;
pub use lab::{Lab, Options};
pub use rest::Rest;
pub use tenant::Tenant;
