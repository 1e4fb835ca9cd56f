//! QoS policies: how much a project lets its own ports carry.
//!
//! What holds for a port is, value by value, the smaller of its policy's and its machine's limit.

use crate::error::{Error, Result};
use crate::flavor::limit_column;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use iroko_model::port::PortLimits;
use iroko_model::{Labels, Name, ProjectId, QosPolicyId};
use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// A policy.
#[derive(Debug, Clone)]
pub struct QosPolicy {
    /// The policy.
    pub id: Uuid,
    /// Name, unique in the project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How much each port with it may carry.
    pub limits: Json<PortLimits>,
    /// Labels.
    pub labels: Value,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A policy as its maker wants it.
#[derive(Debug)]
pub struct NewQosPolicy<'a> {
    /// Owner.
    pub project_id: ProjectId,
    /// Name.
    pub name: &'a Name,
    /// What it is for.
    pub description: &'a str,
    /// How much each port with it may carry.
    pub limits: PortLimits,
    /// Labels.
    pub labels: &'a Labels,
}

/// What changes of a policy; what is `None` stays.
#[derive(Debug, Default)]
pub struct QosPolicyChange<'a> {
    /// Name.
    pub name: Option<&'a Name>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// How much each port with it may carry, all four.
    pub limits: Option<PortLimits>,
    /// Labels.
    pub labels: Option<&'a Labels>,
}

/// Makes a policy.
pub async fn qos_policy_insert(conn: &mut Conn, new: &NewQosPolicy<'_>) -> Result<QosPolicy> {
    Ok(sqlx::query_as!(
        QosPolicy,
        r#"INSERT INTO qos_policy (id, project_id, name, description, labels,
                                  ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           RETURNING id, name, description, labels, generation, created_at,
                     port_limits(ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s) AS "limits!: Json<PortLimits>""#,
        QosPolicyId::new().as_uuid(),
        new.project_id.as_uuid(),
        new.name.as_str(),
        new.description,
        serde_json::json!(new.labels),
        limit_column(new.limits.ingress_kbit_s),
        limit_column(new.limits.egress_kbit_s),
        limit_column(new.limits.ingress_packets_s),
        limit_column(new.limits.egress_packets_s)
    )
    .fetch_one(conn)
    .await?)
}

/// One policy of the project.
pub async fn qos_policy_get(conn: &mut Conn, project_id: ProjectId, id: QosPolicyId) -> Result<Option<QosPolicy>> {
    Ok(sqlx::query_as!(
        QosPolicy,
        r#"SELECT id, name, description, labels, generation, created_at,
                  port_limits(ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s) AS "limits!: Json<PortLimits>"
           FROM qos_policy WHERE project_id = $1 AND id = $2"#,
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the project's policies.
pub async fn qos_policy_list(
    conn: &mut Conn,
    project_id: ProjectId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<QosPolicy>> {
    let rows = sqlx::query_as!(
        QosPolicy,
        r#"SELECT id, name, description, labels, generation, created_at,
                  port_limits(ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s) AS "limits!: Json<PortLimits>"
           FROM qos_policy WHERE project_id = $1 AND ($2::uuid IS NULL OR id > $2)
             AND ($4::text IS NULL OR name = $4) AND ($5::jsonb IS NULL OR labels @> $5)
           ORDER BY id LIMIT $3 + 1"#,
        project_id.as_uuid(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Keeps a policy as it is, lets no port take it or leave it, and keeps its machines where they are, until
/// the transaction ends. Machines go before ports, as in every other statement. Returns the machines.
async fn lock(conn: &mut Conn, project_id: ProjectId, id: QosPolicyId) -> Result<Vec<Uuid>> {
    sqlx::query!(
        "SELECT id FROM qos_policy WHERE project_id = $1 AND id = $2 FOR UPDATE",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(&mut *conn)
    .await?;
    Ok(sqlx::query_scalar!(
        "SELECT i.id FROM instance i WHERE i.id IN (SELECT instance_id FROM port WHERE project_id = $1 AND qos_policy_id = $2)
         ORDER BY i.id FOR SHARE",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_all(conn)
    .await?)
}

/// Changes a policy and, where its limits change, tells the hosts of its ports. [`Error::Changed`] where one
/// of them is just being plugged in.
pub async fn qos_policy_update(
    conn: &mut Conn,
    project_id: ProjectId,
    id: QosPolicyId,
    change: &QosPolicyChange<'_>,
) -> Result<Option<QosPolicy>> {
    if change.limits.is_some() {
        let machines = lock(&mut *conn, project_id, id).await?;
        tell_ports(&mut *conn, project_id, id, &machines).await?;
    }
    let limits = change.limits.unwrap_or_default();
    Ok(sqlx::query_as!(
        QosPolicy,
        r#"UPDATE qos_policy SET name = coalesce($3, name), description = coalesce($4, description), labels = coalesce($5, labels),
                  generation = generation + 1,
                  ingress_kbit_s = CASE WHEN $6 THEN $7 ELSE ingress_kbit_s END,
                  egress_kbit_s = CASE WHEN $6 THEN $8 ELSE egress_kbit_s END,
                  ingress_packets_s = CASE WHEN $6 THEN $9 ELSE ingress_packets_s END,
                  egress_packets_s = CASE WHEN $6 THEN $10 ELSE egress_packets_s END
           WHERE project_id = $1 AND id = $2
           RETURNING id, name, description, labels, generation, created_at,
                     port_limits(ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s) AS "limits!: Json<PortLimits>""#,
        project_id.as_uuid(),
        id.as_uuid(),
        change.name.map(Name::as_str),
        change.description,
        change.labels.map(|labels| serde_json::json!(labels)),
        change.limits.is_some(),
        limit_column(limits.ingress_kbit_s),
        limit_column(limits.egress_kbit_s),
        limit_column(limits.ingress_packets_s),
        limit_column(limits.egress_packets_s)
    )
    .fetch_optional(conn)
    .await?)
}

async fn tell_ports(conn: &mut Conn, project_id: ProjectId, id: QosPolicyId, machines: &[Uuid]) -> Result<()> {
    let strangers = sqlx::query_scalar!(
        r#"WITH p AS (
               UPDATE port SET generation = generation + 1 WHERE project_id = $1 AND qos_policy_id = $2
               RETURNING id, instance_id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id, network_id, refs)
               SELECT 'port_limits', b.port_id, b.host_id, b.network_id, '{}' FROM p JOIN port_host b ON b.port_id = p.id
           )
           SELECT count(*) AS "strangers!" FROM p WHERE instance_id IS NOT NULL AND instance_id <> ALL ($3)"#,
        project_id.as_uuid(),
        id.as_uuid(),
        machines
    )
    .fetch_one(conn)
    .await?;
    if strangers == 0 { Ok(()) } else { Err(Error::Changed) }
}

/// How many ports have a policy.
pub async fn qos_policy_use(conn: &mut Conn, id: QosPolicyId) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "ports!" FROM port WHERE qos_policy_id = $1"#, id.as_uuid())
        .fetch_one(conn)
        .await?)
}

/// Deletes a policy that no port has, else [`Error::InUse`]; false where there was none.
pub async fn qos_policy_delete(conn: &mut Conn, project_id: ProjectId, id: QosPolicyId) -> Result<bool> {
    let done =
        sqlx::query!("DELETE FROM qos_policy WHERE project_id = $1 AND id = $2", project_id.as_uuid(), id.as_uuid())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}
