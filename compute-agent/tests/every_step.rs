//! Any plug may be pulled at any line: each scenario is run once for every operation it performs,
//! and that operation fails, or never begins, or takes effect and never returns with the agent
//! killed there and started anew. The end must be the same.

#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use iroko_agent_wire::InstanceSpec;
use iroko_compute_agent::faults::Fault;
use iroko_compute_agent::hypervisor::DomainState;
use iroko_model::InstanceId;
use iroko_model::instance::{ObservedState, Power};
use world::{World, reboot, spec};

#[derive(Debug, Clone, Copy)]
enum Scenario {
    Build,
    BuildStopped,
    Stop,
    Reboot,
    Delete,
    Forget,
    FailToBuild,
}

const SCENARIOS: [Scenario; 7] = [
    Scenario::Build,
    Scenario::BuildStopped,
    Scenario::Stop,
    Scenario::Reboot,
    Scenario::Delete,
    Scenario::Forget,
    Scenario::FailToBuild,
];

/// Plays the scenario up to the change it is about, undisturbed.
async fn prologue(scenario: Scenario, world: &mut World) -> InstanceSpec {
    let mut spec = spec(InstanceId::new());
    world.plug(&spec);
    match scenario {
        Scenario::Build => {}
        Scenario::BuildStopped => spec.power = Power::Stopped,
        Scenario::FailToBuild => world.hypervisor.refuse_start(spec.id, true),
        Scenario::Stop | Scenario::Reboot | Scenario::Delete | Scenario::Forget => {
            world.want(&spec);
            world.start();
            world.until_seen(&spec, ObservedState::Running).await;
            spec.generation = 2;
        }
    }
    match scenario {
        Scenario::Stop => spec.power = Power::Stopped,
        Scenario::Delete => spec.power = Power::Deleted,
        Scenario::Reboot => spec.operation = reboot(1),
        _ => {}
    }
    spec
}

fn change(scenario: Scenario, world: &mut World, spec: &InstanceSpec) {
    match scenario {
        Scenario::Forget => world.forget(spec.id),
        _ => world.want(spec),
    }
    if matches!(scenario, Scenario::Build | Scenario::BuildStopped | Scenario::FailToBuild) {
        world.start();
    }
}

async fn epilogue(scenario: Scenario, world: &World, spec: &InstanceSpec) {
    match scenario {
        Scenario::Build | Scenario::Reboot => world.until_seen(spec, ObservedState::Running).await,
        Scenario::Stop | Scenario::BuildStopped => world.until_seen(spec, ObservedState::Stopped).await,
        Scenario::Delete | Scenario::Forget => {
            world.until("removal", spec.id, |world| world.is_traceless(spec.id)).await;
        }
        Scenario::FailToBuild => world.until_seen(spec, ObservedState::Failed).await,
    }
    check(scenario, world, spec);
}

/// What must hold at the end, however it was reached.
fn check(scenario: Scenario, world: &World, spec: &InstanceSpec) {
    let (held, domain) = (world.storage.held(spec.id), world.hypervisor.peek(spec.id));
    let starts = world.hypervisor.starts(spec.id);
    assert_eq!(world.hypervisor.overlaps(), 0);
    match scenario {
        Scenario::Build => {
            assert_eq!((domain, starts, held.disk, held.seed), (Some(DomainState::Running), 1, true, true))
        }
        Scenario::Reboot => assert_eq!((domain, starts, held.disk), (Some(DomainState::Running), 2, true)),
        Scenario::Stop => assert_eq!((domain, starts, held.disk), (Some(DomainState::ShutDown), 1, true)),
        Scenario::BuildStopped => assert_eq!((domain, starts, held.disk), (Some(DomainState::Off), 0, true)),
        Scenario::Delete | Scenario::Forget => assert!(world.is_traceless(spec.id)),
        Scenario::FailToBuild => {
            assert_eq!((domain, starts, held.disk, held.seed, held.litter), (None, 0, false, false, false));
            assert!(held.record.unwrap().failed.is_some());
        }
    }
}

async fn operations(scenario: Scenario) -> u64 {
    let mut world = World::new();
    let spec = prologue(scenario, &mut world).await;
    let before = world.faults.count();
    change(scenario, &mut world, &spec);
    epilogue(scenario, &world, &spec).await;
    world.faults.count() - before
}

async fn disturbed(scenario: Scenario, number: u64, fault: Fault) {
    let mut world = World::new();
    let spec = prologue(scenario, &mut world).await;
    world.faults.at(world.faults.count() + number, fault);
    change(scenario, &mut world, &spec);
    if fault != Fault::Fail {
        world.faults.hung().await;
        world.kill().await;
        world.faults.clear();
        world.start();
    }
    epilogue(scenario, &world, &spec).await;
}

#[tokio::test(start_paused = true)]
async fn every_step_may_fail_or_be_the_agents_last() {
    for scenario in SCENARIOS {
        let count = operations(scenario).await;
        assert!(count >= 2, "{scenario:?} has only {count} operations");
        for number in 0..count {
            for fault in [Fault::Fail, Fault::HangBefore, Fault::HangAfter] {
                let bound = std::time::Duration::from_secs(7200);
                let ended = tokio::time::timeout(bound, disturbed(scenario, number, fault)).await;
                assert!(ended.is_ok(), "{scenario:?}, operation {number}, {fault:?}: never ended");
            }
        }
    }
}
