//! Quotas: the most of something that a project, or an organization with all below it, may have.
//!
//! Nothing is stored of usage. Whoever adds something asks [`quota_take`] first, in the same transaction:
//! it locks the limits on the way down, from the top, and counts the rows. Whoever asks at the same
//! moment waits for the lock and counts what the first one has added. Where no limit is set, no lock is
//! taken. What can be limited and how it is counted stands in the table `quota_kind` (migration 0030).
//! What something new is limited to is copied from `default_quota` when it is made (migration 0170).
//! All of it speaks of what the transaction is bound to.

use crate::authority::Scope;
use crate::conn::Conn;
use crate::error::Result;
use uuid::Uuid;

/// A limit that would be broken.
#[derive(Debug, Clone)]
pub struct Excess {
    /// Of what.
    pub name: String,
    /// On this organization,
    pub organization_id: Option<Uuid>,
    /// or on this project.
    pub project_id: Option<Uuid>,
    /// The limit.
    pub most: i64,
    /// What is there.
    pub used: i64,
    /// What was asked for.
    pub asked: i64,
}

/// Takes amounts of quotas until the transaction ends; what is added then counts by itself. Returns the
/// limits that would be broken, the topmost first.
pub async fn quota_take(conn: &mut Conn, amounts: &[(&str, i64)]) -> Result<Vec<Excess>> {
    let names: Vec<String> = amounts.iter().map(|(name, _)| (*name).to_owned()).collect();
    let asked: Vec<i64> = amounts.iter().map(|(_, amount)| *amount).collect();
    Ok(sqlx::query_as!(
        Excess,
        r#"SELECT name AS "name!", organization_id, project_id, most AS "most!", used AS "used!", asked AS "asked!"
           FROM quota_take($1, $2)"#,
        &names,
        &asked
    )
    .fetch_all(conn)
    .await?)
}

/// True where any limit is set on the way down to what the transaction is bound to.
pub async fn quota_is_set(conn: &mut Conn) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT quota_is_set() AS "is_set!""#).fetch_one(conn).await?)
}

/// Every limit of this name, by project or organization.
pub async fn quota_of_all(conn: &mut Conn, name: &str) -> Result<Vec<(Uuid, i64)>> {
    let rows =
        sqlx::query!(r#"SELECT coalesce(project_id, organization_id) AS "id!", most FROM quota WHERE name = $1"#, name);
    Ok(rows.fetch_all(conn).await?.into_iter().map(|row| (row.id, row.most)).collect())
}

/// The organizations above a scope, from the top. They never change.
pub async fn scope_path(conn: &mut Conn, scope: Scope) -> Result<Vec<Uuid>> {
    let path = sqlx::query_scalar!(
        r#"SELECT array_remove(o.ancestors, $1) AS "path!" FROM organization o
           WHERE o.id = $1 OR o.id = (SELECT organization_id FROM project WHERE id = $2)"#,
        scope.organization(),
        scope.project()
    );
    Ok(path.fetch_optional(conn).await?.unwrap_or_default())
}

/// A quota.
#[derive(Debug, Clone)]
pub struct Quota {
    /// Of what.
    pub name: String,
    /// The limit.
    pub most: Option<i64>,
    /// What is there; none of a rate.
    pub used: Option<i64>,
    /// The least limit above it.
    pub most_above: Option<i64>,
}

/// Every quota of what the transaction is bound to, by name.
pub async fn quota_report(conn: &mut Conn) -> Result<Vec<Quota>> {
    Ok(sqlx::query_as!(Quota, r#"SELECT name AS "name!", most, used, most_above FROM quota_report()"#)
        .fetch_all(conn)
        .await?)
}

/// Sets all limits of a project or an organization; what is not among them is unlimited.
pub async fn quota_set(
    conn: &mut Conn,
    organization: Option<Uuid>,
    project: Option<Uuid>,
    limits: &[(String, i64)],
) -> Result<()> {
    let (names, most): (Vec<String>, Vec<i64>) = limits.iter().cloned().unzip();
    sqlx::query!(
        "DELETE FROM quota WHERE organization_id IS NOT DISTINCT FROM $1 AND project_id IS NOT DISTINCT FROM $2 AND name <> ALL ($3)",
        organization,
        project,
        &names
    )
    .execute(&mut *conn)
    .await?;
    // A row that stays is changed in place: whoever waits for its lock finds the new limit.
    sqlx::query!(
        "INSERT INTO quota (organization_id, project_id, name, most) SELECT $1, $2, n, m FROM unnest($3::text[], $4::bigint[]) AS l (n, m)
         ON CONFLICT ON CONSTRAINT quota_once DO UPDATE SET most = excluded.most",
        organization,
        project,
        &names,
        &most
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What something new is limited to.
#[derive(Debug, Clone)]
pub struct DefaultQuota {
    /// `organization` or `project`.
    pub owner: String,
    /// Of what.
    pub name: String,
    /// The limit.
    pub most: i64,
}

/// What new organizations and projects are limited to.
pub async fn default_quota_list(conn: &mut Conn) -> Result<Vec<DefaultQuota>> {
    Ok(sqlx::query_as!(DefaultQuota, "SELECT owner, name, most FROM default_quota ORDER BY owner, name")
        .fetch_all(conn)
        .await?)
}

/// Something that can be limited.
#[derive(Debug, Clone)]
pub struct QuotaKind {
    /// Its name.
    pub name: String,
    /// Of an organization only.
    pub of_people: bool,
}

/// What can be limited.
pub async fn quota_kind_list(conn: &mut Conn) -> Result<Vec<QuotaKind>> {
    Ok(sqlx::query_as!(QuotaKind, "SELECT name, of_people FROM quota_kind ORDER BY name").fetch_all(conn).await?)
}

/// Sets what all new organizations and projects are limited to; what is not among them is unlimited. Those that are there
/// keep what they have.
pub async fn default_quota_set(conn: &mut Conn, limits: &[DefaultQuota]) -> Result<()> {
    let owners: Vec<String> = limits.iter().map(|limit| limit.owner.clone()).collect();
    let names: Vec<String> = limits.iter().map(|limit| limit.name.clone()).collect();
    let most: Vec<i64> = limits.iter().map(|limit| limit.most).collect();
    // Two who set them at the same moment take turns: what is there at the end is what one of them has said.
    sqlx::query!("LOCK TABLE default_quota IN SHARE ROW EXCLUSIVE MODE").execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM default_quota").execute(&mut *conn).await?;
    sqlx::query!(
        "INSERT INTO default_quota (owner, name, most) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])",
        &owners,
        &names,
        &most
    )
    .execute(conn)
    .await?;
    Ok(())
}
