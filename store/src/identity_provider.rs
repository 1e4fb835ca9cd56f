//! Identity providers of organizations, and the accounts they vouch for.

use crate::authority::{HeldRole, permissions_of, scope_of};
use crate::conn::Conn;
use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use iroko_model::{IdentityProviderId, Name, OrganizationId, UserId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A provider.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// The provider.
    pub id: IdentityProviderId,
    /// Owner.
    pub organization_id: OrganizationId,
    /// Name, unique in the organization.
    pub name: String,
    /// Its address, as in its tokens.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What we prove that with, sealed.
    pub sealed_secret: Option<Vec<u8>>,
    /// What we ask it for.
    pub scopes: Vec<String>,
    /// Where it may send people back to.
    pub redirect_uris: Vec<String>,
    /// The claim that user names come from.
    pub username_claim: String,
    /// Goes before it.
    pub username_prefix: String,
    /// Claim, value and group.
    pub rules: Value,
    /// Only people whom a rule puts into a group may log in.
    pub rule_required: bool,
    /// When it was disabled.
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// What a provider is made of, or becomes.
#[derive(Debug)]
pub struct IdentityProviderFields<'a> {
    /// Name, unique in the organization.
    pub name: &'a Name,
    /// Its address, as in its tokens.
    pub issuer: &'a str,
    /// What it calls us.
    pub client_id: &'a str,
    /// What we ask it for.
    pub scopes: &'a [String],
    /// Where it may send people back to.
    pub redirect_uris: &'a [String],
    /// The claim that user names come from.
    pub username_claim: &'a str,
    /// Goes before it.
    pub username_prefix: &'a str,
    /// Claim, value and group.
    pub rules: &'a Value,
    /// Only people whom a rule puts into a group may log in.
    pub rule_required: bool,
    /// It may not be used.
    pub is_disabled: bool,
}

/// Puts a provider where there was none, or other fields in the place of those there were. `secret`:
/// `None` leaves it, `Some(None)` removes it. `None` where the id is another organization's.
pub async fn identity_provider_put(
    conn: &mut Conn,
    id: IdentityProviderId,
    organization: OrganizationId,
    fields: &IdentityProviderFields<'_>,
    secret: Option<Option<&[u8]>>,
) -> Result<Option<IdentityProvider>> {
    Ok(sqlx::query_as!(
        IdentityProvider,
        "INSERT INTO identity_provider AS p (id, organization_id, name, issuer, client_id, sealed_secret, scopes,
            redirect_uris, username_claim, username_prefix, rules, rule_required, disabled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, CASE WHEN $13 THEN now() END)
         ON CONFLICT (id) DO UPDATE SET name = $3, issuer = $4, client_id = $5,
            sealed_secret = CASE WHEN $14 THEN $6 ELSE p.sealed_secret END, scopes = $7, redirect_uris = $8,
            username_claim = $9, username_prefix = $10, rules = $11, rule_required = $12,
            disabled_at = CASE WHEN $13 THEN coalesce(p.disabled_at, now()) END
         WHERE p.organization_id = $2
         RETURNING id, organization_id, name, issuer, client_id, sealed_secret, scopes, redirect_uris, username_claim,
            username_prefix, rules, rule_required, disabled_at, created_at",
        id.as_uuid(),
        organization.as_uuid(),
        fields.name.as_str(),
        fields.issuer,
        fields.client_id,
        secret.flatten(),
        fields.scopes,
        fields.redirect_uris,
        fields.username_claim,
        fields.username_prefix,
        fields.rules,
        fields.rule_required,
        fields.is_disabled,
        secret.is_some()
    )
    .fetch_optional(conn)
    .await?)
}

/// A provider of any organization: whoever logs in by it has no organization yet.
pub async fn identity_provider_find(conn: &mut Conn, id: IdentityProviderId) -> Result<Option<IdentityProvider>> {
    Ok(sqlx::query_as!(
        IdentityProvider,
        "SELECT id, organization_id, name, issuer, client_id, sealed_secret, scopes, redirect_uris, username_claim,
            username_prefix, rules, rule_required, disabled_at, created_at FROM identity_provider WHERE id = $1",
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of an organization's providers.
pub async fn identity_provider_list(
    conn: &mut Conn,
    organization: OrganizationId,
    query: PageQuery,
    filter: &Filter,
) -> Result<Page<IdentityProvider>> {
    let rows = sqlx::query_as!(
        IdentityProvider,
        "SELECT id, organization_id, name, issuer, client_id, sealed_secret, scopes, redirect_uris, username_claim,
            username_prefix, rules, rule_required, disabled_at, created_at FROM identity_provider
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR id > $2) AND ($3::text IS NULL OR name = $3)
         ORDER BY id LIMIT $4",
        organization.as_uuid(),
        query.after,
        filter.name,
        i64::from(query.limit) + 1
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, query, |row| row.id.as_uuid()))
}

/// Providers of an organization that are not disabled, by name.
pub async fn identity_provider_offered(conn: &mut Conn, organization: OrganizationId) -> Result<Vec<(Uuid, String)>> {
    let rows = sqlx::query!(
        "SELECT id, name FROM identity_provider WHERE organization_id = $1 AND disabled_at IS NULL ORDER BY name",
        organization.as_uuid()
    );
    Ok(rows.fetch_all(conn).await?.into_iter().map(|row| (row.id, row.name)).collect())
}

/// All roles that a provider gives to whoever runs it: those of the accounts that it vouches for, and
/// those of these groups.
pub async fn identity_provider_gives(
    conn: &mut Conn,
    id: IdentityProviderId,
    groups: &[Uuid],
) -> Result<Vec<HeldRole>> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (b.id) b.id, b.role, b.custom_role_id, c.permissions AS "permissions?",
                  b.organization_id, b.project_id
           FROM role_binding b LEFT JOIN custom_role c ON c.id = b.custom_role_id
           WHERE b.group_id = ANY ($2)
              OR b.account_id IN (SELECT a.id FROM account a WHERE a.identity_provider_id = $1)
              OR b.group_id IN (SELECT m.group_id FROM account a JOIN account_group_member m ON m.account_id = a.id
                                WHERE a.identity_provider_id = $1)
           ORDER BY b.id"#,
        id.as_uuid(),
        groups
    );
    let held = rows.fetch_all(conn).await?.into_iter().map(|row| HeldRole {
        role_binding_id: row.id,
        permissions: permissions_of(row.role.as_deref(), row.permissions.as_deref()),
        role: row.role,
        custom_role_id: row.custom_role_id,
        scope: scope_of(row.organization_id, row.project_id),
        is_void: false,
    });
    Ok(held.collect())
}

/// Deletes a provider that vouches for nobody. False where there is none such.
pub async fn identity_provider_delete(
    conn: &mut Conn,
    organization: OrganizationId,
    id: IdentityProviderId,
) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM identity_provider WHERE organization_id = $1 AND id = $2",
        organization.as_uuid(),
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Those of `groups` that are the organization's.
pub async fn groups_of(conn: &mut Conn, organization: OrganizationId, groups: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM account_group WHERE organization_id = $1 AND id = ANY($2)",
        organization.as_uuid(),
        groups
    )
    .fetch_all(conn)
    .await?)
}

/// The account that a provider vouches for, made at its first log-in.
pub async fn account_of_provider(
    conn: &mut Conn,
    provider: &IdentityProvider,
    subject: &str,
    username: &str,
) -> Result<UserId> {
    sqlx::query!(
        "INSERT INTO account (id, organization_id, username, identity_provider_id, external_subject)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT ON CONSTRAINT account_external_subject DO NOTHING",
        UserId::new().as_uuid(),
        provider.organization_id.as_uuid(),
        username,
        provider.id.as_uuid(),
        subject
    )
    .execute(&mut *conn)
    .await?;
    let id = sqlx::query_scalar!(
        "SELECT id FROM account WHERE identity_provider_id = $1 AND external_subject = $2",
        provider.id.as_uuid(),
        subject
    )
    .fetch_one(conn)
    .await?;
    Ok(id.into())
}

/// Puts an account into the groups `wanted` and out of all others of `mapped`. Groups that no rule
/// names are somebody else's affair.
pub async fn account_groups_map(conn: &mut Conn, account: UserId, mapped: &[Uuid], wanted: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "DELETE FROM account_group_member WHERE account_id = $1 AND group_id = ANY($2) AND group_id <> ALL($3)",
        account.as_uuid(),
        mapped,
        wanted
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO account_group_member (group_id, account_id)
         SELECT g.id, a.id FROM account a JOIN account_group g ON g.organization_id = a.organization_id
         WHERE a.id = $1 AND g.id = ANY($2) ON CONFLICT DO NOTHING",
        account.as_uuid(),
        wanted
    )
    .execute(conn)
    .await?;
    Ok(())
}
