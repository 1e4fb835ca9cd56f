//! Reports over the link: stale and repeated ones are answered with 409.

use super::world::{Agent, place, session};
use crate::world::Api;
use futures::TryStreamExt;
use iroko_agent_link::agent::{ImageSource, LinkError};
use iroko_agent_link::wire::{AgentKind, InstanceObservation, PortObservation, Report};
use iroko_model::InstanceId;
use iroko_model::instance::ObservedState;
use iroko_model::port::PortState;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

fn report(id: InstanceId, state: ObservedState, incarnation: i64, sequence: i64) -> Report {
    let seen = InstanceObservation { id, generation: 1, state, reboots: 0, reason: None, condition: None };
    let (instances, ports, consoles) = (vec![seen], vec![], vec![]);
    Report { agent: AgentKind::Compute, incarnation, sequence, instances, ports, consoles, disk: None }
}

#[sqlx::test(migrations = "../store/migrations")]
async fn stale_sessions_and_repetitions_change_nothing(_: PgPoolOptions, connect: PgConnectOptions) {
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
        let reason = reason.map(str::to_owned);
        let ports = vec![PortObservation { id: port.parse().unwrap(), generation: 1, state, reason }];
        Report {
            agent: AgentKind::Net,
            incarnation: 1,
            sequence,
            instances: vec![],
            ports,
            consoles: vec![],
            disk: None,
        }
    };
    for (state, reason, status) in
        [(PortState::Failed, Some("the tap is busy"), "error"), (PortState::Ready, None, "active")]
    {
        net.link.report(&seen(state, reason, if reason.is_some() { 1 } else { 2 })).await.unwrap();
        let shown = api.get(&format!("ports/{port}")).await.must(200);
        assert_eq!((shown["status"].as_str(), shown["status_reason"].as_str()), (Some(status), reason));
    }
}

#[sqlx::test(migrations = "../store/migrations")]
async fn images_go_to_the_hosts_that_need_them(_: PgPoolOptions, connect: PgConnectOptions) {
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
    assert!(there.link.image(image, 0).await.is_err(), "no machine of it is there");
    assert!(net.link.image(image, 0).await.is_err(), "a net-agent needs no images");
}
