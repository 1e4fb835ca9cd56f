//! Reports over the link: stale and repeated ones are answered with 409.

use super::world::{Agent, place, session};
use crate::world::{Api, fault};
use futures::TryStreamExt;
use iroko_agent_link::{ImageSource, LinkError};
use iroko_agent_wire::{AgentKind, Condition, DiskRoom, InstanceObservation, PortObservation, Report};
use iroko_model::InstanceId;
use iroko_model::instance::ObservedState;
use iroko_model::port::PortState;
use iroko_model::reason::{Code, Reason};
use iroko_test_database::database;
use reqwest::Method;

fn report(id: InstanceId, state: ObservedState, incarnation: i64, sequence: i64) -> Report {
    let seen = InstanceObservation::new(id, 1, state);
    let (instances, ports, consoles) = (vec![seen], vec![], vec![]);
    Report { agent: AgentKind::Compute, incarnation, sequence, instances, ports, consoles, orphans: vec![], disk: None }
}

#[tokio::test]
async fn stale_sessions_and_repetitions_change_nothing() {
    let (_database, connect) = database().await;
    use ObservedState::{Running, Stopped};
    let api = Api::start(&connect).await;
    let (compute, net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    place(&api, id, compute.host()).await;
    let at = format!("instances/{id}");
    let status = async || api.get(&at).await.must(200)["status"].as_str().unwrap().to_owned();
    assert_eq!(status().await, "building");
    compute.link.report(&report(id, Running, 1, 1)).await.unwrap();
    assert_eq!(status().await, "running");
    for stale in
        [report(id, Stopped, 1, 1), report(id, Stopped, 1, 0), report(id, Stopped, 0, 9), report(id, Stopped, 2, 1)]
    {
        let answer = compute.link.report(&stale).await;
        assert!(matches!(answer, Err(LinkError::Stale)), "{answer:?} to {stale:?}");
        assert_eq!(status().await, "running");
    }
    let next = compute.link.session(&session(AgentKind::Compute, "192.0.2.1")).await.unwrap();
    assert_eq!((next.incarnation, next.lease_s), (2, 20));
    assert!(matches!(compute.link.report(&report(id, Stopped, 1, 2)).await, Err(LinkError::Stale)), "of a life before");
    compute.link.report(&report(id, Running, 2, 1)).await.unwrap();
    assert_eq!(status().await, "running");
    // The net-agent's word on the port.
    let port = api.get(&at).await.must(200)["interfaces"][0]["port_id"].as_str().unwrap().to_owned();
    let seen = |state, reason: Option<&str>, sequence| {
        let reason = reason.map(|text| Reason::new(Code::NetworkFailed, text));
        let ports = vec![PortObservation { id: port.parse().unwrap(), generation: 1, state, reason }];
        Report {
            agent: AgentKind::Net,
            incarnation: 1,
            sequence,
            instances: vec![],
            ports,
            consoles: vec![],
            orphans: vec![],
            disk: None,
        }
    };
    for (state, reason, status) in
        [(PortState::Failed, Some("the tap is busy"), "error"), (PortState::Ready, None, "active")]
    {
        net.link.report(&seen(state, reason, if reason.is_some() { 1 } else { 2 })).await.unwrap();
        let shown = api.get(&format!("ports/{port}")).await.must(200);
        assert_eq!((shown["status"].as_str(), shown["status_reason"].as_str()), (Some(status), reason));
        assert_eq!(shown["status_code"].as_str(), reason.map(|_| "network_failed"));
    }
}

/// A guest's own will: stopped by it, as told by its host, at the generation the host acted on, and only where
/// the instance says that it stays off.
#[tokio::test]
async fn a_guest_that_shuts_itself_down_is_stopped_by_its_own_will() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, _) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (other, _) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    place(&api, id, compute.host()).await;
    let at = format!("instances/{id}");
    let show = async || api.get(&at).await.must(200);
    let down = |generation, sequence| {
        let mut report = report(id, ObservedState::Stopped, 1, sequence);
        report.instances[0].generation = generation;
        report.instances[0].condition = Some(Condition::GuestShutdown);
        report
    };
    assert_eq!(show().await["on_guest_shutdown"], "stay_off");
    compute.link.report(&report(id, ObservedState::Running, 1, 1)).await.unwrap();
    // Another host has no say, and neither has what is of an older generation.
    other.link.report(&down(1, 1)).await.unwrap();
    compute.link.report(&down(0, 2)).await.unwrap();
    assert_eq!(show().await["generation"], 1);
    compute.link.report(&down(1, 3)).await.unwrap();
    let off = show().await;
    assert_eq!((off["status"].as_str(), off["generation"].as_i64()), (Some("stopped"), Some(2)));
    assert!(off["status_reason"].as_str().unwrap().contains("guest shut itself down"), "{off}");
    assert!(off["guest_shutdown_at"].is_string(), "{off}");
    // Its owner has the last word.
    let started = api.act(&format!("{at}/start")).await.must(202);
    assert_eq!((started["generation"].as_i64(), started.get("guest_shutdown_at")), (Some(3), None));
    compute.link.report(&down(1, 4)).await.unwrap();
    assert_eq!(show().await["generation"], 3, "what was told before the start");
    // One that shall start again is not stopped, whatever its host says.
    let again = serde_json::json!({"on_guest_shutdown": "start_again"});
    let changed = api.call(Method::PATCH, &api.at(&at), Some(&api.member), Some(again)).await.must(200);
    assert_eq!((changed["on_guest_shutdown"].as_str(), changed["generation"].as_i64()), (Some("start_again"), Some(4)));
    compute.link.report(&down(4, 5)).await.unwrap();
    assert_eq!(show().await["generation"], 4);
    let unknown = serde_json::json!({"on_guest_shutdown": "explode"});
    let answer = api.call(Method::PATCH, &api.at(&at), Some(&api.member), Some(unknown)).await;
    assert_eq!(answer.fault(), fault("/on_guest_shutdown", "on_guest_shutdown_unknown"));
}

/// A full disk: on the instance, which is held, and on the host.
#[tokio::test]
async fn a_full_disk_is_told_to_tenants_and_operators() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, _) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    place(&api, id, compute.host()).await;
    let disk = async || {
        let path = format!("hosts/{}", compute.host());
        api.system(Method::GET, &path, None).await.must(200).get("disk").cloned()
    };
    assert_eq!(disk().await, None, "not yet told");
    let told = |sequence, is_full| {
        let mut report = report(id, ObservedState::Running, 1, sequence);
        report.instances[0].condition = Condition::HostDiskFull.into();
        report.instances[0].reason = Some(Reason::new(Code::HostDiskFull, "the host's disk is full"));
        report.disk = Some(DiskRoom { total_mib: u64::MAX, free_mib: 7, is_full });
        report
    };
    compute.link.report(&told(1, true)).await.unwrap();
    let shown = api.get(&format!("instances/{id}")).await.must(200);
    assert_eq!(
        (shown["status"].as_str(), shown["status_reason"].as_str()),
        (Some("paused"), Some("the host's disk is full"))
    );
    let full = disk().await.unwrap();
    assert_eq!((&full["free_mib"], &full["full"]), (&7.into(), &true.into()));
    assert_eq!(full["total_mib"], i64::MAX, "a size that no disk has");
    compute.link.report(&told(2, false)).await.unwrap();
    assert_eq!(disk().await.unwrap()["full"], false);
    compute.link.report(&report(id, ObservedState::Running, 1, 3)).await.unwrap();
    assert_eq!(api.get(&format!("instances/{id}")).await.must(200)["status"], "running");
    assert_eq!(disk().await.unwrap()["free_mib"], 7, "a report without it says nothing of it");
}

#[tokio::test]
async fn images_go_to_the_hosts_that_need_them() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (here, net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (there, _) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/24").await;
    let instance = api.instance(&ground).await;
    place(&api, instance, here.host()).await;
    let image = ground.image.parse().unwrap();
    for (offset, length) in [(0, 4096), (4000, 96), (4096, 0)] {
        let pieces: Vec<_> = here.link.image(image, offset).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), vec![7u8; length]);
    }
    assert!(there.link.image(image, 0).await.is_err(), "no instance of it is there");
    assert!(net.link.image(image, 0).await.is_err(), "a net-agent needs no images");
}
