//! Identity providers.

use crate::fault::Faults;
use iroko_model::{Invalid, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

const LIST_MAX: usize = 16;

const RULES_MAX: usize = 256;

const TEXT_MAX: usize = 256;

const PREFIX_MAX: usize = 64;

/// Whoever has `value` in `claim` is in the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IdentityProviderRule, example = json!({"claim": "groups", "value": "cloud-admins", "group_id": "0198c0de-0000-7000-8000-00000000000b"}))]
pub struct Rule {
    /// Name of the claim, or a path by dots: `realm_access.roles`.
    #[schema(max_length = 256)]
    pub claim: String,
    /// What it must be, or have among its items.
    #[schema(max_length = 256)]
    pub value: String,
    /// A group of the organization; the roles of the group are the person's.
    pub group_id: Uuid,
}

/// An identity provider, as it shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "keycloak", "issuer": "https://id.example/realms/ministry", "client_id": "iroko", "client_secret": "a secret of theirs",
    "redirect_uris": ["https://portal.example/login"], "username_prefix": "ministry/",
    "rules": [{"claim": "groups", "value": "cloud-admins", "group_id": "0198c0de-0000-7000-8000-00000000000b"}]}))]
pub struct IdentityProviderWrite {
    /// Name, unique in the organization.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Its address, as in its tokens; `/.well-known/openid-configuration` is below it.
    #[schema(max_length = 256)]
    pub issuer: String,
    /// What it calls us.
    #[schema(min_length = 1, max_length = 256)]
    pub client_id: String,
    /// What we prove that with. On a change: left out, the one there is stays; empty, it is removed.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub client_secret: Option<String>,
    /// What to ask it for besides `openid`.
    #[serde(default = "default_scopes")]
    #[schema(max_items = 16)]
    pub scopes: Vec<String>,
    /// Where it may send people back to: pages of a portal.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub redirect_uris: Vec<String>,
    /// The claim that user names come from.
    #[serde(default = "default_username_claim")]
    #[schema(max_length = 256)]
    pub username_claim: String,
    /// Goes before it, so that the names of two providers never meet.
    #[serde(default)]
    #[schema(max_length = 64)]
    pub username_prefix: String,
    /// Who is in which group. Membership in these groups is made anew at every log-in.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub rules: Vec<Rule>,
    /// Only people whom a rule puts into a group may log in.
    #[serde(default)]
    pub rule_required: bool,
    /// Nobody may log in by it.
    #[serde(default)]
    pub is_disabled: bool,
}

fn default_scopes() -> Vec<String> {
    ["profile", "email"].map(str::to_owned).to_vec()
}

fn default_username_claim() -> String {
    "preferred_username".to_owned()
}

impl IdentityProviderWrite {
    /// Checks what can be checked without asking anybody.
    pub fn checked(mut self) -> Result<(Name, Self), Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(self.name.clone()));
        for (pointer, text) in [("/client_id", &self.client_id), ("/username_claim", &self.username_claim)] {
            if !is_plain(text, TEXT_MAX) || text.is_empty() {
                let text = format!("1 to {TEXT_MAX} characters, none of them a control character");
                faults.note(pointer, Invalid::new("text_form", text));
            }
        }
        let secret = self.client_secret.as_deref().unwrap_or_default();
        if !is_plain(&self.username_prefix, PREFIX_MAX) || !is_plain(secret, 4 * TEXT_MAX) {
            faults.note("/username_prefix", Invalid::new("text_form", "too long, or with control characters"));
        }
        let is_scope = |scope: &String| {
            !scope.is_empty() && scope.len() <= TEXT_MAX && scope.bytes().all(|b| b.is_ascii_graphic())
        };
        if self.scopes.len() > LIST_MAX || !self.scopes.iter().all(is_scope) {
            let text = format!("at most {LIST_MAX} scopes of plain characters without spaces");
            faults.note("/scopes", Invalid::new("scope_form", text));
        }
        if self.redirect_uris.len() > LIST_MAX || !self.redirect_uris.iter().all(|uri| is_redirect(uri)) {
            let text = format!("at most {LIST_MAX} addresses that begin with https://, or with http://localhost");
            faults.note("/redirect_uris", Invalid::new("redirect_form", text));
        }
        let fits = |rule: &Rule| is_plain(&rule.claim, TEXT_MAX) && is_plain(&rule.value, TEXT_MAX);
        if self.rules.len() > RULES_MAX || !self.rules.iter().all(fits) {
            faults.note("/rules", Invalid::new("rules_form", format!("at most {RULES_MAX} rules of short texts")));
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            self.scopes.insert(0, "openid".to_owned());
        }
        Ok((faults.finish_with(name)?, self))
    }
}

fn is_plain(text: &str, most: usize) -> bool {
    text.chars().count() <= most && iroko_model::text::readable(text).is_ok()
}

fn is_redirect(uri: &str) -> bool {
    let Ok(url) = uri.parse::<url::Url>() else { return false };
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let scheme = url.scheme() == "https" || url.scheme() == "http" && is_here;
    scheme && url.fragment().is_none() && url.username().is_empty() && uri.len() <= TEXT_MAX
}

/// An identity provider, without its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000c", "name": "keycloak", "issuer": "https://id.example/realms/ministry",
    "client_id": "iroko", "has_client_secret": true, "scopes": ["openid", "profile", "email"], "redirect_uris": ["https://portal.example/login"],
    "username_claim": "preferred_username", "username_prefix": "ministry/", "rule_required": false, "is_disabled": false,
    "rules": [{"claim": "groups", "value": "cloud-admins", "group_id": "0198c0de-0000-7000-8000-00000000000b"}],
    "created_at": "2026-11-23T08:00:00Z"}))]
pub struct IdentityProvider {
    /// Its id: people log in at `/v1/auth/oidc/{id}/...`.
    pub id: Uuid,
    /// Its name, unique in the organization.
    pub name: String,
    /// Its address, as in its tokens.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// There is a secret; it is never shown.
    pub has_client_secret: bool,
    /// What it is asked for.
    pub scopes: Vec<String>,
    /// Where it may send people back to.
    pub redirect_uris: Vec<String>,
    /// The claim that user names come from.
    pub username_claim: String,
    /// Goes before it.
    pub username_prefix: String,
    /// Who is in which group.
    pub rules: Vec<Rule>,
    /// Only people whom a rule puts into a group may log in.
    pub rule_required: bool,
    /// Nobody may log in by it.
    pub is_disabled: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
