//! The life of instances on a simulated host: building, stopping, rebooting, deleting, adopting.

#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use iroko_agent_link::Reporter;
use iroko_agent_wire::{Condition, DefinitionPart, OperationFault, OperationKind, OperationSpec, Outcome};
use iroko_compute_agent::hypervisor::DomainState;
use iroko_compute_agent::hypervisor::fake::Guests;
use iroko_model::InstanceId;
use iroko_model::instance::{ObservedState, OnGuestShutdown, Power};
use std::collections::HashSet;
use world::{World, reboot, spec};

async fn running() -> (World, iroko_agent_wire::InstanceSpec) {
    let mut world = World::new();
    let spec = spec(InstanceId::new());
    world.plug(&spec);
    world.want(&spec);
    world.start();
    world.until_seen(&spec, ObservedState::Running).await;
    (world, spec)
}

#[tokio::test(start_paused = true)]
async fn an_instance_waits_for_its_ports_and_runs() {
    let mut world = World::new();
    let spec = spec(InstanceId::new());
    world.want(&spec);
    world.start();
    let waits =
        |world: &World| world.last(spec.id).is_some_and(|last| last.reason.is_some_and(|r| r.text.contains("network")));
    world.until("waiting for ports", spec.id, waits).await;
    assert_eq!(world.hypervisor.peek(spec.id), None, "nothing starts before its ports are ready");
    world.plug(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    assert_eq!(world.hypervisor.starts(spec.id), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_touched_before_anything_is_known() {
    let mut world = World::new();
    let id = InstanceId::new();
    world.hypervisor.happen(id, Some(DomainState::Running), true);
    world.start();
    tokio::time::sleep(world.config.poll_period() * 5).await;
    assert_eq!(world.hypervisor.changes(), 0);
    world.forget(InstanceId::new());
    world.until("the orphan", id, |world| world.orphan(id).is_some_and(|orphan| orphan.is_running)).await;
    tokio::time::sleep(world.config.poll_period() * 5).await;
    assert_eq!(world.hypervisor.changes(), 0, "that nobody named it is no order to remove it");
    world.forget(id);
    world.until("removal of what is told to be gone", id, |world| world.is_traceless(id)).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_full_answer_leaves_out_is_kept_as_it_is() {
    for is_on in [true, false] {
        let (mut world, mut spec) = running().await;
        if !is_on {
            (spec.generation, spec.power) = (2, Power::Stopped);
            world.want(&spec);
            world.until_seen(&spec, ObservedState::Stopped).await;
        }
        let changes = world.hypervisor.changes();
        world.want_nothing();
        let kept = |world: &World| {
            world.orphan(spec.id).is_some_and(|orphan| {
                orphan.is_there && orphan.is_running == is_on && orphan.spec.as_deref() == Some(&spec)
            })
        };
        world.until("the orphan", spec.id, kept).await;
        world.kill().await;
        world.start();
        tokio::time::sleep(world.config.poll_period() * 5).await;
        assert_eq!(world.hypervisor.changes(), changes, "kept as it is, also by the next agent");
        assert!(world.storage.held(spec.id).disk);
        world.reporter.sent(&world.reporter.batch(iroko_agent_wire::Report::MAX));
        // It is wanted again: nothing happened to it.
        world.want(&spec);
        world
            .until("its end as an orphan", spec.id, |world| {
                world.orphan(spec.id).is_some_and(|orphan| !orphan.is_there)
            })
            .await;
        assert_eq!(world.hypervisor.changes(), changes);
        world.want_nothing();
        world.until("the orphan", spec.id, kept).await;
        world.forget(spec.id);
        world.until("removal", spec.id, |world| world.is_traceless(spec.id)).await;
        world
            .until("its end as an orphan", spec.id, |world| {
                world.orphan(spec.id).is_some_and(|orphan| !orphan.is_there)
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_asked_for_and_then_forced() {
    let (world, mut spec) = running().await;
    (spec.generation, spec.power) = (2, Power::Stopped);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopped).await;
    assert_eq!(world.faults.count_of("destroy"), 0, "it obeyed");

    (spec.generation, spec.power) = (3, Power::Running);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    world.hypervisor.guests(Guests::Deaf);
    (spec.generation, spec.power) = (4, Power::Stopped);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopping).await;
    world.until_seen(&spec, ObservedState::Stopped).await;
    assert_eq!(world.faults.count_of("destroy"), 1);
    assert!(world.faults.count_of("shutdown") > 2, "a deaf guest is asked again");
    assert!(world.storage.held(spec.id).disk, "a stopped instance keeps its disk");
}

#[tokio::test(start_paused = true)]
async fn a_reboot_happens_once() {
    let (mut world, mut spec) = running().await;
    (spec.generation, spec.operation) = (2, reboot(1));
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    assert_eq!(world.hypervisor.starts(spec.id), 2);
    world.kill().await;
    world.start();
    tokio::time::sleep(world.config.poll_period() * 3).await;
    assert_eq!(world.hypervisor.starts(spec.id), 2);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_off_is_not_rebooted() {
    let (world, mut spec) = running().await;
    (spec.generation, spec.power) = (2, Power::Stopped);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopped).await;
    (spec.generation, spec.operation) = (3, reboot(1));
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopped).await;
    (spec.generation, spec.power) = (4, Power::Running);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    assert_eq!(world.hypervisor.starts(spec.id), 2, "on once, then on again");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_the_agent_does_not_know_fails_and_disturbs_nothing() {
    let (world, mut spec) = running().await;
    let changes = world.hypervisor.changes();
    (spec.generation, spec.operation) = (2, Some(OperationSpec { number: 1, kind: OperationKind::Unknown }));
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    let told = world.last(spec.id).unwrap().operation.unwrap();
    assert_eq!((told.number, told.outcome), (1, Some(Outcome::Failed(OperationFault::Unsupported))));
    assert_eq!(world.hypervisor.changes(), changes);
    // The next one is taken up.
    (spec.generation, spec.operation) = (3, reboot(2));
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    assert_eq!(world.hypervisor.starts(spec.id), 2);
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_differs_is_told_and_in_force_at_the_next_start() {
    let (world, mut spec) = running().await;
    let (changes, told) = (world.hypervisor.changes(), |world: &World| world.last(spec.id).unwrap().at_next_start);
    assert!(told(&world).is_empty());
    (spec.generation, spec.resources.vcpus, spec.resources.memory_mib) = (2, 2, 256);
    spec.nics.clear();
    world.want(&spec);
    let all = [DefinitionPart::Cpu, DefinitionPart::Memory, DefinitionPart::Interface];
    world.until("telling it", spec.id, |world| told(world) == all).await;
    assert_eq!(world.hypervisor.changes(), changes, "it runs on");
    (spec.generation, spec.operation) = (3, reboot(1));
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    world.until("the end of the difference", spec.id, |world| told(world).is_empty()).await;
    // One that is off is defined anew at once.
    (spec.generation, spec.power) = (4, Power::Stopped);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopped).await;
    let defined = world.faults.count_of("define");
    (spec.generation, spec.resources.vcpus) = (5, 1);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopped).await;
    assert_eq!(world.faults.count_of("define"), defined + 1);
}

#[tokio::test(start_paused = true)]
async fn deleted_and_forgotten_instances_leave_nothing() {
    let (world, mut spec) = running().await;
    (spec.generation, spec.power) = (2, Power::Deleted);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Absent).await;
    assert!(world.is_traceless(spec.id));

    let (world, spec) = running().await;
    world.forget(spec.id);
    world.until_seen(&spec, ObservedState::Absent).await;
    assert!(world.is_traceless(spec.id));
}

#[tokio::test(start_paused = true)]
async fn running_instances_are_adopted_without_a_change() {
    let (mut world, spec) = running().await;
    let changes = world.hypervisor.changes();
    world.kill().await;
    world.reporter = iroko_agent_link::Reporter::new();
    world.start();
    world.until_seen(&spec, ObservedState::Running).await;
    tokio::time::sleep(world.config.poll_period() * 3).await;
    assert_eq!(world.hypervisor.changes(), changes);
}

#[tokio::test(start_paused = true)]
async fn instances_come_back_after_the_host_restarts() {
    let (mut world, spec) = running().await;
    world.kill().await;
    world.hypervisor.reboot_host();
    spec.nics.iter().for_each(|nic| world.ready.clear(nic.port_id).unwrap());
    world.start();
    world.until_seen(&spec, ObservedState::Preparing).await;
    world.plug(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    assert_eq!(world.hypervisor.starts(spec.id), 2);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_shuts_itself_down_stays_off_until_it_is_started() {
    for hint in [true, false] {
        let (mut world, mut spec) = running().await;
        world.hypervisor.happen(spec.id, Some(DomainState::ShutDown), hint);
        world.until_seen(&spec, ObservedState::Stopped).await;
        let told = world.reporter.last_instance(spec.id).unwrap();
        assert_eq!(told.condition, Some(Condition::GuestShutdown));
        // Neither the agent's death nor that of the hypervisor, which then knows no reason any more, starts it.
        world.kill().await;
        world.hypervisor.reboot_host();
        world.reporter = Reporter::new();
        world.start();
        world.until_seen(&spec, ObservedState::Stopped).await;
        assert_eq!(world.reporter.last_instance(spec.id).unwrap().condition, Some(Condition::GuestShutdown));
        assert_eq!(world.hypervisor.starts(spec.id), 1);
        // As the control plane answers it, and then its owner.
        spec.generation += 1;
        spec.power = Power::Stopped;
        world.want(&spec);
        world.until_seen(&spec, ObservedState::Stopped).await;
        spec.generation += 1;
        spec.power = Power::Running;
        world.want(&spec);
        world.until_seen(&spec, ObservedState::Running).await;
        assert_eq!(world.hypervisor.starts(spec.id), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_shall_start_again_does() {
    let (world, mut spec) = running().await;
    spec.generation += 1;
    spec.on_guest_shutdown = OnGuestShutdown::StartAgain;
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    world.hypervisor.happen(spec.id, Some(DomainState::ShutDown), true);
    world.until_seen(&spec, ObservedState::Stopped).await;
    world.until_seen(&spec, ObservedState::Running).await;
    assert_eq!(world.hypervisor.starts(spec.id), 2);
}

/// Stop and start in a row: the guest, which was asked to go down, does so when it is wanted running again.
#[tokio::test(start_paused = true)]
async fn a_guest_that_obeys_late_has_no_will_of_its_own() {
    let (world, mut spec) = running().await;
    world.hypervisor.guests(Guests::Deaf);
    spec.generation += 1;
    spec.power = Power::Stopped;
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopping).await;
    spec.generation += 1;
    spec.power = Power::Running;
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    world.hypervisor.happen(spec.id, Some(DomainState::ShutDown), true);
    world.until("starting again", spec.id, |world| world.hypervisor.starts(spec.id) == 2).await;
    world.until_seen(&spec, ObservedState::Running).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_held_for_room_says_so_and_goes_on_by_itself() {
    let (world, mut spec) = running().await;
    world.storage.full(true);
    world.hypervisor.happen(spec.id, Some(DomainState::NoRoom), true);
    let told = |world: &World| world.reporter.last_instance(spec.id).unwrap();
    let is_held = |world: &World| told(world).condition == Some(Condition::HostDiskFull);
    world.until("telling it", spec.id, is_held).await;
    assert!(told(&world).reason.unwrap().text.contains("full"));
    assert_eq!(
        (told(&world).state, world.hypervisor.peek(spec.id)),
        (ObservedState::Running, Some(DomainState::NoRoom))
    );
    world.storage.full(false);
    world.until("going on", spec.id, |world| world.hypervisor.peek(spec.id) == Some(DomainState::Running)).await;
    world.until("telling that", spec.id, |world| told(world).condition.is_none()).await;
    // Held again, it can be ended.
    world.storage.full(true);
    world.hypervisor.happen(spec.id, Some(DomainState::NoRoom), true);
    world.until("telling it again", spec.id, is_held).await;
    // Also where the disk takes no record any more.
    world.faults.fail("save", u64::MAX);
    spec.generation += 1;
    spec.power = Power::Stopped;
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopped).await;
    assert_eq!(world.hypervisor.peek(spec.id), Some(DomainState::Off));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_and_not_built_on() {
    let mut world = World::new();
    let spec = spec(InstanceId::new());
    world.storage.full(true);
    world.want(&spec);
    world.plug(&spec);
    world.start();
    world.until_seen(&spec, ObservedState::Failed).await;
    let told = world.reporter.last_instance(spec.id).unwrap();
    assert!(told.reason.unwrap().text.contains("disk is full"));
    let room =
        |world: &World| world.reporter.batch(iroko_agent_wire::Report::MAX).disk.is_some_and(|disk| disk.is_full);
    world.until("telling of the host", spec.id, room).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_killed_is_started_again() {
    for hint in [true, false] {
        let (world, spec) = running().await;
        world.hypervisor.happen(spec.id, Some(DomainState::Off), hint);
        world.until_seen(&spec, ObservedState::Stopped).await;
        world.until_seen(&spec, ObservedState::Running).await;
        assert_eq!(world.hypervisor.starts(spec.id), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn restarts_of_a_guest_that_keeps_switching_off_are_bounded() {
    let (world, spec) = running().await;
    let start = tokio::time::Instant::now();
    for _ in 0..20 {
        world.hypervisor.happen(spec.id, Some(DomainState::Off), true);
        world.until_seen(&spec, ObservedState::Stopped).await;
        world.until_seen(&spec, ObservedState::Running).await;
    }
    assert!(start.elapsed().as_secs() > 60, "20 restarts in {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn building_that_fails_for_good_leaves_only_a_mark() {
    let mut world = World::new();
    let mut spec = spec(InstanceId::new());
    world.hypervisor.refuse_start(spec.id, true);
    world.plug(&spec);
    world.want(&spec);
    world.start();
    world.until_seen(&spec, ObservedState::Failed).await;
    let held = world.storage.held(spec.id);
    assert!(!held.disk && !held.seed && !held.litter && world.hypervisor.peek(spec.id).is_none());
    let mark = held.record.unwrap().failed.unwrap();
    assert_eq!(mark.generation, 1);
    assert_eq!(world.last(spec.id).unwrap().reason, Some(mark.reason));

    let operations = world.faults.count();
    world.kill().await;
    world.hypervisor.refuse_start(spec.id, false);
    world.start();
    tokio::time::sleep(world.config.poll_period() * 5).await;
    world.until_seen(&spec, ObservedState::Failed).await;
    assert_eq!(world.faults.count(), operations, "it stays away");

    spec.generation = 2;
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Running).await;
    world.forget(spec.id);
    world.until("removal", spec.id, |world| world.is_traceless(spec.id)).await;
}

#[tokio::test(start_paused = true)]
async fn reasons_tell_the_tenant_what_to_do() {
    let mut world = World::new();
    let (mut small, unplugged, foreign) = (spec(InstanceId::new()), spec(InstanceId::new()), spec(InstanceId::new()));
    small.image.virtual_size_bytes = 5 << 30;
    world.hypervisor.add_foreign(foreign.id);
    for (spec, plugged) in [(&small, true), (&unplugged, false), (&foreign, true)] {
        if plugged {
            world.plug(spec);
        }
        world.want(spec);
    }
    world.start();
    world.until_seen(&small, ObservedState::Failed).await;
    world.until_seen(&unplugged, ObservedState::Failed).await;
    let reason = |id| world.last(id).unwrap().reason.unwrap().text;
    assert!(reason(small.id).contains("choose a flavor with at least 5 GiB"), "{}", reason(small.id));
    assert!(reason(unplugged.id).contains("network"), "{}", reason(unplugged.id));
    world.until("a refusal", foreign.id, |world| world.last(foreign.id).is_some_and(|l| l.reason.is_some())).await;
    assert!(reason(foreign.id).contains("same identity"), "{}", reason(foreign.id));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ran_keeps_its_disk_when_it_does_not_start() {
    let (world, mut spec) = running().await;
    world.hypervisor.refuse_start(spec.id, true);
    (spec.generation, spec.power) = (2, Power::Stopped);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Stopped).await;
    (spec.generation, spec.power) = (3, Power::Running);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Failed).await;
    tokio::time::sleep(std::time::Duration::from_secs(900)).await;
    assert!(world.storage.held(spec.id).disk);
    assert_eq!(world.last(spec.id).unwrap().state, ObservedState::Failed);
    world.hypervisor.refuse_start(spec.id, false);
    world.until_seen(&spec, ObservedState::Running).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_disk_is_never_made_anew() {
    let (world, spec) = running().await;
    world.storage.meddle(spec.id, |held| held.disk = false);
    world.hypervisor.happen(spec.id, Some(DomainState::Off), true);
    world.until_seen(&spec, ObservedState::Failed).await;
    assert_eq!(world.faults.count_of("make_disk"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_instance_goes_on() {
    let (world, spec) = running().await;
    world.hypervisor.happen(spec.id, Some(DomainState::Paused), false);
    let runs = |world: &World| world.hypervisor.peek(spec.id) == Some(DomainState::Running);
    world.until("going on", spec.id, runs).await;
}

/// As libvirt leaves it when it is killed in the middle of a start: it answers, and never goes on.
#[tokio::test(start_paused = true)]
async fn a_half_started_instance_is_started_anew_after_its_time() {
    let (world, spec) = running().await;
    let began = tokio::time::Instant::now();
    world.hypervisor.happen(spec.id, Some(DomainState::Starting), true);
    let runs = |world: &World| world.hypervisor.peek(spec.id) == Some(DomainState::Running);
    world.until("starting anew", spec.id, runs).await;
    assert!(began.elapsed() >= world.config.hypervisor_timeout(), "a start under way was given its time");
    assert_eq!(world.hypervisor.starts(spec.id), 2);
    world.until_seen(&spec, ObservedState::Running).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_can_be_stopped_before_it_was_ever_started() {
    let mut world = World::new();
    let mut spec = spec(InstanceId::new());
    spec.power = Power::Stopped;
    world.want(&spec);
    world.start();
    world.until_seen(&spec, ObservedState::Stopped).await;
    assert_eq!((world.hypervisor.peek(spec.id), world.hypervisor.starts(spec.id)), (Some(DomainState::Off), 0));
}

#[tokio::test(start_paused = true)]
async fn wanted_consoles_are_sent() {
    let (world, spec) = running().await;
    world.storage.write_console(spec.id, "login: ");
    world.reporter.want_consoles(HashSet::from([spec.id, InstanceId::new()]));
    world
        .until("the console", spec.id, |world| !world.reporter.batch(iroko_agent_wire::Report::MAX).consoles.is_empty())
        .await;
    let consoles = world.reporter.batch(iroko_agent_wire::Report::MAX).consoles;
    assert_eq!((consoles[0].id, consoles[0].tail.as_str(), consoles.len()), (spec.id, "login: ", 1));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_instances_at_rest_cost_no_change() {
    let mut world = World::new();
    let specs: Vec<_> = (0..1000).map(|_| spec(InstanceId::new())).collect();
    for spec in &specs {
        world.plug(spec);
        world.want(spec);
    }
    world.start();
    for spec in &specs {
        world.until_seen(spec, ObservedState::Running).await;
    }
    let operations = world.faults.count();
    tokio::time::sleep(world.config.poll_period() * 10).await;
    assert_eq!(world.faults.count(), operations);
    assert_eq!(world.hypervisor.overlaps(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_hosts_fit_in_one_process() {
    let mut worlds: Vec<_> = (0..100).map(|_| World::new()).collect();
    let mut specs = vec![];
    for world in &mut worlds {
        let of_host: Vec<_> = (0..30).map(|_| spec(InstanceId::new())).collect();
        of_host.iter().for_each(|spec| world.plug(spec));
        of_host.iter().for_each(|spec| world.want(spec));
        world.start();
        specs.push(of_host);
    }
    for (world, of_host) in worlds.iter().zip(&specs) {
        for spec in of_host {
            world.until_seen(spec, ObservedState::Running).await;
        }
        assert_eq!((world.hypervisor.len(), world.storage.len()), (30, 30));
    }
}

/// As where the database is one of yesterday and knows an instance that was deleted since, or a host lost its disks.
#[tokio::test(start_paused = true)]
async fn an_instance_that_ran_and_left_no_trace_is_not_made_anew() {
    let mut world = World::new();
    let mut spec = spec(InstanceId::new());
    spec.has_run = true;
    world.plug(&spec);
    world.want(&spec);
    world.start();
    world.until_seen(&spec, ObservedState::Failed).await;
    assert!(world.last(spec.id).unwrap().reason.unwrap().text.contains("disk is missing"));
    assert_eq!((world.faults.count_of("make_disk"), world.hypervisor.starts(spec.id)), (0, 0));
    (spec.generation, spec.power) = (2, Power::Deleted);
    world.want(&spec);
    world.until_seen(&spec, ObservedState::Absent).await;
    assert!(world.is_traceless(spec.id));
}
