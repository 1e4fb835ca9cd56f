//! What does not get on, in the whole cloud, for operators (view `stuck`, migration 0360): instances, what was asked of them,
//! images, ports.
//!
//! It looks at all of them: for people who ask now and then.

use crate::noun::{By, Common, Noun, Of};
use iroko_model::stuck::StuckCode;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

/// Shorter is not stuck, in seconds, unless it is asked for: images of some size take minutes to arrive on a host.
pub const OLDER_THAN_S: i64 = 600;
/// The longest that may be asked for, in seconds: a year.
pub const OLDER_THAN_MAX_S: i64 = 365 * 24 * 3600;

/// Something that is stuck.
#[derive(Debug, Clone, FromRow)]
pub struct Stuck {
    /// Its id, name and when it was made; of an action the name of its instance.
    #[sqlx(flatten)]
    pub common: Common<Uuid>,
    /// `instance`, `action`, `image` or `port`.
    pub kind: String,
    /// Why, as [`StuckCode`] has it.
    pub code: String,
    /// Since when.
    pub since: OffsetDateTime,
    /// What its host or the scheduler says of it; of an action its kind.
    pub detail: Option<String>,
    /// The instance it is, or belongs to.
    pub instance_id: Option<Uuid>,
    /// Its project.
    pub project_id: Uuid,
    /// The name of that.
    pub project_name: String,
    /// The organization of the project.
    pub organization_id: Uuid,
    /// The name of that.
    pub organization_name: String,
    /// The host it is on, or is to be removed from.
    pub host_id: Option<Uuid>,
    /// The name of that.
    pub host_name: Option<String>,
}

impl Noun for Stuck {
    type Id = Uuid;
    const TABLE: &'static str = "stuck";
    const COLUMNS: &'static str = "n.kind, n.code, n.since, n.detail, n.instance_id, n.project_id, n.project_name, n.organization_id, n.organization_name,
        n.host_id, n.host_name";
    const FILTERS: &'static [By] = &[
        By {
            name: "older_than_s",
            of: Of::Number { most: OLDER_THAN_MAX_S, unless_given: OLDER_THAN_S },
            condition: "n.since <= now() - make_interval(secs => $)",
            about: "Only what has been so for at least so many seconds.",
        },
        By {
            name: "kind",
            of: Of::Word(&["instance", "action", "image", "port"]),
            condition: "n.kind = $",
            about: "Only things of this kind.",
        },
        By { name: "code", of: Of::Word(StuckCode::WORDS), condition: "n.code = $", about: "Only for this reason." },
        By { name: "host_id", of: Of::Id, condition: "n.host_id = $", about: "Only what is on this host." },
        By {
            name: "project_id",
            of: Of::Id,
            condition: "n.project_id = $",
            about: "Only what belongs to this project.",
        },
        By {
            name: "organization_id",
            of: Of::Id,
            condition: "$ = ANY (n.organization_path)",
            about: "Only what belongs to this organization and to those below it.",
        },
    ];

    fn common(&self) -> &Common<Uuid> {
        &self.common
    }
}
