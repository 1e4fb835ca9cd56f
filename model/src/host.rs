//! Hosts: the operator's word on one, and what can be placed there.

use crate::Invalid;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A processor architecture, as `uname -m` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

impl Architecture {
    /// The word in the database, on the wire and in libvirt's XML.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Architecture {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "x86_64" => Ok(Self::X86_64),
            "aarch64" => Ok(Self::Aarch64),
            _ => Err(Invalid::new(
                "architecture_unknown",
                format!("{text:?} is not an architecture; x86_64 and aarch64 are"),
            )),
        }
    }
}

/// What the operator wants of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Takes new instances.
    Enabled,
    /// Keeps what it has and takes nothing new.
    Disabled,
    /// Lost for good, by the operator's word. It never comes back by itself.
    Dead,
}

impl HostState {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Dead => "dead",
        }
    }
}

impl FromStr for HostState {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "enabled" => Ok(Self::Enabled),
            "disabled" => Ok(Self::Disabled),
            "dead" => Ok(Self::Dead),
            _ => Err(Invalid::new(
                "host_state_unknown",
                format!("{text:?} is not a host state; enabled and disabled are"),
            )),
        }
    }
}
