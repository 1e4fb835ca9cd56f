//! QoS policies: how much a project lets its own ports carry.
//!
//! What holds for a port is, value by value, the smaller of its policy's and its instance's limit.

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::flavor::limit_columns;
use crate::noun::{self, Columns, Common, Noun};
use iroko_model::port::PortLimits;
use iroko_model::{Naming, ProjectId, QosPolicyId};
use sqlx::FromRow;
use uuid::Uuid;

/// A policy.
#[derive(Debug, Clone, FromRow)]
pub struct QosPolicy {
    /// What every noun has; the name is unique in the project.
    #[sqlx(flatten)]
    pub common: Common<QosPolicyId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub project_id: ProjectId,
    /// How much each port with it may carry.
    #[sqlx(json)]
    pub limits: PortLimits,
}

impl Noun for QosPolicy {
    type Id = QosPolicyId;
    const TABLE: &'static str = "qos_policy";
    const COLUMNS: &'static str = "n.project_id, port_limits(n.ingress_kbit_s, n.egress_kbit_s, n.ingress_packets_s, n.egress_packets_s) AS limits";

    fn common(&self) -> &Common<QosPolicyId> {
        &self.common
    }
}

fn columns(naming: &Naming, limits: PortLimits) -> Result<Columns> {
    limit_columns(Columns::default().naming(naming)?, limits)
}

/// Makes a policy.
pub async fn qos_policy_insert(
    conn: &mut Conn,
    project: ProjectId,
    naming: &Naming,
    limits: PortLimits,
) -> Result<QosPolicy> {
    let row = columns(naming, limits)?.set("project_id", project.as_uuid())?;
    noun::insert(conn, QosPolicyId::new(), row).await
}

/// Changes a policy that the caller has locked and, where its limits change, tells the hosts of its ports.
/// [`Error::Changed`] where one of them is just being plugged in.
pub async fn qos_policy_update(
    conn: &mut Conn,
    was: &QosPolicy,
    naming: &Naming,
    limits: PortLimits,
) -> Result<QosPolicy> {
    if limits != was.limits {
        let instances = lock_instances(&mut *conn, was).await?;
        tell_ports(&mut *conn, was, &instances).await?;
    }
    noun::update(conn, was.common.id, columns(naming, limits)?).await
}

/// Lets no port take the policy or leave it, and keeps its instances where they are, until the transaction ends: instances go
/// before ports, as in every other statement. Returns the instances.
async fn lock_instances(conn: &mut Conn, policy: &QosPolicy) -> Result<Vec<Uuid>> {
    let (project, id) = (policy.project_id.as_uuid(), policy.common.id.as_uuid());
    sqlx::query!("SELECT id FROM qos_policy WHERE id = $1 FOR UPDATE", id).fetch_optional(&mut *conn).await?;
    Ok(sqlx::query_scalar!(
        "SELECT i.id FROM instance i WHERE i.id IN (SELECT instance_id FROM port WHERE project_id = $1 AND qos_policy_id = $2)
         ORDER BY i.id FOR SHARE",
        project,
        id
    )
    .fetch_all(conn)
    .await?)
}

async fn tell_ports(conn: &mut Conn, policy: &QosPolicy, instances: &[Uuid]) -> Result<()> {
    let strangers = sqlx::query_scalar!(
        r#"WITH p AS (
               UPDATE port SET generation = generation + 1 WHERE project_id = $1 AND qos_policy_id = $2
               RETURNING id, instance_id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id, network_id, refs)
               SELECT 'port_limits', b.port_id, b.host_id, b.network_id, '{}' FROM p JOIN port_host b ON b.port_id = p.id
           )
           SELECT count(*) AS "strangers!" FROM p WHERE instance_id IS NOT NULL AND instance_id <> ALL ($3)"#,
        policy.project_id.as_uuid(),
        policy.common.id.as_uuid(),
        instances
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
