//! Instances of the whole cloud, for operators: whose each is, where it is, how it is. What only its tenant is to know (user
//! data, keys, console) is not read.

use crate::instance::Told;
use crate::noun::{By, Common, Noun, Of};
use iroko_model::InstanceId;
use iroko_model::instance::{Power, Status};
use iroko_model::reason::Reason;
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// An instance, as the operator sees it.
#[derive(Debug, Clone, FromRow)]
pub struct CloudInstance {
    /// What every noun has.
    #[sqlx(flatten)]
    pub common: Common<InstanceId>,
    /// Its project.
    pub project_id: Uuid,
    /// The name of that.
    pub project_name: String,
    /// The organization of the project.
    pub organization_id: Uuid,
    /// The name of that.
    pub organization_name: String,
    /// The flavor it was made with.
    pub flavor_id: Uuid,
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// What its host must be.
    pub architecture: String,
    /// Wanted power state.
    pub power: String,
    /// The one visible status.
    pub status: String,
    /// Its host.
    pub host_id: Option<Uuid>,
    /// The name of that.
    pub host_name: Option<String>,
    /// When it got its host.
    pub placed_at: Option<OffsetDateTime>,
    /// The generation that its host has carried out.
    pub observed_generation: i64,
    /// Its project or an organization above is suspended.
    pub suspended: bool,
    /// Its host's lease has run out.
    pub host_unreachable: bool,
    /// When its guest shut itself down.
    pub guest_shutdown_at: Option<OffsetDateTime>,
    /// Why no host was found.
    pub placement_reason: Option<Json<Reason>>,
    /// Why it was given up.
    pub fault: Option<Json<Reason>>,
    /// What its host says.
    pub observed_reason: Option<Json<Reason>>,
}

impl CloudInstance {
    /// Why it has its status, where there is something to say.
    pub fn status_reason(&self) -> Option<Reason> {
        let told = Told {
            kept_off: self.suspended && self.power == Power::Running.as_str(),
            by_guest: self.guest_shutdown_at.is_some(),
            host_unreachable: self.host_unreachable,
            placement: self.placement_reason.as_deref(),
            fault: self.fault.as_deref(),
            observed: self.observed_reason.as_deref(),
        };
        told.reason(Status::ALL.iter().copied().find(|status| status.as_str() == self.status)?)
    }
}

impl Noun for CloudInstance {
    type Id = InstanceId;
    const TABLE: &'static str = "cloud_instance";
    const COLUMNS: &'static str = "n.project_id, n.project_name, n.organization_id, n.organization_name, n.flavor_id, n.vcpus, n.memory_mib, n.disk_gib,
        n.architecture, n.power, n.status, n.host_id, n.host_name, n.placed_at, n.observed_generation, n.suspended_at IS NOT NULL AS suspended,
        n.host_unreachable, n.guest_shutdown_at, n.placement_reason, n.fault, n.observed_reason";
    const FILTERS: &'static [By] = &[
        By {
            name: "status",
            of: Of::Word(Status::WORDS),
            condition: "n.status = $",
            about: "Only instances in this status.",
        },
        By { name: "host_id", of: Of::Id, condition: "n.host_id = $", about: "Only instances on this host." },
        By { name: "project_id", of: Of::Id, condition: "n.project_id = $", about: "Only instances of this project." },
        By {
            name: "organization_id",
            of: Of::Id,
            condition: "$ = ANY (n.organization_path)",
            about: "Only instances of this organization and of those below it.",
        },
        By {
            name: "flavor_id",
            of: Of::Id,
            condition: "n.flavor_id = $",
            about: "Only instances made with this flavor.",
        },
    ];

    fn common(&self) -> &Common<InstanceId> {
        &self.common
    }
}
