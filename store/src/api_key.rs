//! API keys of service accounts.

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::page::{Filter, Page, PageQuery};
use ipnetwork::IpNetwork;
use iroko_model::{ApiKeyId, Name, OrganizationId, ServiceAccountId};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// Most keys of a service account.
pub const PER_SERVICE_ACCOUNT: i64 = 100;
/// The last use is noted no more often than this, or every request would write.
const LAST_USED_GRAIN: Duration = Duration::minutes(5);

/// What a new key is made of.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    /// Name, unique in the service account.
    pub name: &'a Name,
    /// Its first characters.
    pub prefix: &'a str,
    /// SHA-256 of the whole key.
    pub secret_hash: &'a [u8],
    /// Names of the permissions it is restricted to.
    pub permissions: Option<&'a [String]>,
    /// From where it may be used; empty: from anywhere.
    pub source_networks: &'a [IpNetwork],
    /// Now.
    pub now: OffsetDateTime,
    /// Ends then.
    pub expires_at: Option<OffsetDateTime>,
}

/// A key, without its secret.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The key.
    pub id: Uuid,
    /// Name, unique in the service account.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// Names of the permissions it is restricted to.
    pub permissions: Option<Vec<String>>,
    /// From where it may be used; empty: from anywhere.
    pub source_networks: Vec<IpNetwork>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Ends then.
    pub expires_at: Option<OffsetDateTime>,
    /// Last use, within some minutes.
    pub last_used_at: Option<OffsetDateTime>,
}

/// Whom a presented key is of, and what it is restricted to.
#[derive(Debug, Clone)]
pub struct KeyHolder {
    /// The key.
    pub id: ApiKeyId,
    /// Its service account.
    pub service_account_id: ServiceAccountId,
    /// Its name.
    pub name: String,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Names of the permissions the key is restricted to.
    pub permissions: Option<Vec<String>>,
    /// From where it may be used; empty: from anywhere.
    pub source_networks: Vec<IpNetwork>,
    /// It ends then.
    pub expires_at: Option<OffsetDateTime>,
    /// The last use is noted long ago.
    pub is_touch_due: bool,
}

/// Makes a key. `None` where the organization has no such service account.
pub async fn api_key_insert(
    conn: &mut Conn,
    organization: OrganizationId,
    service_account: ServiceAccountId,
    new: &NewApiKey<'_>,
) -> Result<Option<ApiKey>> {
    let owner = sqlx::query_scalar!(
        r#"SELECT 1 AS "one!" FROM service_account WHERE id = $1 AND organization_id = $2 FOR UPDATE"#,
        service_account.as_uuid(),
        organization.as_uuid()
    );
    if owner.fetch_optional(&mut *conn).await?.is_none() {
        return Ok(None);
    }
    let made = sqlx::query_as!(
        ApiKey,
        "INSERT INTO api_key (id, service_account_id, name, prefix, secret_hash, permissions, source_networks, created_at, expires_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
         WHERE (SELECT count(*) FROM api_key WHERE service_account_id = $2) < $10
         RETURNING id, name, prefix, permissions, source_networks, created_at, expires_at, last_used_at",
        ApiKeyId::new().as_uuid(),
        service_account.as_uuid(),
        new.name.as_str(),
        new.prefix,
        new.secret_hash,
        new.permissions,
        new.source_networks,
        new.now,
        new.expires_at,
        PER_SERVICE_ACCOUNT
    );
    let made = made.fetch_optional(conn).await?.ok_or(Error::Exhausted("API keys of this service account"))?;
    Ok(Some(made))
}

/// A page of a service account's keys. `None` where the organization has no such service account.
pub async fn api_key_list(
    conn: &mut Conn,
    organization: OrganizationId,
    service_account: ServiceAccountId,
    query: PageQuery,
    filter: &Filter,
) -> Result<Option<Page<ApiKey>>> {
    let owner = sqlx::query_scalar!(
        r#"SELECT 1 AS "one!" FROM service_account WHERE id = $1 AND organization_id = $2"#,
        service_account.as_uuid(),
        organization.as_uuid()
    );
    if owner.fetch_optional(&mut *conn).await?.is_none() {
        return Ok(None);
    }
    let rows = sqlx::query_as!(
        ApiKey,
        "SELECT id, name, prefix, permissions, source_networks, created_at, expires_at, last_used_at FROM api_key
         WHERE service_account_id = $1 AND ($2::uuid IS NULL OR id > $2) AND ($3::text IS NULL OR name = $3)
         ORDER BY id LIMIT $4",
        service_account.as_uuid(),
        query.after,
        filter.name,
        i64::from(query.limit) + 1
    )
    .fetch_all(conn)
    .await?;
    Ok(Some(Page::cut(rows, query, |row| row.id)))
}

/// One key of a service account. `None` where the organization has no such service account, or that no such key.
pub async fn api_key_get(
    conn: &mut Conn,
    organization: OrganizationId,
    service_account: ServiceAccountId,
    id: ApiKeyId,
) -> Result<Option<ApiKey>> {
    Ok(sqlx::query_as!(
        ApiKey,
        "SELECT k.id, k.name, k.prefix, k.permissions, k.source_networks, k.created_at, k.expires_at, k.last_used_at
         FROM api_key k JOIN service_account s ON s.id = k.service_account_id
         WHERE k.id = $3 AND k.service_account_id = $2 AND s.organization_id = $1",
        organization.as_uuid(),
        service_account.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// Deletes a key: it no longer counts. False where there is none such.
pub async fn api_key_delete(
    conn: &mut Conn,
    organization: OrganizationId,
    service_account: ServiceAccountId,
    id: ApiKeyId,
) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM api_key k USING service_account s
         WHERE k.id = $3 AND k.service_account_id = $2 AND s.id = k.service_account_id AND s.organization_id = $1",
        organization.as_uuid(),
        service_account.as_uuid(),
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whom a presented key is of, if it counts at `now`: one look at a unique index.
pub async fn api_key_holder(conn: &mut Conn, secret_hash: &[u8], now: OffsetDateTime) -> Result<Option<KeyHolder>> {
    Ok(sqlx::query_as!(
        KeyHolder,
        r#"SELECT k.id, k.service_account_id, s.name, s.organization_id, k.permissions, k.source_networks, k.expires_at,
                  (k.last_used_at IS NULL OR k.last_used_at < $3) AS "is_touch_due!"
           FROM api_key k JOIN service_account s ON s.id = k.service_account_id
           WHERE k.secret_hash = $1 AND (k.expires_at IS NULL OR k.expires_at > $2) AND s.disabled_at IS NULL"#,
        secret_hash,
        now,
        now - LAST_USED_GRAIN
    )
    .fetch_optional(conn)
    .await?)
}

/// True where a key still counts at `now`.
pub async fn api_key_holds(conn: &mut Conn, id: ApiKeyId, now: OffsetDateTime) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM api_key k JOIN service_account s ON s.id = k.service_account_id
               WHERE k.id = $1 AND (k.expires_at IS NULL OR k.expires_at > $2) AND s.disabled_at IS NULL) AS "holds!""#,
        id.as_uuid(),
        now
    )
    .fetch_one(conn)
    .await?)
}

/// Notes that a key was used.
pub async fn api_key_touch(conn: &mut Conn, id: ApiKeyId, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE api_key SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)",
        id.as_uuid(),
        now,
        now - LAST_USED_GRAIN
    )
    .execute(conn)
    .await?;
    Ok(())
}
