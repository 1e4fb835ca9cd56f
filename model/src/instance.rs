//! An instance's life: what is desired, what was observed, and the one status both give.
//!
//! Nobody ever *sets* a status. The API changes what is desired, an agent reports what it saw, and
//! [`status`] derives what a person reads:
//!
//! ```text
//!  desired running                       desired stopped        desired deleted
//!  pending ─placed─> building ─> running ──> stopping ─> stopped ──> deleting ─> deleted
//!     ^                 │           │  ^
//!     └── host failed ──┘           └──┘ rebooting
//!  error: given up, the reason says why      unreachable: the host's lease ran out
//!  paused: the host's disk is full, it goes on by itself
//! ```

use crate::Invalid;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What is wanted of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// The instance exists and runs.
    Running,
    /// The instance exists and is off.
    Stopped,
    /// The instance, its disk and its ports are gone.
    Deleted,
}

impl Power {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
        }
    }
}

impl FromStr for Power {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "running" => Ok(Self::Running),
            "stopped" => Ok(Self::Stopped),
            "deleted" => Ok(Self::Deleted),
            _ => Err(Invalid::new("power_unknown", format!("{text:?} is not a desired power state"))),
        }
    }
}

/// What shall be when a guest shuts itself down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnGuestShutdown {
    /// It stays off until somebody starts it.
    #[default]
    StayOff,
    /// Its host starts it again.
    StartAgain,
}

impl OnGuestShutdown {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::StayOff => "stay_off",
            Self::StartAgain => "start_again",
        }
    }
}

impl FromStr for OnGuestShutdown {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "stay_off" => Ok(Self::StayOff),
            "start_again" => Ok(Self::StartAgain),
            _ => {
                let text = format!(
                    "{text:?} is not a policy for guests that shut themselves down; stay_off and start_again are"
                );
                Err(Invalid::new("on_guest_shutdown_unknown", text))
            }
        }
    }
}

/// What a compute-agent last saw of an instance on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedState {
    /// Being made: waiting for ports, image, disk or domain.
    Preparing,
    /// The domain runs.
    Running,
    /// The guest was asked to shut down and has not yet.
    Stopping,
    /// The domain is defined and off.
    Stopped,
    /// The domain is being restarted.
    Rebooting,
    /// Its processors are held by the host, which says why: its disk is full. It goes on by itself.
    Paused,
    /// Making or starting it failed for good at this generation. When it was being *built*, the
    /// agent removed every trace of it before it reported this, and stays away from it until the
    /// generation grows: the scheduler may take it to another host.
    Failed,
    /// Nothing of it is left on the host: domain, disk and seed are gone.
    Absent,
}

impl ObservedState {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Rebooting => "rebooting",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Absent => "absent",
        }
    }
}

impl FromStr for ObservedState {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(match text {
            "preparing" => Self::Preparing,
            "running" => Self::Running,
            "stopping" => Self::Stopping,
            "stopped" => Self::Stopped,
            "rebooting" => Self::Rebooting,
            "paused" => Self::Paused,
            "failed" => Self::Failed,
            "absent" => Self::Absent,
            _ => return Err(Invalid::new("observed_unknown", format!("{text:?} is not an observed state"))),
        })
    }
}

/// The one status a person sees (DESIGN, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a host; the reason says what stands in the way.
    Pending,
    /// A host is making or starting it.
    Building,
    /// It runs.
    Running,
    /// It was asked to stop.
    Stopping,
    /// It is off.
    Stopped,
    /// It restarts.
    Rebooting,
    /// Its host holds its processors; the reason says why, and it goes on by itself.
    Paused,
    /// It cannot be brought to what is wanted; the reason says why.
    Error,
    /// It is being removed.
    Deleting,
    /// It is gone; the record stays for the bill.
    Deleted,
    /// Its host has not been heard of for longer than its lease; the instance may well run.
    Unreachable,
}

impl Status {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Pending,
        Self::Building,
        Self::Running,
        Self::Stopping,
        Self::Stopped,
        Self::Rebooting,
        Self::Paused,
        Self::Error,
        Self::Deleting,
        Self::Deleted,
        Self::Unreachable,
    ];
    /// The words of those that an instance can have that is not gone.
    pub const WORDS: &[&str] = &[
        "pending",
        "building",
        "running",
        "stopping",
        "stopped",
        "rebooting",
        "paused",
        "error",
        "deleting",
        "unreachable",
    ];

    /// The word on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Building => "building",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Rebooting => "rebooting",
            Self::Paused => "paused",
            Self::Error => "error",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Everything [`status`] looks at.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// What is wanted.
    pub power: Power,
    /// Removal is complete.
    pub deleted: bool,
    /// A host was chosen.
    pub placed: bool,
    /// The control plane has given up on it.
    pub given_up: bool,
    /// The host's lease has run out.
    pub host_unreachable: bool,
    /// What the host last saw, if anything, since the placement.
    pub observed: Option<ObservedState>,
    /// A reboot was asked for that the host has not finished.
    pub reboot_due: bool,
    /// It never ran: where its host could not build it, the scheduler tries another one before it gives up.
    pub never_ran: bool,
}

/// Derives the visible status. Every combination has one answer.
pub fn status(facts: Facts) -> Status {
    if facts.deleted {
        return Status::Deleted;
    }
    if facts.power == Power::Deleted {
        return Status::Deleting;
    }
    if facts.given_up {
        return Status::Error;
    }
    if !facts.placed {
        return if facts.power == Power::Stopped { Status::Stopped } else { Status::Pending };
    }
    if facts.host_unreachable {
        return Status::Unreachable;
    }
    match (facts.power, facts.observed) {
        // Not the last word yet: the control plane gives up, or takes it to another host.
        (Power::Running, Some(ObservedState::Failed)) if facts.never_ran => Status::Building,
        (_, Some(ObservedState::Failed)) => Status::Error,
        (_, None | Some(ObservedState::Preparing | ObservedState::Absent)) => Status::Building,
        (Power::Running, Some(ObservedState::Running)) if facts.reboot_due => Status::Rebooting,
        (Power::Running, Some(ObservedState::Running)) => Status::Running,
        (_, Some(ObservedState::Rebooting)) => Status::Rebooting,
        (Power::Running, Some(ObservedState::Paused)) => Status::Paused,
        (Power::Running, Some(ObservedState::Stopping)) => Status::Stopping,
        (Power::Running, Some(ObservedState::Stopped)) => Status::Building,
        (Power::Stopped, Some(ObservedState::Stopped)) => Status::Stopped,
        (Power::Stopped, Some(ObservedState::Running | ObservedState::Stopping | ObservedState::Paused)) => {
            Status::Stopping
        }
        (Power::Deleted, Some(_)) => Status::Deleting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Facts = Facts {
        power: Power::Running,
        deleted: false,
        placed: true,
        given_up: false,
        host_unreachable: false,
        observed: Some(ObservedState::Running),
        reboot_due: false,
        never_ran: false,
    };

    #[test]
    fn status_table() {
        use ObservedState as O;
        use Power as P;
        let table = [
            (SEEN, Status::Running),
            (Facts { deleted: true, ..SEEN }, Status::Deleted),
            (Facts { power: P::Deleted, ..SEEN }, Status::Deleting),
            (Facts { power: P::Deleted, host_unreachable: true, ..SEEN }, Status::Deleting),
            (Facts { given_up: true, ..SEEN }, Status::Error),
            (Facts { placed: false, observed: None, ..SEEN }, Status::Pending),
            (Facts { placed: false, observed: None, power: P::Stopped, ..SEEN }, Status::Stopped),
            (Facts { host_unreachable: true, ..SEEN }, Status::Unreachable),
            (Facts { observed: None, ..SEEN }, Status::Building),
            (Facts { observed: Some(O::Preparing), ..SEEN }, Status::Building),
            (Facts { observed: Some(O::Absent), ..SEEN }, Status::Building),
            (Facts { observed: Some(O::Failed), ..SEEN }, Status::Error),
            (Facts { observed: Some(O::Failed), never_ran: true, ..SEEN }, Status::Building),
            (Facts { observed: Some(O::Failed), never_ran: true, given_up: true, ..SEEN }, Status::Error),
            (Facts { observed: Some(O::Failed), never_ran: true, power: P::Stopped, ..SEEN }, Status::Error),
            (Facts { reboot_due: true, ..SEEN }, Status::Rebooting),
            (Facts { observed: Some(O::Rebooting), ..SEEN }, Status::Rebooting),
            (Facts { observed: Some(O::Stopped), ..SEEN }, Status::Building),
            (Facts { observed: Some(O::Paused), ..SEEN }, Status::Paused),
            (Facts { power: P::Stopped, observed: Some(O::Paused), ..SEEN }, Status::Stopping),
            (Facts { observed: Some(O::Stopping), ..SEEN }, Status::Stopping),
            (Facts { power: P::Stopped, ..SEEN }, Status::Stopping),
            (Facts { power: P::Stopped, observed: Some(O::Stopping), ..SEEN }, Status::Stopping),
            (Facts { power: P::Stopped, observed: Some(O::Stopped), ..SEEN }, Status::Stopped),
        ];
        for (facts, wanted) in table {
            assert_eq!(status(facts), wanted, "{facts:?}");
        }
    }

    #[test]
    fn the_words_are_those_of_all_but_the_gone() {
        let words: Vec<_> = Status::ALL.iter().map(Status::as_str).filter(|word| *word != "deleted").collect();
        assert_eq!(words, Status::WORDS);
    }

    #[test]
    fn words_round_trip() {
        use ObservedState::*;
        for state in [Preparing, Running, Stopping, Stopped, Rebooting, Paused, Failed, Absent] {
            assert_eq!(state.as_str().parse::<ObservedState>().unwrap(), state);
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for power in [Power::Running, Power::Stopped, Power::Deleted] {
            assert_eq!(power.as_str().parse::<Power>().unwrap(), power);
        }
    }
}
