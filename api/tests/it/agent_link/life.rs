//! Agents' lives: without a control plane, through its restart, and many at once.

use super::world::{Agent, config, place, session, token};
use crate::world::{Api, PATIENCE, eventually};
use iroko_agent_link::{Running, Subscription, start};
use iroko_agent_wire::AgentKind::{Compute, Net};
use iroko_model::InstanceId;
use iroko_test_database::database;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

async fn start_net(api: &Api, host_name: &str, dir: &Path, token: Option<String>, end: &CancellationToken) -> Running {
    start(config(api, host_name, dir, token), session(Net, "192.0.2.1"), true, end.clone()).await.unwrap()
}

async fn changed(changes: &mut Subscription) -> iroko_agent_link::Dirty {
    tokio::time::timeout(PATIENCE, changes.changed()).await.expect("the change arrives")
}

#[tokio::test]
async fn an_agent_without_control_plane_has_its_last_desired_state() {
    let (_database, connect) = database().await;
    let mut api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let dir = tempfile::tempdir().unwrap();
    let end = CancellationToken::new();
    let token = token(&api, None).await;
    let _compute = Agent::enrolled(&api, Compute, "host-1", &token, "192.0.2.1").await;
    let agent = start_net(&api, "host-1", dir.path(), Some(token), &end).await;
    let mut changes = agent.desired.subscribe();
    assert!(changed(&mut changes).await.all);
    let id = api.instance(&ground).await;
    place(&api, id, agent.identity.host_id).await;
    changed(&mut changes).await;
    let before = agent.desired.read().clone();
    assert_eq!((before.networks.len(), before.ports.len()), (1, 1));
    end.cancel();
    agent.task.await.unwrap();
    api.stop().await;

    // The host boots; nobody answers, and the token is long gone from its configuration.
    let end = CancellationToken::new();
    let began = Instant::now();
    let agent = start_net(&api, "host-1", dir.path(), None, &end).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let held = agent.desired.read().clone();
    assert!(held.known && held.revision == before.revision, "{held:?}");
    assert_eq!((&held.networks, &held.ports), (&before.networks, &before.ports));
    let mut changes = agent.desired.subscribe();
    assert!(changed(&mut changes).await.all, "its first look is at everything");

    // The control plane comes back; the agent goes on from where it was.
    api.start_again().await;
    let second = api.instance(&ground).await;
    place(&api, second, agent.identity.host_id).await;
    let dirty = changed(&mut changes).await;
    assert!(!dirty.all && !dirty.is_empty(), "a delta, not everything: {dirty:?}");
    end.cancel();
    agent.task.await.unwrap();
}

#[tokio::test]
async fn both_agents_of_a_host_may_start_at_the_same_moment() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    for number in 0..5 {
        let (name, token) = (format!("host-{number}"), token(&api, None).await);
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let end = CancellationToken::new();
        let begin = |kind, dir: &TempDir| {
            start(config(&api, &name, dir.path(), Some(token.clone())), session(kind, "192.0.2.1"), true, end.clone())
        };
        let (compute, net) = tokio::join!(begin(Compute, &a), begin(Net, &b));
        let (compute, net) = (compute.unwrap(), net.unwrap());
        assert_eq!(compute.identity.host_id, net.identity.host_id);
        end.cancel();
        compute.task.await.unwrap();
        net.task.await.unwrap();
    }
}

/// Starts agents one after the other, that keep nothing on disk.
async fn crowd(api: &Api, count: usize, end: &CancellationToken) -> Vec<Running> {
    let mut agents = Vec::with_capacity(count);
    for number in 0..count {
        let config = config(api, &format!("host-{number}"), Path::new("/nowhere"), Some(token(api, None).await));
        let vtep = format!("192.0.{}.{}", number / 200, number % 200 + 1);
        agents.push(start(config, session(Compute, &vtep), false, end.clone()).await.unwrap());
    }
    agents
}

#[tokio::test]
async fn three_hundred_agents_that_return_at_once_are_soon_in_sync() {
    let (_database, connect) = database().await;
    const AGENTS: usize = 300;
    let mut api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/16").await;
    let end = CancellationToken::new();
    let agents = crowd(&api, AGENTS, &end).await;
    let in_sync = |wanted: usize| {
        let agents = &agents;
        move || async move {
            let has = |a: &&Running| a.desired.read().known && a.desired.read().instances.len() == wanted;
            let count = agents.iter().filter(has).count();
            if count == AGENTS { Ok(()) } else { Err(format!("{count} of {AGENTS} with {wanted} instances")) }
        }
    };
    eventually("all are there", in_sync(0)).await;
    let mut instances: Vec<InstanceId> = Vec::new();
    for _ in &agents {
        instances.push(api.instance(&ground).await);
    }
    let mut lookouts: Vec<_> = agents.iter().map(|agent| agent.desired.subscribe()).collect();
    for lookout in &mut lookouts {
        assert!(changed(lookout).await.all, "the first look");
    }
    api.stop().await;
    // While nobody answers, every host gets something new.
    for (id, agent) in instances.iter().zip(&agents) {
        place(&api, *id, agent.identity.host_id).await;
    }
    let began = Instant::now();
    api.start_again().await;
    eventually("all are in sync", in_sync(1)).await;
    eprintln!("{AGENTS} agents in sync {:?} after the start", began.elapsed());
    for lookout in &mut lookouts {
        let dirty = changed(lookout).await;
        assert!(!dirty.all && dirty.keys.len() == 1, "a delta, not everything: {dirty:?}");
    }
    end.cancel();
    for agent in agents {
        agent.task.await.unwrap();
    }
}
