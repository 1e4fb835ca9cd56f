//! Interfaces of an instance that is there: put in and taken out. The caller has locked the instance's row by a statement
//! before, so that these see where it is.

use crate::conn::Conn;
use crate::error::Result;
use iroko_model::{InstanceId, PortId};

/// Places of interfaces that an instance has now, from the first.
pub async fn interface_places(conn: &mut Conn, instance: InstanceId) -> Result<Vec<i32>> {
    let places =
        sqlx::query_scalar!("SELECT nic_index FROM port WHERE instance_id = $1 ORDER BY nic_index", instance.as_uuid());
    Ok(places.fetch_all(conn).await?)
}

/// Gives a port, which nobody has, to an instance, at this place, and tells the hosts where the instance is.
pub async fn interface_attach(conn: &mut Conn, instance: InstanceId, port: PortId, place: i32) -> Result<()> {
    sqlx::query!(
        "WITH given AS (
             UPDATE port SET instance_id = $1, nic_index = $3, generation = generation + 1 WHERE id = $2 AND instance_id IS NULL
             RETURNING id, project_id, network_id
         ), plugged AS (
             INSERT INTO port_host (port_id, project_id, network_id, host_id, role)
             SELECT p.id, p.project_id, p.network_id, w.host_id, w.role FROM given p, instance_host w WHERE w.instance_id = $1
             RETURNING port_id, network_id, host_id
         ), grown AS (
             UPDATE instance SET generation = generation + 1 WHERE id = $1
         )
         INSERT INTO change (kind, object_id, host_id, network_id, refs)
         SELECT 'port', port_id, host_id, network_id,
                ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = plugged.port_id) FROM plugged
         UNION ALL SELECT 'instance', $1, host_id, NULL, '{}' FROM plugged",
        instance.as_uuid(),
        port.as_uuid(),
        place
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes an interface from an instance and tells its hosts: a port that stands alone stays, another one goes with its
/// addresses. False where the instance has no such interface.
pub async fn interface_detach(conn: &mut Conn, instance: InstanceId, port: PortId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"WITH known AS (
             SELECT id, standalone FROM port WHERE id = $2 AND instance_id = $1
         ), pulled AS (
             DELETE FROM port_host b USING known WHERE b.port_id = known.id RETURNING b.port_id, b.network_id, b.host_id
         ), told AS (
             INSERT INTO change (kind, object_id, host_id, network_id, refs)
             SELECT 'port', port_id, host_id, network_id,
                    ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = pulled.port_id) FROM pulled
             UNION ALL SELECT 'instance', $1, host_id, NULL, '{}' FROM pulled
         ), grown AS (
             UPDATE instance SET generation = generation + 1 WHERE id = $1 AND EXISTS (SELECT FROM known)
         ), unplugged AS (
             UPDATE port p SET instance_id = NULL, nic_index = 0, generation = p.generation + 1
             FROM known WHERE p.id = known.id AND known.standalone
         ), removed AS (
             DELETE FROM port p USING known WHERE p.id = known.id AND NOT known.standalone
         )
         SELECT EXISTS (SELECT FROM known) AS "found!""#,
        instance.as_uuid(),
        port.as_uuid()
    );
    Ok(found.fetch_one(conn).await?)
}
