//! What a port may send and get: changes of its groups, its allowed addresses, whether it is secured, and how much
//! it may carry.

use crate::conn::Conn;
use crate::error::{Error, Result};
use iroko_model::port::AddressPair;
use iroko_model::{Labels, PortId, ProjectId, QosPolicyId};
use uuid::Uuid;

/// What changes of a port; what is `None` stays.
#[derive(Debug, Default)]
pub struct PortChange<'a> {
    /// The groups it is in, all of them.
    pub security_group_ids: Option<&'a [Uuid]>,
    /// Further addresses it may use, all of them.
    pub allowed_address_pairs: Option<&'a [AddressPair]>,
    /// Its addresses and its groups are enforced.
    pub port_security_enabled: Option<bool>,
    /// Its policy; `Some(None)`: none any more.
    pub qos_policy_id: Option<Option<QosPolicyId>>,
    /// Its name, which may be empty, what it is for, and its labels.
    pub written: Option<(&'a str, &'a str, &'a Labels)>,
}

/// Keeps a port as it is, and its instance where it is, until the transaction ends. False where the project
/// has no such port; [`Error::Changed`] where it is just being plugged in or out. The instance goes first, as
/// in every other statement.
pub async fn port_lock(conn: &mut Conn, project_id: ProjectId, id: PortId) -> Result<bool> {
    let machine = sqlx::query_scalar!(
        "SELECT i.id FROM port p JOIN instance i ON i.id = p.instance_id WHERE p.project_id = $1 AND p.id = $2 FOR SHARE OF i",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(&mut *conn)
    .await?;
    let plugged = sqlx::query_scalar!(
        "SELECT instance_id FROM port WHERE project_id = $1 AND id = $2 FOR NO KEY UPDATE",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?;
    match plugged {
        None => Ok(false),
        Some(plugged) if plugged == machine => Ok(true),
        Some(_) => Err(Error::Changed),
    }
}

/// Changes a port, after [`port_lock`], and tells the hosts: its own, the others of its network and those that refer
/// to a group it enters or leaves; where it is the policy alone that changes, its own only.
pub async fn port_update(conn: &mut Conn, project_id: ProjectId, id: PortId, change: &PortChange<'_>) -> Result<()> {
    sqlx::query!(
        r#"WITH p AS (
               UPDATE port SET generation = generation + 1, port_security_enabled = coalesce($3, port_security_enabled),
                      allowed_address_pairs = coalesce($4, allowed_address_pairs),
                      qos_policy_id = CASE WHEN $6 THEN $7 ELSE qos_policy_id END,
                      name = coalesce($8, name), description = coalesce($9, description), labels = coalesce($10, labels)
               WHERE project_id = $1 AND id = $2 RETURNING id, project_id
           ), old AS (
               SELECT m.security_group_id AS id FROM port_security_group m JOIN p ON m.port_id = p.id
           ), new AS (
               SELECT id FROM old WHERE $5::uuid[] IS NULL UNION SELECT * FROM unnest($5)
           ), left_groups AS (
               DELETE FROM port_security_group m USING p WHERE m.port_id = p.id AND m.security_group_id NOT IN (SELECT id FROM new)
           ), entered AS (
               INSERT INTO port_security_group (project_id, port_id, security_group_id)
               SELECT p.project_id, p.id, new.id FROM p, new WHERE new.id NOT IN (SELECT id FROM old)
           )
           INSERT INTO change (kind, object_id, host_id, network_id, refs)
           SELECT CASE WHEN $3::boolean IS NULL AND $4::jsonb IS NULL AND $5::uuid[] IS NULL THEN 'port_limits' ELSE 'port' END,
                  b.port_id, b.host_id, b.network_id,
                  CASE WHEN $5::uuid[] IS NULL THEN '{}' ELSE ARRAY(SELECT id FROM old UNION SELECT id FROM new) END
           FROM p JOIN port_host b ON b.port_id = p.id"#,
        project_id.as_uuid(),
        id.as_uuid(),
        change.port_security_enabled,
        change.allowed_address_pairs.map(|pairs| serde_json::json!(pairs)),
        change.security_group_ids,
        change.qos_policy_id.is_some(),
        change.qos_policy_id.flatten().map(|id| id.as_uuid()),
        change.written.map(|(name, ..)| name),
        change.written.map(|(_, description, _)| description),
        change.written.map(|(.., labels)| serde_json::json!(labels))
    )
    .execute(conn)
    .await?;
    Ok(())
}
