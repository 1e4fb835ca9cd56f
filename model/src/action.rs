//! Actions: what can be asked of an instance, and what becomes of it.

use crate::Invalid;
use std::str::FromStr;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionKind {
    /// It is made.
    Create,
    /// It is wanted running.
    Start,
    /// It is wanted off.
    Stop,
    /// It goes off and on again once.
    Reboot,
    /// It gets an interface.
    AttachInterface,
    /// It loses an interface.
    DetachInterface,
    /// It goes.
    Delete,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Create,
        Self::Start,
        Self::Stop,
        Self::Reboot,
        Self::AttachInterface,
        Self::DetachInterface,
        Self::Delete,
    ];

    /// The word in API and database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::AttachInterface => "attach_interface",
            Self::DetachInterface => "detach_interface",
            Self::Delete => "delete",
        }
    }

    /// Open actions that can no longer come about once this is asked for. An instance that is stopped while it is being
    /// made is made all the same; one that is asked to start again is started once.
    pub const fn supersedes(self) -> &'static [Self] {
        match self {
            Self::Create | Self::Reboot | Self::AttachInterface | Self::DetachInterface => &[],
            Self::Start => &[Self::Start, Self::Stop],
            Self::Stop => &[Self::Start, Self::Stop, Self::Reboot],
            Self::Delete => {
                &[Self::Create, Self::Start, Self::Stop, Self::Reboot, Self::AttachInterface, Self::DetachInterface]
            }
        }
    }
}

impl FromStr for ActionKind {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || Invalid::new("action_kind_unknown", format!("{text:?} is not a kind of action"));
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(unknown)
    }
}

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// It was not, and is not tried again.
    Failed,
    /// Something else was asked for before it was done.
    Superseded,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Superseded];

    /// The word in API and database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

impl FromStr for Outcome {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || Invalid::new("outcome_unknown", format!("{text:?} is not an outcome"));
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(unknown)
    }
}
