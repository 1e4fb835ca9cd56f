//! Which host needs which network: those that its ports are on.

use super::HostNeed;
use crate::conn::Conn;
use crate::error::Result;
use iroko_agent_wire::Need;
use iroko_model::HostId;
use uuid::Uuid;

/// The networks that these hosts need. Steady: a port is on it of which the outbox holds no change from revision
/// `from` on.
pub async fn network_needs(conn: &mut Conn, hosts: &[Uuid], from: i64) -> Result<Vec<HostNeed>> {
    let rows = sqlx::query!(
        r#"SELECT host_id AS host, network_id AS network, bool_or(port_id NOT IN (
                      SELECT c.object_id FROM change c WHERE c.kind = 'port' AND c.revision >= $2)) AS "steady!"
           FROM port_host WHERE host_id = ANY ($1) GROUP BY host_id, network_id"#,
        hosts,
        from
    )
    .fetch_all(conn)
    .await?;
    let need = |host: Uuid, network: Uuid, steady| HostNeed {
        host_id: host.into(),
        need: Need::Network(network.into()),
        steady,
    };
    Ok(rows.into_iter().map(|row| need(row.host, row.network, row.steady)).collect())
}

/// Hosts that have a port.
pub async fn hosts_with_ports(conn: &mut Conn) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT DISTINCT host_id FROM port_host").fetch_all(conn).await?)
}

/// Ports that are on a host.
pub async fn ports_of_host(conn: &mut Conn, host_id: HostId) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT port_id FROM port_host WHERE host_id = $1", host_id.as_uuid())
        .fetch_all(conn)
        .await?)
}
