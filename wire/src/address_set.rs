//! Address sets.

use crate::common::Common;
use crate::fault::Faults;
use iroko_model::{Cidr, Description, Invalid, Labels, Name, ProjectId};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use utoipa::ToSchema;

/// Most ranges of a set.
pub const CIDRS_MAX: usize = 1000;

/// An address set as it is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "offices", "cidrs": ["198.51.100.0/24", "2001:db8:1::/48"]}))]
pub struct AddressSetCreate {
    /// Name, unique in the project.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Ranges of both families, each once, at most 1000.
    #[schema(max_items = 1000)]
    pub cidrs: Vec<Cidr>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl AddressSetCreate {
    /// Checks the ranges together.
    ///
    /// # Errors
    /// Where there are too many, or one is there twice.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if self.cidrs.len() > CIDRS_MAX {
            let text = format!("a set has at most {CIDRS_MAX} ranges; put them together, or take several sets");
            faults.note("/cidrs", Invalid::new("cidrs_too_many", text));
            return faults.finish();
        }
        let mut seen = HashSet::new();
        for (index, range) in self.cidrs.iter().enumerate().filter(|(_, range)| !seen.insert(**range)) {
            let text = format!("{range} is named twice; name it once");
            faults.note(&format!("/cidrs/{index}"), Invalid::new("cidr_twice", text));
        }
        faults.finish()
    }
}

/// A named list of ranges that rules refer to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000022", "name": "offices", "description": "",
    "project_id": "0198c0de-0000-7000-8000-000000000003", "cidrs": ["198.51.100.0/24", "2001:db8:1::/48"], "labels": {},
    "generation": 1, "created_at": "2026-11-25T08:00:00Z", "updated_at": "2026-11-25T08:00:00Z"}))]
pub struct AddressSet {
    /// What every noun shows; the name is unique in the project.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: ProjectId,
    /// Its ranges.
    pub cidrs: Vec<String>,
}
