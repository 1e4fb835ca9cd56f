//! Security groups.

use crate::common::Common;
use crate::fault::Checked;
use iroko_model::{Description, Invalid, Labels, Name, ProjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most groups that a port is in.
pub const GROUPS_OF_PORT_MAX: usize = 16;

/// A security group as it is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "web", "description": "HTTP from everywhere"}))]
pub struct SecurityGroupCreate {
    /// Name, unique in the project. The default group keeps its own.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// What answers to something allowed is allowed; the default.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub stateful: bool,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for SecurityGroupCreate {}

const fn yes() -> bool {
    true
}

/// The groups asked for a port, each once, in order.
pub fn group_ids(asked: Vec<Uuid>) -> Result<Vec<Uuid>, Invalid> {
    let mut ids: Vec<Uuid> = Vec::with_capacity(asked.len());
    for id in asked {
        if ids.contains(&id) {
            return Err(Invalid::new("group_twice", format!("the group {id} is named twice; name it once")));
        }
        ids.push(id);
    }
    if ids.len() > GROUPS_OF_PORT_MAX {
        let text = format!("a port is in at most {GROUPS_OF_PORT_MAX} groups; put rules together in fewer");
        return Err(Invalid::new("groups_too_many", text));
    }
    Ok(ids)
}

/// A security group: rules that say what the ports in it may send and get.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000020", "name": "web", "description": "HTTP from everywhere",
    "project_id": "0198c0de-0000-7000-8000-000000000003", "stateful": true, "is_default": false, "labels": {}, "generation": 1,
    "created_at": "2026-11-25T08:00:00Z", "updated_at": "2026-11-25T08:00:00Z"}))]
pub struct SecurityGroup {
    /// What every noun shows; the name is unique in the project, the generation grows with its rules, too.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: ProjectId,
    /// What answers to something allowed is allowed.
    pub stateful: bool,
    /// The group of ports that name none; made with the project, and goes with it.
    pub is_default: bool,
}
