//! The watch: what changes costs what it changes, and whoever follows holds what there is.

use super::world::{Agent, place, vanish};
use crate::world::{Api, Ground};
use iroko_agent_link::wire::{Change, DesiredReply, Object, ObjectKey};
use iroko_model::InstanceId;
use iroko_store::change::change_trim;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::time::{Duration, Instant};

/// Most octets of one small object on the wire.
const SMALL: usize = 700;

fn octets(reply: &DesiredReply) -> usize {
    serde_json::to_vec(reply).unwrap().len()
}

/// What an agent holds, comparable: ports of its own host are no peers of it.
fn held(agent: &Agent) -> Value {
    let (desired, host) = (&agent.desired, agent.host());
    let peers: Vec<_> = desired.peers.values().flat_map(|peers| peers.values()).filter(|p| p.host_id != host).collect();
    let mut objects: Vec<String> = peers.iter().map(|peer| serde_json::to_string(peer).unwrap()).collect();
    objects.extend(desired.networks.values().map(|n| serde_json::to_string(n).unwrap()));
    objects.extend(desired.ports.values().map(|p| serde_json::to_string(p).unwrap()));
    objects.extend(desired.instances.values().map(|i| serde_json::to_string(i).unwrap()));
    objects.sort();
    json!(objects)
}

/// Follows until the agent has what a full answer says.
async fn follow(agent: &mut Agent) {
    // A full answer is as new as the database; the deltas come after it within some looks.
    for _ in 0..200 {
        let mut whole = Agent {
            link: agent.link.clone(),
            identity: agent.identity.clone(),
            desired: iroko_agent_link::agent::Desired::default(),
        };
        whole.watch().await;
        if held(agent) == held(&whole) {
            return;
        }
        agent.watch().await;
    }
    panic!("the deltas do not lead to what there is: {:#}", held(agent));
}

/// Brings the agent to what there is, and past everything that was committed before.
async fn catch_up(api: &Api, agent: &mut Agent) {
    wait_for_hub(api, agent).await;
    agent.desired = iroko_agent_link::agent::Desired::default();
    assert!(agent.watch().await.full);
}

/// Watches until a delta has something to say; returns that one.
async fn delta(agent: &mut Agent) -> DesiredReply {
    let reply = agent.watch().await;
    assert!(!reply.full, "a delta, not everything: {reply:?}");
    reply
}

/// Makes an instance on a host; returns it.
async fn run_on(api: &Api, ground: &Ground, agent: &Agent) -> InstanceId {
    let id = api.instance(ground).await;
    place(api, id, agent.host()).await;
    id
}

#[sqlx::test(migrations = "../store/migrations")]
async fn a_delta_is_as_large_as_the_change(_: PgPoolOptions, connect: PgConnectOptions) {
    const PORTS: usize = 200;
    let api = Api::start(&connect).await;
    let (mut compute, mut near) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (_, mut far) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/16").await;
    run_on(&api, &ground, &far).await;
    let mut sizes = Vec::new();
    for crowd in [1, PORTS] {
        for _ in 0..crowd {
            run_on(&api, &ground, &near).await;
        }
        for agent in [&mut compute, &mut near, &mut far] {
            catch_up(&api, agent).await;
        }
        let id = run_on(&api, &ground, &near).await;
        let (to_near, to_far, to_compute) = (delta(&mut near).await, delta(&mut far).await, delta(&mut compute).await);
        let [Change::Set(Object::Peer(peer))] = &to_far.changes[..] else { panic!("{to_far:?}") };
        assert_eq!((peer.host_id, peer.vtep.to_string()), (near.host(), "192.0.2.1".to_owned()));
        let ports = to_near.changes.iter().filter(|change| matches!(change, Change::Set(Object::Port(_)))).count();
        assert!(ports == 1 && to_near.changes.len() <= 2, "its port, and the same as a peer to ignore: {to_near:?}");
        let [Change::Set(Object::Instance(spec))] = &to_compute.changes[..] else { panic!("{to_compute:?}") };
        assert_eq!(spec.id, id);
        assert!(octets(&to_far) < SMALL, "{} octets", octets(&to_far));
        sizes.push([octets(&to_near), octets(&to_far), octets(&to_compute)]);
    }
    for (few, many) in sizes[0].iter().zip(sizes[1]) {
        // Addresses and revisions have more digits; nothing else grows.
        assert!(many.abs_diff(*few) < 32, "{sizes:?}");
    }
    let mut whole = Agent { desired: iroko_agent_link::agent::Desired::default(), ..far };
    let everything = whole.watch().await;
    assert!(everything.full && octets(&everything) > PORTS * 200, "{} octets", octets(&everything));
    eprintln!("delta to near, far, compute: {:?} octets; everything: {}", sizes[1], octets(&everything));
}

/// A crash of PostgreSQL gives numbers of transactions that wrote nothing away again.
#[sqlx::test(migrations = "../store/migrations")]
async fn a_revision_told_is_of_a_change_that_was_read(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let (_, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let number = |revision: &str| revision.rsplit_once(':').unwrap().1.parse::<i64>().unwrap();
    assert_eq!(number(&net.link.desired("").await.unwrap().revision), 1, "nothing was ever told");
    let ground = api.ground("10.0.0.0/24").await;
    run_on(&api, &ground, &net).await;
    catch_up(&api, &mut net).await;
    for _ in 0..20 {
        sqlx::query("SELECT pg_current_xact_id()").execute(api.store.pool()).await.unwrap();
    }
    // It is committed, signalled, and writes no change: the hub looks and finds nothing.
    api.post("networks", json!({"name": "quiet"})).await.made();
    let newest: i64 = sqlx::query_scalar("SELECT max(revision) FROM change").fetch_one(api.store.pool()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), net.watch()).await.unwrap_err();
    for revision in [&net.desired.revision, &net.link.desired("").await.unwrap().revision] {
        assert_eq!(number(revision), newest + 1);
    }
}

#[sqlx::test(migrations = "../store/migrations")]
async fn unknown_revisions_get_everything(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let (_, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    run_on(&api, &ground, &net).await;
    catch_up(&api, &mut net).await;
    let (epoch, number) = net.desired.revision.rsplit_once(':').unwrap();
    for after in ["", "x", &format!("other.1.1:{number}"), &format!("{epoch}:0"), &format!("{epoch}:x")] {
        let reply = net.link.desired(after).await.unwrap();
        assert!(reply.full && reply.changes.len() == 2, "after {after:?}: {reply:?}");
    }
    run_on(&api, &ground, &net).await;
    delta(&mut net).await;
}

#[sqlx::test(migrations = "../store/migrations")]
async fn a_host_that_left_and_joined_again_has_the_network(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let (_, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (_, far) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/24").await;
    run_on(&api, &ground, &far).await;
    net.watch().await;
    // The agent is away while its host joins, leaves and joins again.
    for round in 0..3 {
        let id = run_on(&api, &ground, &net).await;
        wait_for_hub(&api, &far).await;
        if round < 2 {
            vanish(&api, id).await;
            wait_for_hub(&api, &far).await;
        }
    }
    let reply = delta(&mut net).await;
    assert_eq!((net.desired.networks.len(), net.desired.ports.len()), (1, 1), "{reply:?}");
    follow(&mut net).await;
}

/// Waits until the hub has read what was committed: it then tells the other host of the network.
async fn wait_for_hub(api: &Api, witness: &Agent) {
    // Asked of the table itself: transactions of other tests hold back what a tail shows.
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(revision) FROM change").fetch_one(api.store.pool()).await.unwrap();
    let newest = newest.unwrap_or(0);
    let until = Instant::now() + crate::world::PATIENCE;
    loop {
        let reply = witness.link.desired("").await.unwrap();
        let seen: i64 = reply.revision.rsplit_once(':').unwrap().1.parse().unwrap();
        if seen > newest {
            return;
        }
        assert!(Instant::now() < until, "the hub stays at {seen}, below {newest}");
    }
}

#[sqlx::test(migrations = "../store/migrations")]
async fn a_restart_costs_no_full_answer_also_after_a_quiet_time(_: PgPoolOptions, connect: PgConnectOptions) {
    let mut api = Api::start(&connect).await;
    let (mut compute, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let first = run_on(&api, &ground, &net).await;
    for quiet in [false, true] {
        for agent in [&mut compute, &mut net] {
            catch_up(&api, agent).await;
        }
        let began = Instant::now();
        api.stop().await;
        assert!(began.elapsed().as_secs() < 5, "watchers are let go: {:?}", began.elapsed());
        if quiet {
            // All of the outbox has grown old, and heartbeats went on using transaction numbers.
            change_trim(&mut api.store.connection().await.unwrap(), 0.0, 10_000).await.unwrap();
        }
        api.start_again().await;
        run_on(&api, &ground, &net).await;
        for agent in [&mut compute, &mut net] {
            let reply = delta(agent).await;
            assert!(reply.changes.len() <= 2, "quiet {quiet}: {reply:?}");
            follow(agent).await;
        }
    }
    // What happens while no API runs is told by the next one: the host leaves the network.
    let second = run_on(&api, &ground, &net).await;
    follow(&mut net).await;
    let all: Vec<InstanceId> = net.desired.ports.values().map(|port| port.instance_id).collect();
    assert!(all.contains(&first) && all.contains(&second));
    api.stop().await;
    for id in all {
        vanish(&api, id).await;
    }
    api.start_again().await;
    let reply = delta(&mut net).await;
    let gone = |change: &Change| matches!(change, Change::Gone(ObjectKey::Network(_)));
    assert!(reply.changes.iter().any(gone), "{reply:?}");
    assert_eq!(held(&net), json!([]));
}

#[sqlx::test(migrations = "../store/migrations")]
async fn whatever_happens_deltas_lead_to_what_there_is(_: PgPoolOptions, connect: PgConnectOptions) {
    const STEPS: usize = 120;
    let mut api = Api::start(&connect).await;
    let mut agents = Vec::new();
    for number in 1..=3 {
        let (compute, net) = Agent::pair(&api, &format!("host-{number}"), &format!("192.0.2.{number}")).await;
        agents.extend([compute, net]);
    }
    let first = api.ground("10.0.0.0/24").await;
    let (flavor, image) = (first.flavor.clone(), first.image.clone());
    let second = Ground { flavor, image, network: api.network("10.1.0.0/24").await };
    let grounds = [first, second];
    let mut random = StdRng::seed_from_u64(4711);
    let (mut running, mut next_range): (Vec<InstanceId>, u32) = (Vec::new(), 0);
    let mut full = 0;
    for agent in &mut agents {
        agent.watch().await;
    }
    for _ in 0..STEPS {
        match random.random_range(0..100) {
            0..40 => {
                let host = &agents[random.random_range(0..agents.len())];
                running.push(run_on(&api, &grounds[random.random_range(0..2)], host).await);
            }
            40..70 if !running.is_empty() => {
                let id = running.swap_remove(random.random_range(0..running.len()));
                vanish(&api, id).await;
            }
            70..78 if !running.is_empty() => {
                let id = running[random.random_range(0..running.len())];
                api.act(&format!("instances/{id}/reboot")).await.must(202);
            }
            78..82 => {
                next_range += 1;
                let network = &grounds[random.random_range(0..2)].network;
                let cidr = format!("fd00:{next_range:x}::/64");
                api.post("subnets", json!({"network_id": network, "name": "s", "cidr": cidr})).await.made();
            }
            82..84 => {
                api.stop().await;
                api.start_again().await;
            }
            _ => {
                let at = random.random_range(0..agents.len());
                let agent = &mut agents[at];
                // Only where there is something to say: a long poll would wait.
                let behind = agent.link.desired("").await.unwrap().revision != agent.desired.revision;
                if behind && random.random_bool(0.5) {
                    let patience = std::time::Duration::from_millis(300);
                    if let Ok(reply) = tokio::time::timeout(patience, agent.watch()).await {
                        full += usize::from(reply.full);
                    }
                }
            }
        }
    }
    assert!(running.len() > 3, "the world is not empty");
    for agent in &mut agents {
        follow(agent).await;
    }
    assert_eq!(full, 0, "nobody was so far behind as to need everything");
}
