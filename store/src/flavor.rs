//! Flavors: the sizes an instance can have. An instance copies the size, so that deleting a flavor
//! changes no machine.

use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use iroko_model::port::PortLimits;
use iroko_model::{FlavorId, Labels, Name};
use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// A flavor.
#[derive(Debug, Clone)]
pub struct Flavor {
    /// The flavor.
    pub id: Uuid,
    /// Unique name.
    pub name: String,
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// How much each port of a machine may carry.
    pub limits: Json<PortLimits>,
    /// Labels.
    pub labels: Value,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// What a flavor gives.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// How much each port of a machine may carry.
    pub limits: PortLimits,
}

/// A limit as its column holds it; [`iroko_model::port::limit`] lets none through that does not fit.
pub(crate) fn limit_column(limit: Option<u32>) -> Option<i32> {
    limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX))
}

/// Makes a flavor.
pub async fn flavor_insert(conn: &mut Conn, id: FlavorId, name: &Name, size: Size, labels: &Labels) -> Result<Flavor> {
    Ok(sqlx::query_as!(
        Flavor,
        r#"INSERT INTO flavor (id, name, vcpus, memory_mib, disk_gib, labels,
                               ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           RETURNING id, name, vcpus, memory_mib, disk_gib, labels, created_at,
                     port_limits(ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s) AS "limits!: Json<PortLimits>""#,
        id.as_uuid(),
        name.as_str(),
        size.vcpus,
        size.memory_mib,
        size.disk_gib,
        serde_json::json!(labels),
        limit_column(size.limits.ingress_kbit_s),
        limit_column(size.limits.egress_kbit_s),
        limit_column(size.limits.ingress_packets_s),
        limit_column(size.limits.egress_packets_s)
    )
    .fetch_one(conn)
    .await?)
}

/// One flavor.
pub async fn flavor_get(conn: &mut Conn, id: FlavorId) -> Result<Option<Flavor>> {
    Ok(sqlx::query_as!(
        Flavor,
        r#"SELECT id, name, vcpus, memory_mib, disk_gib, labels, created_at,
                  port_limits(ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s) AS "limits!: Json<PortLimits>"
           FROM flavor WHERE id = $1"#,
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of all flavors.
pub async fn flavor_list(conn: &mut Conn, page: PageQuery, filter: &Filter) -> Result<Page<Flavor>> {
    let rows = sqlx::query_as!(
        Flavor,
        r#"SELECT id, name, vcpus, memory_mib, disk_gib, labels, created_at,
                  port_limits(ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s) AS "limits!: Json<PortLimits>"
           FROM flavor
           WHERE ($1::uuid IS NULL OR id > $1) AND ($3::text IS NULL OR name = $3) AND ($4::jsonb IS NULL OR labels @> $4)
           ORDER BY id LIMIT $2 + 1"#,
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Deletes a flavor; false where there was none.
pub async fn flavor_delete(conn: &mut Conn, id: FlavorId) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM flavor WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
