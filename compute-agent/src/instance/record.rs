//! What the agent remembers of an instance across its own death.
//!
//! One small file an instance, written whole and atomically *before* the act it permits and removed
//! last of all. It holds only what cannot be seen on the host: which reboots are done, whether the
//! guest ever ran, that it shut itself down, and that building it was given up.

use iroko_model::InstanceId;
use serde::{Deserialize, Serialize};

/// Version of the record's form.
pub const RECORD_VERSION: u32 = 1;

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
    /// How many of the asked reboots are done.
    pub reboots: u64,
    /// The reboot under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<Reboot>,
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

/// A reboot under way: off, then on again. The two halves make it happen exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reboot {
    /// The counter that is reached when it is done.
    pub target: u64,
    /// Where it stands.
    pub phase: RebootPhase,
}

/// The halves of a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RebootPhase {
    /// Going down.
    Stopping,
    /// It was seen off; coming up.
    Starting,
}

/// The mark that keeps the agent away from an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failure {
    /// The generation that was given up.
    pub generation: u64,
    /// Why, for the tenant.
    pub reason: String,
}

impl Record {
    /// A first record.
    pub const fn new(id: InstanceId, generation: u64, image: String, life: Life, reboots: u64) -> Self {
        Self {
            version: RECORD_VERSION,
            id,
            generation,
            image,
            life,
            reboots,
            reboot: None,
            ran: None,
            guest_off: None,
            failed: None,
        }
    }
}
