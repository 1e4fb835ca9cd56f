//! The packet filter: two nftables tables of ours, and the elements in their sets and maps.
//!
//! `base.nft` is the text of the tables and explains itself. This module turns actions into one
//! transaction ([`text`]), runs it ([`apply`]) and reads back what there is ([`listing`]). Tables and
//! chains count as right while they list exactly as they did just after they were written ([`kept`]),
//! which holds for any version of nft and notices every hand. What stands in a port's and a group's
//! chain is in [`group`], in a tap's in [`tap`]; what of it is logged, in [`log`].

pub mod apply;
mod element;
pub mod group;
mod kept;
pub mod limit;
pub mod listing;
pub mod log;
pub mod tap;
pub mod text;

pub use element::{Set, of_element, to_element};

use std::io;
use std::sync::LazyLock;

/// The text of the tables without elements.
pub const BASE: &str = include_str!("base.nft");

/// Names this text among all there ever were.
pub static VERSION: LazyLock<String> = LazyLock::new(|| format!("{:016x}", fnv1a(BASE.as_bytes())));

/// Why the filter could not be read or set.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// nft could not be started.
    #[error("nft could not be run")]
    Run(#[source] io::Error),
    /// nft refused.
    #[error("nft refused: {0}")]
    Refused(String),
    /// nft printed something unexpected.
    #[error("nft listed something that is not understood: {0}")]
    Unreadable(String),
    /// The copy of the listing could not be kept.
    #[error("the listing could not be kept in {path}")]
    Keep {
        /// Where.
        path: std::path::PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// FNV-1a, 64 bits: stable across releases, which the standard hasher is not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
