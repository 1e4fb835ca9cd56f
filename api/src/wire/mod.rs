//! What is said on the wire: requests that become model types by checks, and responses made from
//! rows. One file a noun.

pub mod address_set;
pub mod api_key;
pub mod audit;
pub mod auth;
pub mod connection_log;
pub mod credential;
pub mod event;
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
pub mod port;
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

use crate::extract::cursor_of;
use ipnetwork::IpNetwork;
use iroko_model::{Invalid, Labels, text};
use iroko_store::Page;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

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

/// A page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The items, oldest first.
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// Shows a page of rows.
    pub fn of<R>(page: Page<R>, show: impl FnMut(R) -> T) -> Self {
        let page = page.map(show);
        Self { items: page.items, next_cursor: page.next.map(cursor_of) }
    }
}

/// In which state an organization or project is, itself.
pub(crate) fn status(suspended_at: Option<OffsetDateTime>, purging_at: Option<OffsetDateTime>) -> String {
    let word = match (suspended_at, purging_at) {
        (_, Some(_)) => "purging",
        (Some(_), None) => "suspended",
        (None, None) => "active",
    };
    word.to_owned()
}

/// Reads a field that may be absent (it stays), null (it is taken off) or a value.
pub(crate) fn nullable<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    field: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Labels of a request.
pub(crate) fn labels(map: Option<LabelMap>) -> Result<Labels, Invalid> {
    Labels::try_from(map.unwrap_or_default())
}

/// Labels of a row.
pub(crate) fn label_map(value: &Value) -> LabelMap {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// Longest description, in characters.
pub const DESCRIPTION_MAX_CHARS: usize = 255;

/// What something is for, in words.
pub(crate) fn description(text: String) -> Result<String, Invalid> {
    let text = text::nfc(&text);
    if text.chars().count() > DESCRIPTION_MAX_CHARS || text.chars().any(char::is_control) {
        let what = format!("a description is one line of at most {DESCRIPTION_MAX_CHARS} characters");
        return Err(Invalid::new("description_form", what));
    }
    text::readable(&text)
}

/// A range of addresses.
pub(crate) fn range(text: &str) -> Result<IpNetwork, Invalid> {
    let range = text.split_once('/').and_then(|_| text.parse().ok());
    range.ok_or_else(|| Invalid::new("cidr_form", format!("{text:?} is not a range like 10.20.0.0/24")))
}

/// A range whose host bits are zero.
pub(crate) fn exact_range(text: &str) -> Result<IpNetwork, Invalid> {
    let range = range(text)?;
    if range.ip() == range.network() {
        return Ok(range);
    }
    let (network, prefix) = (range.network(), range.prefix());
    Err(Invalid::new("cidr_host_bits", format!("{range} has host bits set; did you mean {network}/{prefix}?")))
}
