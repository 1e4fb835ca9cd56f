//! What guests do by themselves, as their hosts tell it.

use crate::conn::Conn;
use crate::error::Result;
use crate::report::sent::Sent;
use iroko_agent_wire::{Condition, InstanceObservation};
use iroko_model::instance::ObservedState;
use uuid::Uuid;

/// The state an observation stands for, with what is particular about it.
pub(crate) fn state_of(seen: &InstanceObservation) -> ObservedState {
    match (seen.state, seen.condition) {
        (ObservedState::Running, Some(Condition::HostDiskFull)) => ObservedState::Paused,
        (state, _) => state,
    }
}

/// Instances whose guests shut themselves down are wanted stopped from now on, as if their owner had said so;
/// the row keeps that it was the guest. Only of the generation the host acted on: who has asked for something
/// meanwhile is heard. One that shall start again is not stopped, whatever its host says. True where any was.
pub(crate) async fn shutdowns_accept(conn: &mut Conn, sent: &[Sent<'_>]) -> Result<bool> {
    let is_down =
        |o: &&InstanceObservation| (o.state, o.condition) == (ObservedState::Stopped, Some(Condition::GuestShutdown));
    let seen: Vec<_> = sent
        .iter()
        .flat_map(|(host, report)| report.instances.iter().filter(is_down).map(move |o| (host.as_uuid(), o)))
        .collect();
    if seen.is_empty() {
        return Ok(false);
    }
    let ids: Vec<Uuid> = seen.iter().map(|(_, o)| o.id.as_uuid()).collect();
    let hosts: Vec<Uuid> = seen.iter().map(|(host, _)| *host).collect();
    let generations: Vec<i64> = seen.iter().map(|(_, o)| i64::try_from(o.generation).unwrap_or(-1)).collect();
    let done = sqlx::query!(
        "WITH seen AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS s (id, host_id, generation)
         ), locked AS (
             SELECT i.id FROM instance i JOIN seen s ON s.id = i.id AND s.generation = i.generation
             JOIN instance_host w ON w.instance_id = i.id AND w.host_id = s.host_id AND w.role = 'home'
             WHERE i.power = 'running' AND w.state = 'stopped' AND i.on_guest_shutdown = 'stay_off'
               AND NOT project_is_suspended(i.project_id) ORDER BY i.id FOR NO KEY UPDATE OF i
         ), stopped AS (
             UPDATE instance i SET power = 'stopped', generation = i.generation + 1, guest_shutdown_at = now()
             FROM locked WHERE i.id = locked.id RETURNING i.id
         )
         INSERT INTO change (kind, object_id, host_id) SELECT 'instance', id, h FROM stopped, instance_hosts(id) AS h",
        &ids,
        &hosts,
        &generations
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Parts of the definition that are in force from the next start on, separated by commas.
pub(crate) fn at_next_start(seen: &InstanceObservation) -> String {
    let parts: Vec<&str> = seen.at_next_start.iter().map(|part| part.as_str()).collect();
    parts.join(",")
}
