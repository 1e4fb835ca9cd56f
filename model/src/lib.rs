//! The vocabulary that every part of Iroko shares.
//!
//! Pure types and pure functions: what a name, an address or a size may be, what is *desired* of
//! an instance and what was *observed*, and the one place where the two become the status that a
//! person sees. This crate does no I/O, knows no async runtime and no database, so that every rule
//! in it can be tested with a table.

pub mod action;
pub mod address;
pub mod checked;
pub mod cidr;
pub mod connection_log;
pub mod error;
pub mod host;
pub mod id;
pub mod image;
pub mod instance;
pub mod label;
pub mod name;
pub mod naming;
pub mod number;
pub mod password;
pub mod permission;
pub mod port;
pub mod reason;
pub mod resources;
pub mod role;
#[cfg(feature = "schema")]
mod schema;
pub mod security_group;
pub mod ssh_key;
pub mod stuck;
pub mod subnet;
pub mod text;
pub mod user_data;

pub use address::{MacAddress, Vni};
pub use cidr::Cidr;
pub use error::Invalid;
pub use id::*;
pub use label::Labels;
pub use name::{Hostname, Name, Username};
pub use naming::{Description, Naming};
pub use number::Between;
pub use permission::{Permission, Permissions};
pub use resources::Resources;
pub use role::Role;
