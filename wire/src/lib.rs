//! Requests and answers of the public API: what they look like, their schemas, and what makes a request wrong.
//!
//! One file a noun. The API, the client, the command, the Terraform provider and the lab share these types. This crate does
//! no I/O and knows neither the database nor the web framework.

pub mod action;
pub mod address_set;
pub mod api_key;
pub mod audit;
pub mod auth;
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
pub mod security_group;
pub mod security_group_rule;
pub mod service_account;
pub mod session;
pub mod signing_key;
pub mod ssh_key;
pub mod statistics;
pub mod subnet;
pub mod totp;
pub mod user;
pub mod words;

pub use page::List;

use iroko_model::{Invalid, Labels, text};
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

/// Reads a field that may be absent (it stays), null (it is taken off) or a value.
pub fn nullable<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    field: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Labels of a request.
pub fn labels(map: Option<LabelMap>) -> Result<Labels, Invalid> {
    Labels::try_from(map.unwrap_or_default())
}

/// Labels of a row.
pub fn label_map(value: &Value) -> LabelMap {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// Longest description, in characters.
pub const DESCRIPTION_MAX_CHARS: usize = 255;

/// What something is for, in words.
pub fn description(text: String) -> Result<String, Invalid> {
    let text = text::nfc(&text);
    if text.chars().count() > DESCRIPTION_MAX_CHARS || text.chars().any(char::is_control) {
        let what = format!("a description is one line of at most {DESCRIPTION_MAX_CHARS} characters");
        return Err(Invalid::new("description_form", what));
    }
    text::readable(&text)
}

pub use iroko_model::cidr::range;
