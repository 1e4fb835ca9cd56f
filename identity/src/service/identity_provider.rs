//! Identity providers of organizations.

use crate::Identity;
use crate::extract::{InOrganization, ListQuery};
use crate::service::authority::outranks;
use crate::show::Show;
use iroko_model::{IdentityProviderId, Invalid, OrganizationId};
use iroko_store::identity_provider::{self as store, IdentityProviderFields};
use iroko_store::{Error, Wake};
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::identity_provider::{IdentityProvider, IdentityProviderWrite};
use iroko_wire::oidc::OidcProvider;
use uuid::Uuid;

/// Purpose of the sealed secrets.
pub const PURPOSE: &str = "identity-provider";

/// Makes a provider.
pub async fn create(
    app: &Identity,
    within: &InOrganization,
    request: IdentityProviderWrite,
) -> Result<IdentityProvider> {
    put(app, within, IdentityProviderId::new(), request).await
}

/// Puts other fields in the place of those there are.
pub async fn update(
    app: &Identity,
    within: &InOrganization,
    id: IdentityProviderId,
    request: IdentityProviderWrite,
) -> Result<IdentityProvider> {
    get(app, within.organization, id).await?;
    put(app, within, id, request).await
}

async fn put(
    app: &Identity,
    within: &InOrganization,
    id: IdentityProviderId,
    request: IdentityProviderWrite,
) -> Result<IdentityProvider> {
    let (name, request) = request.checked()?;
    let reachable = app.credentials.oidc.check_issuer(&request.issuer);
    reachable.map_err(|error| Problem::field("/issuer", Invalid::new("issuer_form", error.to_string())))?;
    let sealed = match request.client_secret.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(secret) => {
            let sealed = app.credentials.secrets.seal(PURPOSE, &id.to_string(), secret.as_bytes());
            Some(Some(sealed.map_err(|e| Problem::internal(&e))?))
        }
    };
    let rules = serde_json::json!(request.rules);
    let fields = IdentityProviderFields {
        name: &name,
        issuer: &request.issuer,
        client_id: &request.client_id,
        scopes: &request.scopes,
        redirect_uris: &request.redirect_uris,
        username_claim: &request.username_claim,
        username_prefix: &request.username_prefix,
        rules: &rules,
        rule_required: request.rule_required,
        is_disabled: request.is_disabled,
    };
    let wanted: Vec<Uuid> = request.rules.iter().map(|rule| rule.group_id).collect();
    let organization = within.organization;
    let mut tx = app.store.begin().await?;
    let groups = store::groups_of(&mut tx, organization, &wanted).await?;
    if let Some(at) = wanted.iter().position(|group| !groups.contains(group)) {
        let invalid = Invalid::new("reference_not_found", "the organization has no group with this id");
        return Err(Problem::field(format!("/rules/{at}/group_id"), invalid));
    }
    // Who chooses the provider can be anybody it vouches for, and in any group it names.
    let given = store::identity_provider_gives(&mut tx, id, &groups).await?;
    outranks(&mut tx, &within.actor, &given).await?;
    let secret = sealed.as_ref().map(Option::as_deref);
    let row = store::identity_provider_put(&mut tx, id, organization, &fields, secret).await;
    let row = row.map_err(|error| match error {
        Error::Taken(_) => {
            Problem::refuse(Rule::NameTaken, "the organization has a provider of this name; choose another")
        }
        error => error.into(),
    })?;
    let row = row.ok_or(Problem::new(Plain::NotFound))?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(row.show())
}

/// A page of providers.
pub async fn list(app: &Identity, organization: OrganizationId, query: ListQuery) -> Result<List<IdentityProvider>> {
    let mut conn = app.store.connection().await?;
    let page = store::identity_provider_list(&mut conn, organization, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// Those of an organization that people may log in by; nothing of an organization that is not there.
pub async fn offered(app: &Identity, organization: OrganizationId) -> Result<List<OidcProvider>> {
    let mut conn = app.store.connection().await?;
    let rows = store::identity_provider_offered(&mut conn, organization).await?;
    let items = rows.into_iter().map(|(id, name)| OidcProvider { id, name }).collect();
    Ok(List::all(items))
}

/// One provider.
pub async fn get(app: &Identity, organization: OrganizationId, id: IdentityProviderId) -> Result<IdentityProvider> {
    let mut conn = app.store.connection().await?;
    let row = store::identity_provider_find(&mut conn, id).await?;
    let row = row.filter(|row| row.organization_id == organization);
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Deletes a provider that vouches for nobody any more.
pub async fn delete(app: &Identity, organization: OrganizationId, id: IdentityProviderId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    let done = store::identity_provider_delete(&mut tx, organization, id).await.map_err(|error| match error {
        Error::InUse(_) => {
            let text = "accounts were made by this provider; disable it, or delete those accounts first";
            Problem::refuse(Rule::InUse, text)
        }
        error => error.into(),
    })?;
    if !done {
        return Err(Problem::new(Plain::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}
