//! Address sets.

use crate::fault::Faults;
use crate::{LabelMap, description, exact_range, labels};
use ipnetwork::IpNetwork;
use iroko_model::{Invalid, Labels, Name};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most ranges of a set.
pub const CIDRS_MAX: usize = 1000;

/// Asks for an address set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "offices", "cidrs": ["198.51.100.0/24", "2001:db8:1::/48"]}))]
pub struct AddressSetCreate {
    /// Name, unique in the project.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// Its ranges, of both families, at most 1000.
    #[schema(max_items = 1000)]
    pub cidrs: Vec<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedAddressSet {
    /// Name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// Its ranges.
    pub cidrs: Vec<IpNetwork>,
    /// Labels.
    pub labels: Labels,
}

impl TryFrom<AddressSetCreate> for CheckedAddressSet {
    type Error = Faults;

    fn try_from(wire: AddressSetCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let description = faults.take("/description", description(wire.description.unwrap_or_default()));
        let cidrs = cidrs(&wire.cidrs, &mut faults);
        let labels = faults.take("/labels", labels(wire.labels));
        faults.finish()?;
        let checked = name.zip(description).zip(labels);
        let checked = checked.map(|((name, description), labels)| Self { name, description, cidrs, labels });
        checked.ok_or_else(|| Faults::default())
    }
}

/// Changes an address set; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"cidrs": ["198.51.100.0/24"]}))]
pub struct AddressSetUpdate {
    /// Name, unique in the project.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// Its ranges; they take the place of all there were. Send `If-Match`, so that nobody's are lost.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub cidrs: Option<Vec<String>>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// A checked change.
#[derive(Debug)]
pub struct CheckedAddressSetUpdate {
    /// Name.
    pub name: Option<Name>,
    /// What it is for.
    pub description: Option<String>,
    /// Its ranges.
    pub cidrs: Option<Vec<IpNetwork>>,
    /// Labels.
    pub labels: Option<Labels>,
}

impl TryFrom<AddressSetUpdate> for CheckedAddressSetUpdate {
    type Error = Faults;

    fn try_from(wire: AddressSetUpdate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", wire.name.map(Name::try_from).transpose());
        let description = faults.take("/description", wire.description.map(description).transpose());
        let cidrs = wire.cidrs.map(|asked| cidrs(&asked, &mut faults));
        let labels = faults.take("/labels", wire.labels.map(Labels::try_from).transpose());
        faults.finish()?;
        let checked = name.zip(description).zip(labels);
        let checked = checked.map(|((name, description), labels)| Self { name, description, cidrs, labels });
        checked.ok_or_else(|| Faults::default())
    }
}

fn cidrs(asked: &[String], faults: &mut Faults) -> Vec<IpNetwork> {
    if asked.len() > CIDRS_MAX {
        let text = format!("a set has at most {CIDRS_MAX} ranges; put them together, or take several sets");
        faults.note("/cidrs", Invalid::new("cidrs_too_many", text));
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let once = |range: IpNetwork| match seen.insert(range) {
        true => Ok(range),
        false => Err(Invalid::new("cidr_twice", format!("{range} is named twice; name it once"))),
    };
    let mut once = once;
    let checked = asked
        .iter()
        .enumerate()
        .filter_map(|(index, text)| faults.take(&format!("/cidrs/{index}"), exact_range(text).and_then(&mut once)));
    checked.collect()
}

/// A named list of address ranges that rules refer to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000022", "name": "offices", "description": "",
    "cidrs": ["198.51.100.0/24", "2001:db8:1::/48"], "labels": {}, "generation": 1, "created_at": "2026-11-25T08:00:00Z"}))]
pub struct AddressSet {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its ranges.
    pub cidrs: Vec<String>,
    /// Labels.
    pub labels: LabelMap,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
