//! Observations: only of the current session, only of what is on the host, only newer ones.

use crate::world::{World, room, session, size};
use iroko_agent_wire::{AgentKind, ConsoleLog, InstanceObservation, PortObservation, Report};
use iroko_model::instance::{ObservedState, Status};
use iroko_model::port::PortState;
use iroko_model::reason::{Code, Reason};
use iroko_model::{HostId, InstanceId, PortId};
use iroko_store::{console, host, port, report};
use iroko_test_database::database;

fn empty(agent: AgentKind, incarnation: i64, sequence: i64) -> Report {
    Report {
        agent,
        incarnation,
        sequence,
        instances: vec![],
        ports: vec![],
        consoles: vec![],
        orphans: vec![],
        disk: None,
    }
}

fn seen(id: InstanceId, state: ObservedState, incarnation: i64, sequence: i64) -> Report {
    let observation = InstanceObservation::new(id, 1, state);
    Report { instances: vec![observation], ..empty(AgentKind::Compute, incarnation, sequence) }
}

/// Hands reports in together; says of each whether it was taken.
async fn accept(world: &World, sent: &[(HostId, &Report)]) -> Vec<bool> {
    let mut tx = world.begin().await;
    let (taken, _) = report::reports_accept(&mut tx, sent).await.unwrap();
    world.commit(tx).await;
    taken
}

async fn observed(world: &World, id: InstanceId) -> Option<String> {
    world.get(id).await.observed_state
}

#[tokio::test]
async fn only_newer_reports_of_the_current_session_count() {
    let (_database, connect) = database().await;
    use ObservedState::{Failed, Preparing, Running, Stopped};
    let world = World::new(&connect, 4).await;
    let (here, there) = (world.host("here", room(8)).await, world.host("there", room(8)).await);
    let id = world.instance(size(1), &[]).await;
    assert_eq!(accept(&world, &[(here, &seen(id, Failed, 1, 1))]).await, [true], "of the session, but not its machine");
    assert_eq!(observed(&world, id).await, None);
    world.place(id, here).await;
    let table = [
        (here, seen(id, Preparing, 1, 5), true, "preparing"),
        (here, seen(id, Failed, 1, 5), false, "preparing"),
        (here, seen(id, Failed, 1, 4), false, "preparing"),
        (there, seen(id, Failed, 1, 9), true, "preparing"),
        (here, seen(id, Failed, 0, 99), false, "preparing"),
        (here, seen(id, Failed, 2, 1), false, "preparing"),
        (here, seen(id, Running, 1, 6), true, "running"),
    ];
    for (number, (host, report, taken, state)) in table.iter().enumerate() {
        assert_eq!(accept(&world, &[(*host, report)]).await, [*taken], "row {number}");
        assert_eq!(observed(&world, id).await.as_deref(), Some(*state), "row {number}");
    }
    let mut tx = world.begin().await;
    let begun = host::session_begin(&mut tx, here, &session(AgentKind::Compute, room(8))).await.unwrap();
    world.commit(tx).await;
    assert_eq!(begun, Some(2));
    let stale = accept(&world, &[(here, &seen(id, Stopped, 1, 100))]).await;
    assert_eq!((stale, observed(&world, id).await.as_deref()), (vec![false], Some("running")), "the session has ended");
    let fresh = accept(&world, &[(here, &seen(id, Stopped, 2, 1))]).await;
    assert_eq!((fresh, observed(&world, id).await.as_deref()), (vec![true], Some("stopped")), "sequences begin anew");
}

#[tokio::test]
async fn many_agents_are_taken_in_one_transaction() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let network = world.network(&["10.0.0.0/24"]).await;
    let (a, b) = (world.host("a", room(8)).await, world.host("b", room(8)).await);
    let (on_a, on_b) = (world.instance(size(1), &[network]).await, world.instance(size(1), &[network]).await);
    world.place(on_a, a).await;
    world.place(on_b, b).await;
    let port_on_a: PortId = world.get(on_a).await.interfaces.0[0].port_id.into();
    let plugged = PortObservation {
        id: port_on_a,
        generation: 1,
        state: PortState::Failed,
        reason: Some(Reason::new(Code::NetworkFailed, "tap\0 busy")),
    };
    let nets = Report { ports: vec![plugged.clone()], ..empty(AgentKind::Net, 1, 1) };
    let foreign = Report { ports: vec![plugged], ..empty(AgentKind::Net, 1, 1) };
    let (first, second) = (seen(on_a, ObservedState::Running, 1, 1), seen(on_b, ObservedState::Running, 9, 1));
    let taken = accept(&world, &[(a, &first), (b, &second), (a, &nets), (b, &foreign)]).await;
    assert_eq!(taken, [true, false, true, true]);
    assert_eq!(observed(&world, on_a).await.as_deref(), Some("running"));
    assert_eq!(observed(&world, on_b).await, None);
    let mut conn = world.store.connection().await.unwrap();
    let row = port::port_get(&mut conn, world.project, port_on_a).await.unwrap().unwrap();
    assert_eq!(
        (row.observed_state.as_deref(), row.observed_reason.unwrap().text.as_str()),
        (Some("failed"), "tap busy")
    );
}

#[tokio::test]
async fn absence_finishes_a_deletion_and_nothing_else() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("host", room(8)).await;
    let id = world.instance(size(1), &[]).await;
    world.place(id, host).await;
    assert_eq!(accept(&world, &[(host, &seen(id, ObservedState::Absent, 1, 1))]).await, [true]);
    assert_eq!(world.get(id).await.status(), Status::Building, "it is wanted running: absence is not its end");
    let mut tx = world.begin().await;
    assert!(iroko_store::instance::instance_delete(&mut tx, world.project, id).await.unwrap());
    world.commit(tx).await;
    assert_eq!(world.get(id).await.status(), Status::Deleting);
    assert_eq!(accept(&world, &[(host, &seen(id, ObservedState::Absent, 1, 1))]).await, [false], "an old absence");
    assert_eq!(world.get(id).await.status(), Status::Deleting);
    assert_eq!(accept(&world, &[(host, &seen(id, ObservedState::Absent, 1, 2))]).await, [true]);
    let gone = world.get(id).await;
    assert_eq!((gone.status(), gone.host_id), (Status::Deleted, None));
}

#[tokio::test]
async fn consoles_come_from_the_machines_own_host() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let (here, there) = (world.host("here", room(8)).await, world.host("there", room(8)).await);
    let id = world.instance(size(1), &[]).await;
    let mut tx = world.begin().await;
    assert!(!console::console_want(&mut tx, id).await.unwrap(), "nobody to ask yet");
    world.commit(tx).await;
    world.place(id, here).await;
    let log = |tail: &str, sequence| {
        let tail = tail.to_owned();
        Report { consoles: vec![ConsoleLog { id, tail }], ..empty(AgentKind::Compute, 1, sequence) }
    };
    assert_eq!(accept(&world, &[(there, &log("forged", 1)), (here, &log("log\0in:", 1))]).await, [true, true]);
    let mut conn = world.store.connection().await.unwrap();
    let kept = console::console_get(&mut conn, id).await.unwrap().unwrap();
    assert_eq!((kept.tail.as_str(), kept.updated_at.is_some()), ("login:", true));
}
