//! Security groups.

use crate::fault::Faults;
use crate::{LabelMap, description, labels};
use iroko_model::{Invalid, Labels, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most security groups of a port.
pub const GROUPS_OF_PORT_MAX: usize = 16;

/// Asks for a security group. It has no rules yet: nothing passes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "web", "description": "HTTP from everywhere"}))]
pub struct SecurityGroupCreate {
    /// Name, unique in the project.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// True, as unless asked otherwise: what answers to something allowed is allowed. False: each packet needs a rule.
    #[serde(default)]
    #[schema(default = true)]
    pub stateful: Option<bool>,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedSecurityGroup {
    /// Name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// What answers to something allowed is allowed.
    pub stateful: bool,
    /// Labels.
    pub labels: Labels,
}

impl TryFrom<SecurityGroupCreate> for CheckedSecurityGroup {
    type Error = Faults;

    fn try_from(wire: SecurityGroupCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let description = faults.take("/description", description(wire.description.unwrap_or_default()));
        let labels = faults.take("/labels", labels(wire.labels));
        let stateful = wire.stateful.unwrap_or(true);
        let checked = name.zip(description).zip(labels);
        let checked = checked.map(|((name, description), labels)| Self { name, description, stateful, labels });
        faults.finish_with(checked)
    }
}

/// Changes a security group; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "HTTP and HTTPS from everywhere"}))]
pub struct SecurityGroupUpdate {
    /// Name, unique in the project. The default group keeps its own.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// What answers to something allowed is allowed.
    #[serde(default)]
    pub stateful: Option<bool>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// A checked change.
#[derive(Debug)]
pub struct CheckedSecurityGroupUpdate {
    /// Name.
    pub name: Option<Name>,
    /// What it is for.
    pub description: Option<String>,
    /// What answers to something allowed is allowed.
    pub stateful: Option<bool>,
    /// Labels.
    pub labels: Option<Labels>,
}

impl TryFrom<SecurityGroupUpdate> for CheckedSecurityGroupUpdate {
    type Error = Faults;

    fn try_from(wire: SecurityGroupUpdate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", wire.name.map(Name::try_from).transpose());
        let description = faults.take("/description", wire.description.map(description).transpose());
        let labels = faults.take("/labels", wire.labels.map(Labels::try_from).transpose());
        let stateful = wire.stateful;
        let checked = name.zip(description).zip(labels);
        let checked = checked.map(|((name, description), labels)| Self { name, description, stateful, labels });
        faults.finish_with(checked)
    }
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
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000020", "name": "web", "description": "HTTP from everywhere",
    "stateful": true, "is_default": false, "labels": {}, "generation": 1, "created_at": "2026-11-25T08:00:00Z"}))]
pub struct SecurityGroup {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What answers to something allowed is allowed.
    pub stateful: bool,
    /// The group of ports that name none; made with the project, and goes with it.
    pub is_default: bool,
    /// Labels.
    pub labels: LabelMap,
    /// Grows with each change, also of its rules.
    pub generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
