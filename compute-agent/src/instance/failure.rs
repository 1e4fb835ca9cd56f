//! What went wrong in a step: whether to try again, and what the tenant is told.
//!
//! The tenant's text names no path, no host and no internal message; the chain of causes goes to
//! the log.

use crate::hypervisor::HypervisorError;
use crate::storage::StorageError;
use iroko_model::reason::{Code, Reason};

/// A step that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("the hypervisor call failed")]
    Hypervisor(#[from] HypervisorError),
    #[error("the storage operation failed")]
    Storage(#[from] StorageError),
    #[error("making the disk took longer than it may")]
    Late,
    #[error("the instance is no longer wanted like this")]
    Overtaken,
}

/// What a failure says about the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It will fail again.
    Permanent,
    /// It may work next time; attempts are counted.
    Transient,
    /// Nothing is known of the outcome, or nothing was tried: look again, count nothing.
    Unknown,
}

impl StepError {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Hypervisor(HypervisorError::Foreign(_)) => Verdict::Permanent,
            Self::Hypervisor(HypervisorError::Refused { .. }) | Self::Late => Verdict::Transient,
            Self::Hypervisor(_) | Self::Overtaken => Verdict::Unknown,
            Self::Storage(error) if error.is_permanent() => Verdict::Permanent,
            Self::Storage(_) => Verdict::Transient,
        }
    }

    /// For the tenant: what happened and who can act.
    pub(crate) fn public(&self) -> Reason {
        Reason { code: self.code(), text: self.text() }
    }

    fn code(&self) -> Code {
        match self {
            Self::Hypervisor(_) => Code::HypervisorFailed,
            Self::Storage(error) => error.code(),
            Self::Late => Code::DiskFailed,
            Self::Overtaken => Code::Overtaken,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Hypervisor(HypervisorError::Foreign(_)) => {
                "another instance on the host has the same identity; an operator must look at the host".into()
            }
            Self::Hypervisor(HypervisorError::Refused { verb, .. }) => {
                format!(
                    "the host's hypervisor refused to {verb} the instance; an operator finds the cause in the host's log"
                )
            }
            Self::Hypervisor(_) => "the host's hypervisor does not answer; the host keeps trying".into(),
            Self::Storage(error) => error.public(),
            Self::Late => "making the instance's disk took too long on this host".into(),
            Self::Overtaken => "the request changed meanwhile".into(),
        }
    }
}

/// An error and its causes on one line, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
