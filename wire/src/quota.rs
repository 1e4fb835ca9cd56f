//! Quotas.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Limits of a project, or of an organization with all below it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"limits": {"instances": 20, "vcpus": 64, "memory_mib": 131072}}))]
pub struct QuotasUpdate {
    /// The most of each; what is absent is unlimited, but by what there is above.
    pub limits: BTreeMap<String, i64>,
}

/// What new organizations and new projects are limited to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"organization": {"projects": 20, "users": 100}, "project": {"instances": 20, "vcpus": 64, "memory_mib": 131072}}))]
pub struct DefaultQuotas {
    /// The most of each that a new organization gets; what is absent is unlimited.
    pub organization: BTreeMap<String, i64>,
    /// The most of each that a new project gets; what is absent is unlimited.
    pub project: BTreeMap<String, i64>,
}

/// Limits and usage.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"items": [{"name": "instances", "limit": 20, "used": 3}, {"name": "vcpus", "used": 6}]}))]
pub struct Quotas {
    /// Each quota, by name.
    pub items: Vec<Quota>,
}

/// A quota.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"name": "instances", "limit": 20, "used": 3}))]
pub struct Quota {
    /// What is limited.
    pub name: String,
    /// The most of it; absent where only what is above limits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// How much there is; absent of a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<i64>,
}
