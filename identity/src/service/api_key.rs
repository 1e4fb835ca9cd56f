//! API keys of service accounts.

use crate::Identity;
use crate::auth::api_key as text;
use crate::extract::{InOrganization, ListQuery, Source};
use crate::service::authority::outranks_subject;
use crate::show::Show;
use iroko_model::{ApiKeyId, Invalid, OrganizationId, ServiceAccountId};
use iroko_store::api_key::{self, KeyHolder, NewApiKey};
use iroko_store::authority::Subject;
use iroko_store::{Error, Wake};
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::api_key::{ApiKey, ApiKeyCreate, ApiKeyMade, CheckedApiKey};
use time::format_description::well_known::Rfc3339;

/// Makes a key and shows it, this once.
pub async fn create(
    app: &Identity,
    within: &InOrganization,
    service_account: ServiceAccountId,
    request: ApiKeyCreate,
) -> Result<ApiKeyMade> {
    let now = app.credentials.clock.now();
    let checked = CheckedApiKey::try_from(request)?;
    if checked.expires_at.is_some_and(|end| end <= now) {
        let invalid = Invalid::new("expires_past", "expires_at has passed already; give a later moment, or none");
        return Err(Problem::field("/expires_at", invalid));
    }
    let expires_at = match (within.actor.expires_at, checked.expires_at) {
        (Some(own), Some(asked)) if asked > own => {
            let own = own.format(&Rfc3339).unwrap_or_default();
            let text = format!(
                "a key makes none that outlives it, and this one ends at {own}; give that or an earlier moment"
            );
            return Err(Problem::field("/expires_at", Invalid::new("expires_after_maker", text)));
        }
        (own, asked) => asked.or(own),
    };
    let key = text::make();
    let new = NewApiKey {
        name: &checked.name,
        prefix: text::shown(&key),
        secret_hash: &text::hash(&key),
        permissions: checked.permissions.as_deref(),
        source_networks: &checked.source_networks,
        now,
        expires_at,
    };
    let mut tx = app.store.begin().await?;
    let made = api_key::api_key_insert(&mut tx, within.organization, service_account, &new).await;
    let made = made.map_err(|error| match error {
        Error::Taken(_) => {
            Problem::refuse(Rule::NameTaken, "the service account has a key of this name; choose another")
        }
        error => error.into(),
    })?;
    let made = made.ok_or(Problem::new(Plain::NotFound))?;
    // Who has a key has all that its service account has.
    outranks_subject(&mut tx, &within.actor, Subject::ServiceAccount(service_account)).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(ApiKeyMade { key, api_key: made.show() })
}

/// A page of a service account's keys.
pub async fn list(
    app: &Identity,
    organization: OrganizationId,
    service_account: ServiceAccountId,
    query: ListQuery,
) -> Result<List<ApiKey>> {
    let mut conn = app.store.connection().await?;
    let page = api_key::api_key_list(&mut conn, organization, service_account, query.page, &query.filter).await?;
    Ok(iroko_web::list(page.ok_or(Problem::new(Plain::NotFound))?, Show::show))
}

/// One key, without its secret.
pub async fn get(
    app: &Identity,
    organization: OrganizationId,
    service_account: ServiceAccountId,
    id: ApiKeyId,
) -> Result<ApiKey> {
    let mut conn = app.store.connection().await?;
    let row = api_key::api_key_get(&mut conn, organization, service_account, id).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Deletes a key. It stops at once.
pub async fn delete(
    app: &Identity,
    organization: OrganizationId,
    service_account: ServiceAccountId,
    id: ApiKeyId,
) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if !api_key::api_key_delete(&mut tx, organization, service_account, id).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}

/// Whom a key is of, if it counts here and now.
pub async fn check(app: &Identity, source: &Source, key: &str) -> Result<Option<KeyHolder>> {
    // A wrong checksum is a typing error: the database is not asked.
    if !text::is_well_formed(key) {
        return Ok(None);
    }
    let now = app.credentials.clock.now();
    let mut conn = app.store.connection().await?;
    let Some(holder) = api_key::api_key_holder(&mut conn, &text::hash(key), now).await? else { return Ok(None) };
    let networks = &holder.source_networks;
    if !networks.is_empty() && !networks.iter().any(|network| network.contains(source.address)) {
        tracing::warn!(api_key = %holder.id, source = %source.address, "an API key was used from a network it is not for");
        return Ok(None);
    }
    if holder.is_touch_due {
        api_key::api_key_touch(&mut conn, holder.id, now).await?;
    }
    Ok(Some(holder))
}
