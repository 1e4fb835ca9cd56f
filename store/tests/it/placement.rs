//! Placement: capacity that cannot be given away twice, claims, and what a host could not build.

use crate::world::{LEASE_S, World, room, size};
use iroko_agent_wire::{AgentKind, InstanceObservation, Report};
use iroko_model::instance::{ObservedState, Power, Status};
use iroko_model::reason::{Code, Reason};
use iroko_model::{HostId, InstanceId};
use iroko_store::placement::{
    placement_claim, placement_commit, placement_postpone, placement_take_back, placement_view,
};
use iroko_store::{instance, report};
use iroko_test_database::database;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::task::JoinSet;

#[tokio::test]
async fn racing_schedulers_never_give_more_than_there_is() {
    let (_database, connect) = database().await;
    const SCHEDULERS: usize = 8;
    let world = Arc::new(World::new(&connect, u32::try_from(SCHEDULERS).unwrap() + 2).await);
    let mut runner = TestRunner::deterministic();
    for case in 0..6 {
        let capacities = prop::collection::vec(3u64..=12, 2..=4).new_tree(&mut runner).unwrap().current();
        let sizes = prop::collection::vec(1i32..=4, 30).new_tree(&mut runner).unwrap().current();
        let mut hosts = Vec::new();
        for (number, vcpus) in capacities.iter().enumerate() {
            hosts.push(world.host(&format!("host-{case}-{number}"), room(*vcpus)).await);
        }
        let mut instances = Vec::new();
        for vcpus in &sizes {
            instances.push(world.instance(size(*vcpus), &[]).await);
        }
        let mut schedulers = JoinSet::new();
        for number in 0..SCHEDULERS {
            // Each goes through all machines in its own order, on no view at all.
            let turn = |at: usize| (at * (2 * number + 7) + number) % instances.len();
            let pairs: Vec<_> =
                (0..instances.len()).map(|at| (instances[turn(at)], hosts[(at + number) % hosts.len()])).collect();
            schedulers.spawn(commit_in_chunks(world.clone(), pairs));
        }
        let placed: Vec<InstanceId> = schedulers.join_all().await.into_iter().flatten().collect();
        let distinct: HashSet<_> = placed.iter().collect();
        assert_eq!(distinct.len(), placed.len(), "case {case}: a machine was placed twice");
        within_capacity(&world, &hosts, &capacities).await;
        // What is left fits nowhere.
        for (id, vcpus) in instances.iter().zip(&sizes).filter(|(id, _)| !distinct.contains(id)) {
            for host in &hosts {
                let mut tx = world.begin().await;
                let fits = placement_commit(&mut tx, &[(*id, *host)]).await.unwrap();
                world.commit(tx).await;
                assert!(fits.is_empty() || *vcpus <= 2, "case {case}: room was left for {vcpus} processors");
            }
        }
        within_capacity(&world, &hosts, &capacities).await;
    }
}

/// Commits what a scheduler decided, a few pairs at a time.
async fn commit_in_chunks(world: Arc<World>, pairs: Vec<(InstanceId, HostId)>) -> Vec<InstanceId> {
    let mut placed = Vec::new();
    for chunk in pairs.chunks(4) {
        let mut tx = world.begin().await;
        match placement_commit(&mut tx, chunk).await {
            Ok(mut more) => {
                world.commit(tx).await;
                placed.append(&mut more);
            }
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    placed
}

async fn within_capacity(world: &World, hosts: &[HostId], capacities: &[u64]) {
    let mut conn = world.store.connection().await.unwrap();
    let view: HashMap<_, _> =
        placement_view(&mut conn, LEASE_S).await.unwrap().into_iter().map(|h| (h.id, h)).collect();
    for (id, vcpus) in hosts.iter().zip(capacities) {
        let host = &view[id];
        assert_eq!(host.capacity, room(*vcpus));
        assert!(host.used.fits_in(&host.capacity), "more given away than there is: {host:?}");
        assert!(host.instances > 0, "nothing was placed at all: {host:?}");
    }
}

#[tokio::test]
async fn within_a_call_earlier_pairs_win() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let (small, off) = (world.host("small", room(4)).await, world.host("off", room(64)).await);
    world.disable(off).await;
    let mut ids = Vec::new();
    for vcpus in [2, 2, 2, 1] {
        ids.push(world.instance(size(vcpus), &[]).await);
    }
    let order = [ids[2], ids[0], ids[1], ids[3]];
    let mut tx = world.begin().await;
    let pairs = order.map(|id| (id, small));
    let placed: HashSet<_> = placement_commit(&mut tx, &pairs).await.unwrap().into_iter().collect();
    assert_eq!(placed, HashSet::from([ids[2], ids[0]]));
    let again = placement_commit(&mut tx, &[(ids[2], small), (ids[1], off)]).await.unwrap();
    assert!(again.is_empty(), "placed already, and a host that takes nothing: {again:?}");
}

#[tokio::test]
async fn claims_never_give_a_machine_twice() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 8).await;
    let mut all = HashSet::new();
    for _ in 0..20 {
        all.insert(world.instance(size(1), &[]).await);
    }
    let stopped = world.instance(size(1), &[]).await;
    let mut tx = world.begin().await;
    assert!(instance::instance_set_power(&mut tx, world.project, stopped, Power::Stopped).await.unwrap());
    world.commit(tx).await;
    for _ in 0..2 {
        let (mut open, mut claimed) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let mut tx = world.begin().await;
            claimed.extend(placement_claim(&mut tx, 4).await.unwrap().into_iter().map(|pending| pending.id));
            open.push(tx);
        }
        assert_eq!(claimed.len(), 20, "with all claimed, the sixth gets nothing");
        assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), all);
        // Schedulers that die give their claims back: the second round sees all of them again.
        drop(open);
    }
}

#[tokio::test]
async fn freed_room_makes_waiting_machines_due() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("host", room(2)).await;
    let (first, second) = (world.instance(size(2), &[]).await, world.instance(size(2), &[]).await);
    world.place(first, host).await;
    let mut tx = world.begin().await;
    let due = placement_claim(&mut tx, 9).await.unwrap();
    assert_eq!(due.iter().map(|p| p.id).collect::<Vec<_>>(), [second]);
    placement_postpone(&mut tx, &[(second, Reason::new(Code::NoHostFits, "no room"))], 3600.0).await.unwrap();
    world.commit(tx).await;
    let waiting = world.get(second).await;
    assert_eq!(
        (waiting.status(), waiting.status_reason()),
        (Status::Pending, Some(Reason::new(Code::NoHostFits, "no room")))
    );
    let mut tx = world.begin().await;
    assert!(placement_claim(&mut tx, 9).await.unwrap().is_empty(), "not due for an hour");
    assert!(instance::instance_delete(&mut tx, world.project, first).await.unwrap());
    instance::instance_finish_delete(&mut tx, &[first.as_uuid()]).await.unwrap();
    world.commit(tx).await;
    let mut tx = world.begin().await;
    assert_eq!(placement_claim(&mut tx, 9).await.unwrap().len(), 1, "due at once when room is freed");
    drop(tx);
    world.place(second, host).await;
    assert_eq!(world.get(second).await.status_reason(), None);
}

/// A report that the host failed to build the machine.
async fn fail_build(world: &World, id: InstanceId, host: HostId, sequence: i64) {
    let generation = world.get(id).await.common.generation.unsigned_abs();
    let reason = Some(Reason::new(Code::ImageFailed, "no such image"));
    let seen = InstanceObservation { reason, ..InstanceObservation::new(id, generation, ObservedState::Failed) };
    let report = Report {
        agent: AgentKind::Compute,
        incarnation: 1,
        sequence,
        instances: vec![seen],
        ports: vec![],
        consoles: vec![],
        orphans: vec![],
        disk: None,
    };
    let mut tx = world.begin().await;
    assert_eq!(report::reports_accept(&mut tx, &[(host, &report)]).await.unwrap().0, [true]);
    world.commit(tx).await;
}

#[tokio::test]
async fn a_failed_build_moves_on_and_is_given_up_after_the_bound() {
    let (_database, connect) = database().await;
    const MOST_HOSTS: i32 = 3;
    let world = World::new(&connect, 4).await;
    let network = world.network(&["10.0.0.0/24"]).await;
    let id = world.instance(size(1), &[network]).await;
    let port = world.get(id).await.interfaces.0[0].port_id;
    let mut hosts = Vec::new();
    for number in 0..=MOST_HOSTS {
        hosts.push(world.host(&format!("host-{number}"), room(8)).await);
    }
    for (number, host) in (1..=MOST_HOSTS).zip(hosts) {
        world.place(id, host).await;
        fail_build(&world, id, host, 1).await;
        let (_, before) = world.changes(0).await;
        let generation = world.get(id).await.common.generation;
        let mut tx = world.begin().await;
        placement_take_back(&mut tx, MOST_HOSTS, 100).await.unwrap();
        world.commit(tx).await;
        let row = world.get(id).await;
        let (told, _) = world.changes(before).await;
        if number < MOST_HOSTS {
            assert_eq!((row.host_id, row.status()), (None, Status::Pending));
            assert_eq!(
                row.common.generation,
                generation + 1,
                "late reports of the old host are of an older generation"
            );
            let here = Some(host.as_uuid());
            assert_eq!(told, [("port".into(), port, here), ("instance".into(), id.as_uuid(), here)]);
            let mut tx = world.begin().await;
            let claimed = placement_claim(&mut tx, 9).await.unwrap();
            assert_eq!(claimed[0].excluded_hosts.len(), usize::try_from(number).unwrap());
            assert_eq!(claimed[0].excluded_hosts.last(), Some(&host));
        } else {
            assert_eq!((row.status(), row.status_reason().unwrap().text.as_str()), (Status::Error, "no such image"));
            assert_eq!(row.host_id, Some(host.as_uuid()), "it stays with its last host");
            assert!(told.is_empty(), "{told:?}");
        }
    }
    let mut tx = world.begin().await;
    assert_eq!(placement_take_back(&mut tx, MOST_HOSTS, 100).await.unwrap(), 0, "given up is given up");
}

#[tokio::test]
async fn one_that_is_stopped_before_it_could_be_built_leaves_its_host() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("only", room(8)).await;
    let id = world.instance(size(1), &[]).await;
    world.place(id, host).await;
    let mut tx = world.begin().await;
    assert!(instance::instance_set_power(&mut tx, world.project, id, Power::Stopped).await.unwrap());
    world.commit(tx).await;
    fail_build(&world, id, host, 1).await;
    let mut tx = world.begin().await;
    assert_eq!(placement_take_back(&mut tx, 3, 100).await.unwrap(), 1);
    assert_eq!(placement_take_back(&mut tx, 3, 100).await.unwrap(), 0);
    world.commit(tx).await;
    let row = world.get(id).await;
    assert_eq!((row.status(), row.status_reason(), row.host_id), (Status::Stopped, None, None));
    let mut tx = world.begin().await;
    assert!(placement_claim(&mut tx, 9).await.unwrap().is_empty(), "nobody wants it to run");
    assert!(instance::instance_set_power(&mut tx, world.project, id, Power::Running).await.unwrap());
    let claimed = placement_claim(&mut tx, 9).await.unwrap();
    assert_eq!(
        (claimed[0].id, claimed[0].excluded_hosts.as_slice()),
        (id, [].as_slice()),
        "the only host is tried again"
    );
}

#[tokio::test]
async fn a_start_tries_a_given_up_machine_anew() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("host", room(8)).await;
    world.host("another", room(8)).await;
    let id = world.instance(size(1), &[]).await;
    world.place(id, host).await;
    fail_build(&world, id, host, 1).await;
    assert_eq!(world.get(id).await.status(), Status::Building, "not the last word yet");
    let mut tx = world.begin().await;
    placement_take_back(&mut tx, 1, 100).await.unwrap();
    world.commit(tx).await;
    assert_eq!(world.get(id).await.status(), Status::Error);
    let mut tx = world.begin().await;
    assert!(instance::instance_set_power(&mut tx, world.project, id, Power::Running).await.unwrap());
    world.commit(tx).await;
    let row = world.get(id).await;
    assert_eq!((row.common.generation, row.fault.as_deref()), (2, None), "its host tries again");
    // Failing again counts anew.
    fail_build(&world, id, host, 2).await;
    let mut tx = world.begin().await;
    placement_take_back(&mut tx, 2, 100).await.unwrap();
    world.commit(tx).await;
    assert_eq!((world.get(id).await.host_id, world.get(id).await.status()), (None, Status::Pending));
}

/// Whatever the bound, there is an end once no other host could take it: also in a cloud of one or two.
#[tokio::test]
async fn a_failed_build_is_given_up_where_no_other_host_could_take_it() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let hosts = [world.host("host-1", room(8)).await, world.host("host-2", room(8)).await];
    world.host("small", room(1)).await;
    let off = world.host("off", room(8)).await;
    world.disable(off).await;
    let id = world.instance(size(2), &[]).await;
    for (host, status) in hosts.into_iter().zip([Status::Pending, Status::Error]) {
        world.place(id, host).await;
        fail_build(&world, id, host, 1).await;
        let mut tx = world.begin().await;
        placement_take_back(&mut tx, 10, 100).await.unwrap();
        world.commit(tx).await;
        assert_eq!(world.get(id).await.status(), status);
        let reason = world.get(id).await.status_reason().unwrap();
        assert!(reason.text.contains("no such image"), "{reason:?}");
    }
}

/// A host that fails everybody's builds draws no more of them for a while; one project alone makes none rest.
#[tokio::test]
async fn a_host_that_fails_several_projects_rests() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("host", room(64)).await;
    world.host("another", room(64)).await;
    let resting = async || {
        let mut conn = world.store.connection().await.unwrap();
        let view = placement_view(&mut conn, LEASE_S).await.unwrap();
        view.iter().find(|seen| seen.id == host).unwrap().resting
    };
    let fail = async |sequence| {
        let id = world.instance(size(1), &[]).await;
        world.place(id, host).await;
        fail_build(&world, id, host, sequence).await;
        let mut tx = world.begin().await;
        placement_take_back(&mut tx, 3, 100).await.unwrap();
        world.commit(tx).await;
    };
    for sequence in 1..=5 {
        fail(sequence).await;
    }
    assert!(!resting().await, "one project, with a damaged image maybe");
    let others = "INSERT INTO host_build_failure (host_id, wanted_by, failed_at) SELECT $1, gen_random_uuid(), now() FROM generate_series(1, 2)";
    sqlx::query(others).bind(host.as_uuid()).execute(world.store.pool()).await.unwrap();
    assert!(resting().await);
    // It builds something again.
    let id = world.instance(size(1), &[]).await;
    world.place(id, host).await;
    let ran = "UPDATE instance_host SET ran_at = clock_timestamp() WHERE instance_id = $1";
    sqlx::query(ran).bind(id.as_uuid()).execute(world.store.pool()).await.unwrap();
    assert!(!resting().await);
}
