//! Service accounts.

use crate::common::Common;
use crate::fault::Checked;
use iroko_model::{Description, Labels, Name, OrganizationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for a service account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "terraform"}))]
pub struct ServiceAccountCreate {
    /// Name, unique in the organization.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for ServiceAccountCreate {}

/// What may change of a service account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"disabled": true}))]
pub struct ServiceAccountSettings {
    /// Name, unique in the organization.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Its API keys are good for nothing while it is disabled.
    #[serde(default)]
    pub disabled: bool,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for ServiceAccountSettings {}

/// A program that acts for an organization, by API keys.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000c", "name": "terraform", "description": "",
    "organization_id": "0198c0de-0000-7000-8000-000000000000", "disabled": false, "labels": {}, "generation": 1,
    "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct ServiceAccount {
    /// What every noun shows; the name is unique in the organization.
    #[serde(flatten)]
    pub common: Common,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// It is disabled: its API keys are good for nothing.
    pub disabled: bool,
}
