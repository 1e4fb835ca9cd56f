//! Netlink verbs: what the kernel is asked for devices, addresses and forwarding entries.
//!
//! Only devices with our prefix pass through here. A verb makes a thing so, whatever was there
//! before; "already there" and "already gone" are success.

pub mod device;
pub mod forwarding;
pub mod netlink;
pub mod netns;
pub mod packet;
pub mod read;
pub mod service;
pub mod shape;
pub mod tap;

use std::io;
use std::path::PathBuf;

/// Why the kernel did not do it.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A netlink request was refused.
    #[error("{0}")]
    Netlink(#[source] io::Error),
    /// netlink itself failed: no socket, or an answer that is not understood.
    #[error("netlink failed: {0}")]
    Transport(String),
    /// A device that should be there is not.
    #[error("there is no device {0}")]
    NoDevice(String),
    /// A tap could not be made.
    #[error("/dev/net/tun: {what}")]
    Tap {
        /// Which step.
        what: &'static str,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// A network namespace could not be made, entered or removed.
    #[error("network namespace {path}: {what}")]
    Namespace {
        /// Which.
        path: PathBuf,
        /// Which step.
        what: &'static str,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// A setting under /proc/sys could not be written.
    #[error("{path}")]
    Sysctl {
        /// Which.
        path: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl From<rtnetlink::Error> for LinkError {
    fn from(error: rtnetlink::Error) -> Self {
        match error {
            rtnetlink::Error::NetlinkError(message) => Self::Netlink(message.to_io()),
            other => Self::Transport(other.to_string()),
        }
    }
}

impl LinkError {
    /// True where the thing to be removed is gone already.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::NoDevice(_) => true,
            Self::Netlink(error) => {
                let gone = [nix::libc::ENOENT, nix::libc::ENODEV, nix::libc::ESRCH, nix::libc::EADDRNOTAVAIL];
                error.raw_os_error().is_some_and(|errno| gone.contains(&errno))
            }
            _ => false,
        }
    }
}

/// Success also where it was gone before.
pub fn gone_is_fine(outcome: Result<(), LinkError>) -> Result<(), LinkError> {
    match outcome {
        Err(error) if error.is_gone() => Ok(()),
        outcome => outcome,
    }
}
