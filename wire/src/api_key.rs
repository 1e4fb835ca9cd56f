//! API keys.

use crate::fault::Faults;
use ipnetwork::IpNetwork;
use iroko_model::{Invalid, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most source networks of a key.
const NETWORKS_MAX: usize = 32;

/// Most permissions of a key.
const PERMISSIONS_MAX: usize = 128;

/// Asks for an API key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "deploy", "expires_at": "2027-11-23T08:00:00Z",
    "permissions": ["instance.read", "instance.create"], "source_networks": ["192.0.2.0/24"]}))]
pub struct ApiKeyCreate {
    /// Name, unique in the service account.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// It ends then; without, it holds until it is deleted. What a key makes ends with it at the latest.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
    /// Names of permissions: the key allows these only, as far as the roles of its service account do.
    #[serde(default)]
    #[schema(value_type = Option<Vec<crate::words::Permission>>, max_items = 128)]
    pub permissions: Option<Vec<String>>,
    /// Networks from which it may be used; none: from anywhere.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub source_networks: Vec<String>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedApiKey {
    /// Name.
    pub name: Name,
    /// It ends then.
    pub expires_at: Option<OffsetDateTime>,
    /// Names of permissions.
    pub permissions: Option<Vec<String>>,
    /// Networks from which it may be used.
    pub source_networks: Vec<IpNetwork>,
}

impl TryFrom<ApiKeyCreate> for CheckedApiKey {
    type Error = Faults;

    fn try_from(wire: ApiKeyCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let networks = faults.take("/source_networks", networks(&wire.source_networks));
        let permissions = faults.take("/permissions", wire.permissions.map(permissions).transpose());
        let checked = name.zip(networks).zip(permissions).map(|((name, source_networks), permissions)| Self {
            name,
            expires_at: wire.expires_at,
            permissions,
            source_networks,
        });
        faults.finish_with(checked)
    }
}

fn networks(texts: &[String]) -> Result<Vec<IpNetwork>, Invalid> {
    if texts.len() > NETWORKS_MAX {
        return Err(Invalid::new("networks_many", format!("a key has at most {NETWORKS_MAX} source networks")));
    }
    let network = |text: &String| text.parse::<IpNetwork>().ok().filter(|found| found.network() == found.ip());
    let form = |text: &String| {
        Invalid::new("network_form", format!("{text:?} is not a network such as 192.0.2.0/24 or 2001:db8::/48"))
    };
    texts.iter().map(|text| network(text).ok_or_else(|| form(text))).collect()
}

fn permissions(names: Vec<String>) -> Result<Vec<String>, Invalid> {
    let is_name = |name: &String| {
        name.split_once('.').is_some_and(|(noun, verb)| {
            [noun, verb]
                .iter()
                .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        })
    };
    match names.iter().find(|name| !is_name(name)) {
        _ if names.is_empty() || names.len() > PERMISSIONS_MAX => {
            let text = format!("name 1 to {PERMISSIONS_MAX} permissions, or leave permissions out");
            Err(Invalid::new("permissions_count", text))
        }
        Some(name) => Err(Invalid::new("permission_form", format!("{name:?} is not the name of a permission"))),
        None => Ok(names),
    }
}

/// An API key, without its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000a", "name": "deploy", "prefix": "iroko_ak_0123AB",
    "permissions": ["instance.read", "instance.create"], "source_networks": ["192.0.2.0/24"],
    "created_at": "2026-11-23T08:00:00Z", "expires_at": "2027-11-23T08:00:00Z", "last_used_at": null}))]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the service account.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// It allows these permissions only; absent: what the roles of its service account allow.
    #[schema(value_type = Option<Vec<crate::words::Permission>>)]
    pub permissions: Option<Vec<String>>,
    /// Networks from which it may be used; none: from anywhere.
    pub source_networks: Vec<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// It ends then.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
    /// Its last use, within five minutes.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<OffsetDateTime>,
}

/// An API key that was just made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000a", "name": "deploy", "prefix": "iroko_ak_0123AB",
    "key": "iroko_ak_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg37cCQ0", "permissions": null, "source_networks": [],
    "created_at": "2026-11-23T08:00:00Z", "expires_at": null, "last_used_at": null}))]
pub struct ApiKeyMade {
    /// Send it as `Authorization: Bearer KEY`. It is shown this once.
    pub key: String,
    /// All else of it.
    #[serde(flatten)]
    pub api_key: ApiKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_checked() {
        let request = |permissions: Option<&[&str]>, networks: &[&str]| ApiKeyCreate {
            name: "deploy".into(),
            expires_at: None,
            permissions: permissions.map(|names| names.iter().map(ToString::to_string).collect()),
            source_networks: networks.iter().map(ToString::to_string).collect(),
        };
        assert!(CheckedApiKey::try_from(request(None, &[])).is_ok());
        assert!(CheckedApiKey::try_from(request(Some(&["ssh_key.read"]), &["10.0.0.0/8", "::1/128"])).is_ok());
        for (permissions, networks) in [
            (Some(&[][..]), &[][..]),
            (Some(&["instance"][..]), &[]),
            (Some(&["Instance.read"][..]), &[]),
            (None, &["10.0.0.1/8"][..]),
            (None, &["nonsense"]),
            (None, &["::/0"; 33]),
        ] {
            assert!(CheckedApiKey::try_from(request(permissions, networks)).is_err(), "{permissions:?} {networks:?}");
        }
    }
}
