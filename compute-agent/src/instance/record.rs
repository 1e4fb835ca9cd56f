//! What the agent remembers of an instance across its own death.
//!
//! One small file an instance, written whole and atomically *before* the act it permits and removed
//! last of all. It holds only what cannot be seen on the host: which operation was taken up last, whether the
//! guest ever ran, that it shut itself down, and that building it was given up.

use iroko_agent_wire::{OperationKind, OperationObservation, OperationPhase, Outcome};
use iroko_model::InstanceId;
use iroko_model::reason::Reason;
use serde::{Deserialize, Serialize};

/// Version of the record's form.
pub const RECORD_VERSION: u32 = 2;

/// The durable record of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Form of this record.
    pub version: u32,
    /// The instance.
    pub id: InstanceId,
    /// Generation of the spec last acted on.
    pub generation: u64,
    /// File name in the image cache of the image behind its disk, kept in the cache as long as
    /// this record exists.
    pub image: String,
    /// Whether the disk holds anything of the tenant's.
    pub life: Life,
    /// The operation that was taken up last.
    pub operation: Operation,
    /// The generation at which it was last seen running, without having been asked to go down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<u64>,
    /// The generation at which its guest shut itself down, to stay off. It holds across restarts of the
    /// hypervisor, which forgets why a domain is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_off: Option<u64>,
    /// Building was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failure>,
}

/// Whether an instance ever ran as far as anyone was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Being built. All of it may be thrown away.
    Building,
    /// It was seen running, and this was written before anyone was told. Its disk is the tenant's.
    Born,
}

/// The operation that was taken up last. It is written down before each act of it, which makes it happen exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// Its number; 0 where there never was one.
    pub number: u64,
    /// Where it stands.
    pub state: OperationState,
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// It is being carried out.
    UnderWay {
        /// What it does.
        kind: OperationKind,
        /// How far it is.
        phase: OperationPhase,
    },
    /// It has ended.
    Ended(Outcome),
}

impl Operation {
    /// One that needs nothing to be done.
    pub const fn done(number: u64) -> Self {
        Self { number, state: OperationState::Ended(Outcome::Done) }
    }

    /// True while it is being carried out.
    pub const fn is_under_way(&self) -> bool {
        matches!(self.state, OperationState::UnderWay { .. })
    }

    /// What is told of it; nothing where there never was one.
    pub fn observation(&self) -> Option<OperationObservation> {
        let (phase, outcome) = match self.state {
            OperationState::UnderWay { phase, .. } => (Some(phase), None),
            OperationState::Ended(outcome) => (None, Some(outcome)),
        };
        let number = self.number;
        (number > 0).then_some(OperationObservation { number, phase, progress: None, outcome })
    }
}

/// The mark that keeps the agent away from an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failure {
    /// The generation that was given up.
    pub generation: u64,
    /// Why, for the tenant.
    pub reason: Reason,
}

impl Record {
    /// A first record. Operations up to this one are of an instance before it, and need nothing to be done.
    pub const fn new(id: InstanceId, generation: u64, image: String, life: Life, operation: Operation) -> Self {
        Self {
            version: RECORD_VERSION,
            id,
            generation,
            image,
            life,
            operation,
            ran: None,
            guest_off: None,
            failed: None,
        }
    }
}
