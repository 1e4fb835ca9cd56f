//! Requests and answers of the public API: what they look like, their schemas, and what makes a request wrong.
//!
//! One file a noun. The API, the client, the command, the Terraform provider and the lab share these types. This crate does
//! no I/O and knows neither the database nor the web framework.

pub mod action;
pub mod address_set;
pub mod api_key;
pub mod audit;
pub mod auth;
pub mod capacity;
pub mod cloud_instance;
pub mod common;
pub mod connection_log;
pub mod credential;
pub mod event;
pub mod fault;
pub mod flavor;
pub mod group;
pub mod host;
pub mod identity_provider;
pub mod image;
pub mod instance;
pub mod me;
pub mod network;
pub mod oidc;
pub mod organization;
pub mod orphan;
pub mod page;
pub mod permission;
pub mod port;
pub mod problem;
pub mod project;
pub mod qos_policy;
pub mod quota;
pub mod role;
pub mod role_binding;
pub mod rule;
pub mod security_group;
pub mod security_group_rule;
pub mod service_account;
pub mod session;
pub mod signing_key;
pub mod ssh_key;
pub mod statistics;
pub mod stuck;
pub mod subnet;
pub mod totp;
pub mod user;
pub mod version;
pub mod words;

pub use page::List;

use iroko_model::{Description, Invalid, Labels};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::IntoParams;

/// How an organization or a project is deleted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Deletion {
    /// Delete everything in it, too.
    #[serde(default)]
    #[param(default = false)]
    pub purge: bool,
}

/// Labels as they come: checked when they become [`Labels`].
pub type LabelMap = BTreeMap<String, String>;

/// In which state an organization or project is, itself.
pub fn status(suspended_at: Option<OffsetDateTime>, purging_at: Option<OffsetDateTime>) -> String {
    let word = match (suspended_at, purging_at) {
        (_, Some(_)) => "purging",
        (Some(_), None) => "suspended",
        (None, None) => "active",
    };
    word.to_owned()
}

/// Labels of a request.
pub fn labels(map: Option<LabelMap>) -> Result<Labels, Invalid> {
    Labels::try_from(map.unwrap_or_default())
}

/// Labels of a row.
pub fn label_map(value: &Value) -> LabelMap {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// What something is for, in words.
pub fn description(text: String) -> Result<String, Invalid> {
    Description::try_from(text).map(|description| description.as_str().to_owned())
}

pub use iroko_model::cidr::range;
