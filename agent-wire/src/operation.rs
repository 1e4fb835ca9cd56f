//! Operations: what is asked of an instance beside its power and definition, one at a time.

use serde::{Deserialize, Serialize};

/// The operation that is asked for last. The agent carries it out once, when its number is larger than that of the last one
/// it has taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationSpec {
    /// Grows by one with every operation of the instance; the first is 1.
    pub number: u64,
    /// What is to be done.
    #[serde(flatten)]
    pub kind: OperationKind,
}

/// What an operation does, with its arguments. On the wire `{"number": 3, "kind": "reboot"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OperationKind {
    /// Off, then on again. For an instance that is off there is nothing to do.
    Reboot,
    /// One that this release does not know. It fails as [`OperationFault::Unsupported`].
    #[serde(other)]
    Unknown,
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationPhase {
    /// The guest is on its way down.
    Stopping,
    /// It was seen off, and comes up.
    Starting,
    /// One of a newer release.
    #[serde(other)]
    Other,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// It was not, and is not tried again.
    Failed(OperationFault),
}

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationFault {
    /// The agent is of a release that does not know it.
    Unsupported,
    /// One of a newer release.
    #[serde(other)]
    Other,
}

/// What the agent has done of the operation that it took up last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationObservation {
    /// The operation.
    pub number: u64,
    /// Where it stands, while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<OperationPhase>,
    /// How much of the phase is done, in per cent, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// How it ended; none while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl OperationObservation {
    /// Number of the last operation that has ended. One is under way only once all before it have ended.
    pub const fn ended(&self) -> u64 {
        match self.outcome {
            Some(_) => self.number,
            None => self.number.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_a_newer_release_are_read_as_unknown() {
        let spec: OperationSpec = serde_json::from_str(r#"{"number":2,"kind":"rescue","image":"x"}"#).unwrap();
        assert_eq!(spec, OperationSpec { number: 2, kind: OperationKind::Unknown });
        let text = serde_json::to_string(&OperationSpec { number: 3, kind: OperationKind::Reboot }).unwrap();
        assert_eq!(text, r#"{"number":3,"kind":"reboot"}"#);
    }

    #[test]
    fn observations_read_plainly() {
        let outcome = Some(Outcome::Failed(OperationFault::Unsupported));
        let seen = OperationObservation { number: 2, phase: None, progress: None, outcome };
        assert_eq!(serde_json::to_string(&seen).unwrap(), r#"{"number":2,"outcome":{"failed":"unsupported"}}"#);
        let under_way = OperationObservation { phase: Some(OperationPhase::Stopping), outcome: None, ..seen };
        assert_eq!((seen.ended(), under_way.ended()), (2, 1));
    }
}
