//! The watch: what changes costs what it changes, and whoever follows holds what there is.

use super::world::{Agent, place, vanish};
use crate::world::{Api, Ground};
use iroko_agent_wire::{Change, DesiredReply, Object, ObjectKey};
use iroko_model::InstanceId;
use iroko_store::change::change_trim;
use iroko_test_database::database;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Most octets of two small objects on the wire.
const SMALL: usize = 1000;

fn octets(reply: &DesiredReply) -> usize {
    serde_json::to_vec(reply).unwrap().len()
}

/// What an agent holds, comparable: ports of its own host are no peers of it.
fn held(agent: &Agent) -> Vec<String> {
    let (desired, host) = (&agent.desired, agent.host());
    let peers: Vec<_> = desired.peers.values().flat_map(|peers| peers.values()).filter(|p| p.host_id != host).collect();
    let mut objects: Vec<String> = peers.iter().map(|peer| serde_json::to_string(peer).unwrap()).collect();
    objects.extend(desired.networks.values().map(|n| serde_json::to_string(n).unwrap()));
    objects.extend(desired.ports.values().map(|p| serde_json::to_string(p).unwrap()));
    let members = desired.members.values().flat_map(|members| members.values());
    objects.extend(members.map(|m| serde_json::to_string(m).unwrap()));
    objects.extend(desired.security_groups.values().map(|g| serde_json::to_string(g).unwrap()));
    objects.extend(desired.address_sets.values().map(|s| serde_json::to_string(s).unwrap()));
    objects.extend(desired.instances.values().map(|i| serde_json::to_string(i).unwrap()));
    objects.sort();
    objects
}

/// What an agent that knows nothing is told.
async fn everything(agent: &Agent) -> Agent {
    let (link, identity) = (agent.link.clone(), agent.identity.clone());
    let mut whole = Agent { link, identity, desired: iroko_agent_link::Desired::default() };
    whole.watch().await;
    whole
}

/// Follows until the agent has what a full answer says.
async fn follow(agent: &mut Agent) {
    // A full answer is as new as the database; the deltas come after it within some looks.
    let until = Instant::now() + crate::world::PATIENCE;
    loop {
        let whole = everything(agent).await;
        let (has, should) = (held(agent), held(&whole));
        if has == should {
            return;
        }
        if Instant::now() > until {
            let without = |all: &[String], others: &[String]| {
                all.iter().filter(|one| !others.contains(one)).cloned().collect::<Vec<_>>()
            };
            let (missing, outdated) = (without(&should, &has), without(&has, &should));
            let (at, of) = (&agent.desired.revision, &whole.desired.revision);
            panic!("deltas up to {at} do not lead to {of}:\nmissing {missing:#?}\noutdated {outdated:#?}");
        }
        // A long poll of an agent that is behind for ever would say nothing.
        drop(tokio::time::timeout(Duration::from_secs(1), agent.watch()).await);
    }
}

/// Brings the agent to what there is, and past everything that was committed before.
pub async fn catch_up(api: &Api, agent: &mut Agent) {
    wait_for_hub(api, agent).await;
    agent.desired = iroko_agent_link::Desired::default();
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

#[tokio::test]
async fn a_delta_is_as_large_as_the_change() {
    let (_database, connect) = database().await;
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
        let [Change::Set(Object::Peer(peer)), Change::Set(Object::Member(member))] = &to_far.changes[..] else {
            panic!("{to_far:?}")
        };
        assert_eq!((member.port_id, &member.addresses), (peer.port_id, &peer.addresses));
        assert_eq!((peer.host_id, peer.vtep.to_string()), (near.host(), "192.0.2.1".to_owned()));
        let ports = to_near.changes.iter().filter(|change| matches!(change, Change::Set(Object::Port(_)))).count();
        let others = to_near.changes.len() - ports;
        assert!(ports == 1 && others <= 2, "its port, the same as a peer to ignore, and as a member: {to_near:?}");
        let [Change::Set(Object::Instance(spec))] = &to_compute.changes[..] else { panic!("{to_compute:?}") };
        assert_eq!(spec.id, id);
        assert!(octets(&to_far) < SMALL, "{} octets", octets(&to_far));
        sizes.push([octets(&to_near), octets(&to_far), octets(&to_compute)]);
    }
    for (few, many) in sizes[0].iter().zip(sizes[1]) {
        // Addresses and revisions have more digits; nothing else grows.
        assert!(many.abs_diff(*few) < 32, "{sizes:?}");
    }
    let mut whole = Agent { desired: iroko_agent_link::Desired::default(), ..far };
    let everything = whole.watch().await;
    assert!(everything.full && octets(&everything) > PORTS * 200, "{} octets", octets(&everything));
    eprintln!("delta to near, far, compute: {:?} octets; everything: {}", sizes[1], octets(&everything));
}

/// Addresses that an instance may share with others are told to all hosts of its network.
#[tokio::test]
async fn address_pairs_reach_the_hosts_of_the_network() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, mut near) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (_, mut far) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = run_on(&api, &ground, &near).await;
    run_on(&api, &ground, &far).await;
    for agent in [&mut near, &mut far] {
        catch_up(&api, agent).await;
    }
    let port = port_of(&api, id).await;
    let pairs = json!([{"cidr": "10.0.0.100/32", "mac_address": "00:00:5e:00:01:01"}]);
    let body = Some(json!({"allowed_address_pairs": pairs}));
    api.call(Method::PATCH, &api.at(&format!("ports/{port}")), Some(&api.member), body).await.must(200);
    let pair = iroko_model::port::AddressPair::new(
        Some("00:00:5e:00:01:01".parse().unwrap()),
        "10.0.0.100/32".parse().unwrap(),
    );
    let (to_far, to_near) = (delta(&mut far).await, delta(&mut near).await);
    let as_peer = |change: &Change| match change {
        Change::Set(Object::Peer(peer)) => Some(peer.allowed_address_pairs.clone()),
        _ => None,
    };
    let as_port = |change: &Change| match change {
        Change::Set(Object::Port(port)) => Some(port.allowed_address_pairs.clone()),
        _ => None,
    };
    let expected = Some(vec![pair.unwrap()]);
    assert_eq!(to_far.changes.iter().find_map(as_peer), expected, "{to_far:?}");
    assert_eq!(to_near.changes.iter().find_map(as_port), expected, "{to_near:?}");
}

/// A crash of PostgreSQL gives numbers of transactions that wrote nothing away again.
#[tokio::test]
async fn a_revision_told_is_of_a_change_that_was_read() {
    let (_database, connect) = database().await;
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

#[tokio::test]
async fn unknown_revisions_get_everything() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    run_on(&api, &ground, &net).await;
    catch_up(&api, &mut net).await;
    let (epoch, number) = net.desired.revision.rsplit_once(':').unwrap();
    for after in ["", "x", &format!("other.1.1:{number}"), &format!("{epoch}:0"), &format!("{epoch}:x")] {
        let reply = net.link.desired(after).await.unwrap();
        let is_group =
            |change: &&Change| matches!(change.key(), Some(ObjectKey::SecurityGroup(_) | ObjectKey::Member(..)));
        let groups = reply.changes.iter().filter(is_group).count();
        // The network, the port, the same as a peer to ignore, its group and itself as a member.
        assert!(reply.full && reply.changes.len() == 5 && groups == 2, "after {after:?}: {reply:?}");
    }
    run_on(&api, &ground, &net).await;
    delta(&mut net).await;
}

/// A process of an older release passes over what it does not know, and says so in the revisions that it gives: the next
/// one sends everything.
#[tokio::test]
async fn changes_of_an_unknown_kind_hold_nothing_back_and_are_not_lost() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    run_on(&api, &ground, &net).await;
    catch_up(&api, &mut net).await;
    let newer = "INSERT INTO change (kind, object_id, host_id) VALUES ('router', gen_random_uuid(), $1)";
    let newer_schema = "ALTER TABLE change DROP CONSTRAINT change_kind_check";
    sqlx::query(newer_schema).execute(api.store.pool()).await.unwrap();
    sqlx::query(newer).bind(net.host().as_uuid()).execute(api.store.pool()).await.unwrap();
    wait_for_hub(&api, &net).await;
    run_on(&api, &ground, &net).await;
    let reply = delta(&mut net).await;
    assert!(reply.changes.iter().any(|change| matches!(change, Change::Set(Object::Port(_)))), "{reply:?}");
    // What a process that knows other kinds has given.
    let (epoch, number) = net.desired.revision.rsplit_once(':').unwrap();
    let (history, kinds) = epoch.rsplit_once('.').unwrap();
    let same = net.link.desired(&format!("{history}.{kinds}:{}", number.parse::<i64>().unwrap() - 1)).await.unwrap();
    assert!(!same.full, "{same:?}");
    let other = net.link.desired(&format!("{history}.1{kinds}:{number}")).await.unwrap();
    assert!(other.full, "{other:?}");
}

#[tokio::test]
async fn a_host_that_left_and_joined_again_has_the_network() {
    let (_database, connect) = database().await;
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

#[tokio::test]
async fn a_restart_costs_no_full_answer_also_after_a_quiet_time() {
    let (_database, connect) = database().await;
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
            assert!(reply.changes.len() <= 3, "quiet {quiet}: {reply:?}");
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
    let gone = |change: &&Change| matches!(change, Change::Gone(ObjectKey::Port(_)));
    assert!(reply.changes.iter().filter(gone).count() >= 2, "{reply:?}");
    assert_eq!(held(&net), [""; 0]);
}

/// Groups, rules, address sets and QoS policies of a tenant that changes them at random.
struct Rules {
    policies: Vec<String>,
    random_limits: StdRng,
    groups: Vec<String>,
    rules: Vec<String>,
    sets: Vec<String>,
    random: StdRng,
}

impl Rules {
    async fn new(api: &Api, seed: u64) -> Self {
        let mut rules = Self {
            policies: vec![],
            random_limits: StdRng::seed_from_u64(seed),
            groups: vec![],
            rules: vec![],
            sets: vec![],
            random: StdRng::seed_from_u64(seed),
        };
        let default = api.get("security-groups?name=default").await.must(200);
        rules.groups.push(default["items"][0]["id"].as_str().unwrap().to_owned());
        for number in 0..4 {
            let name = format!("g{number}");
            rules.groups.push(api.post("security-groups", json!({"name": name})).await.made());
            let cidrs = [format!("198.51.{number}.0/24")];
            rules.sets.push(api.post("address-sets", json!({"name": name, "cidrs": cidrs})).await.made());
            rules.policies.push(api.post("qos-policies", json!({"name": name, "network_limits": {}})).await.made());
        }
        rules
    }

    fn one(&mut self, of: fn(&Self) -> &Vec<String>) -> String {
        let at = self.random.random_range(0..of(self).len());
        of(self)[at].clone()
    }

    fn some_groups(&mut self) -> Vec<String> {
        let (groups, random) = (&self.groups, &mut self.random);
        groups.iter().filter(|_| random.random_bool(0.4)).cloned().collect()
    }

    async fn change(&mut self, api: &Api) {
        match self.random.random_range(0..10) {
            0..5 => {
                let at = format!("security-groups/{}/rules", self.one(|r| &r.groups));
                let mut rule =
                    json!({"direction": "ingress", "ethertype": "ipv4", "protocol": self.random.random_range(0..2)});
                match self.random.random_range(0..5) {
                    0 => {}
                    1 => rule["remote_address_set_id"] = json!(self.one(|r| &r.sets)),
                    _ => rule["remote_group_id"] = json!(self.one(|r| &r.groups)),
                }
                let made = api.post(&at, rule).await;
                // The group may have it already.
                assert!([201, 409].contains(&made.status), "{made:?}");
                if made.status == 201 {
                    self.rules.push(format!("{at}/{}", made.made()));
                }
            }
            5..8 if !self.rules.is_empty() => {
                let at = self.random.random_range(0..self.rules.len());
                api.delete(&self.rules.swap_remove(at)).await.must(204);
            }
            8 => {
                let (at, third) = (format!("address-sets/{}", self.one(|r| &r.sets)), self.random.random_range(0..99));
                let body = json!({"cidrs": [format!("203.0.{third}.0/24"), "2001:db8::/32"]});
                api.call(Method::PATCH, &api.at(&at), Some(&api.member), Some(body)).await.must(200);
            }
            _ => {
                let at = format!("security-groups/{}", self.one(|r| &r.groups));
                let body = json!({"stateful": self.random.random_bool(0.5)});
                api.call(Method::PATCH, &api.at(&at), Some(&api.member), Some(body)).await.must(200);
            }
        }
    }

    /// Changes how much the ports of a policy may carry.
    async fn limit(&mut self, api: &Api) {
        let (policies, random) = (&self.policies, &mut self.random_limits);
        let at = format!("qos-policies/{}", policies[random.random_range(0..policies.len())]);
        let body = json!({"network_limits": {"egress_kbit_s": random.random_range(1..1000)}});
        api.call(Method::PATCH, &api.at(&at), Some(&api.member), Some(body)).await.must(200);
    }

    /// One of the policies, or none.
    fn policy(&mut self) -> Option<&String> {
        self.policies.get(self.random_limits.random_range(0..=self.policies.len()))
    }

    /// Puts an instance's port into other groups, under another policy.
    async fn regroup(&mut self, api: &Api, id: InstanceId) {
        let port = port_of(api, id).await;
        let body = json!({"security_group_ids": self.some_groups(), "qos_policy_id": self.policy()});
        api.call(Method::PATCH, &api.at(&format!("ports/{port}")), Some(&api.member), Some(body)).await.must(200);
    }

    /// An instance on a host, in some groups.
    async fn run_on(&mut self, api: &Api, ground: &Ground, agent: &Agent) -> InstanceId {
        let mut request = ground.request("vm");
        request["interfaces"][0]["security_group_ids"] = json!(self.some_groups());
        request["interfaces"][0]["qos_policy_id"] = json!(self.policy());
        let id = api.post("instances", request).await.made().parse().unwrap();
        place(api, id, agent.host()).await;
        id
    }
}

async fn port_of(api: &Api, id: InstanceId) -> String {
    let found = api.get(&format!("ports?instance_id={id}")).await.must(200);
    found["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn whatever_happens_deltas_lead_to_what_there_is() {
    let (_database, connect) = database().await;
    const STEPS: usize = 240;
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
    let seed = std::env::var("IROKO_SEED").ok().map_or(4711, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let mut rules = Rules::new(&api, seed + 1).await;
    let (mut running, mut next_range): (Vec<InstanceId>, u32) = (Vec::new(), 0);
    let mut full = 0;
    // Past the first change of all: who stands before it gets everything after a restart, and rightly.
    for agent in &mut agents {
        catch_up(&api, agent).await;
    }
    for _ in 0..STEPS {
        match random.random_range(0..100) {
            0..22 => {
                let host = &agents[random.random_range(0..agents.len())];
                running.push(rules.run_on(&api, &grounds[random.random_range(0..2)], host).await);
            }
            22..38 if !running.is_empty() => {
                let id = running.swap_remove(random.random_range(0..running.len()));
                vanish(&api, id).await;
            }
            38..60 => {
                rules.change(&api).await;
                rules.limit(&api).await;
            }
            60..72 if !running.is_empty() => {
                let id = running[random.random_range(0..running.len())];
                rules.regroup(&api, id).await;
            }
            72..78 if !running.is_empty() => {
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
    assert!(running.len() > 3 && !rules.rules.is_empty(), "the world is not empty");
    for agent in &mut agents {
        follow(agent).await;
    }
    assert_eq!(full, 0, "nobody was so far behind as to need everything");
    let told = |of: fn(&Agent) -> usize| agents.iter().map(of).sum::<usize>();
    let (groups, members) = (told(|a| a.desired.security_groups.len()), told(|a| a.desired.members.len()));
    assert!(groups > 0 && members > 0 && told(|a| a.desired.address_sets.len()) > 0, "{groups}, {members}");
}

/// Holds back what others commit from now on: the outbox is read in the order in which it was begun.
struct Held(sqlx::Transaction<'static, sqlx::Postgres>, String);

async fn hold_back(api: &Api) -> Held {
    let mut held = api.store.pool().begin().await.unwrap();
    let id = sqlx::query_scalar("SELECT pg_current_xact_id()::text").fetch_one(&mut *held).await.unwrap();
    Held(held, id)
}

impl Held {
    async fn let_go(self) {
        self.0.rollback().await.unwrap();
    }

    /// Lets go in such a way that what was begun before `until` is read at once: first waits for what else is older,
    /// which may be of another test in the same PostgreSQL.
    async fn let_go_until(self, api: &Api, until: &Held) {
        let others = "SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot()) AS running(id) \
                      WHERE id < $1::text::xid8 AND id <> $2::text::xid8";
        let count = || sqlx::query_scalar::<_, i64>(others).bind(&until.1).bind(&self.1).fetch_one(api.store.pool());
        while count().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.let_go().await;
    }
}

#[tokio::test]
async fn whoever_waited_for_nothing_is_told_how_far_that_was() {
    let (_database, connect) = database().await;
    let mut api = Api::start(&connect).await;
    let (compute, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let number = |revision: &str| revision.rsplit_once(':').unwrap().1.parse::<i64>().unwrap();
    let held = hold_back(&api).await;
    api.network("10.0.0.0/24").await;
    net.watch().await;
    assert_eq!(number(&net.desired.revision), 1, "nothing was read yet");
    let newest: i64 = sqlx::query_scalar("SELECT max(revision) FROM change").fetch_one(api.store.pool()).await.unwrap();
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        held.let_go().await;
        wait_for_hub(&api, &compute).await;
        api.stop().await;
    };
    let (reply, ()) = tokio::join!(net.watch(), meanwhile);
    assert!(!reply.full && reply.changes.is_empty(), "{reply:?}");
    assert!(number(&reply.revision) > newest, "{} is behind {newest}", reply.revision);
}

#[tokio::test]
async fn what_a_host_needs_again_is_told_without_what_left_meanwhile() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, mut web_host) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (_, lb_host) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/24").await;
    let group = async |name: &str| api.post("security-groups", json!({"name": name})).await.made();
    let (web, lb) = (group("web").await, group("lb").await);
    let vm = async |groups: &[&str], agent: &Agent| {
        let mut request = ground.request("vm");
        request["interfaces"][0]["security_group_ids"] = json!(groups);
        let id = api.post("instances", request).await.made().parse().unwrap();
        place(&api, id, agent.host()).await;
        port_of(&api, id).await
    };
    vm(&[&web], &web_host).await;
    let other = vm(&[], &web_host).await;
    let balancer = vm(&[&lb], &lb_host).await;
    let at = format!("security-groups/{web}/rules");
    let rule = json!({"direction": "ingress", "ethertype": "ipv4", "remote_group_id": lb});
    let refers = api.post(&at, rule.clone()).await.made();
    catch_up(&api, &mut web_host).await;
    assert_eq!(web_host.desired.members[&lb.parse().unwrap()].len(), 1);
    let regroup = async |port: &str, groups: &[&str]| {
        let body = Some(json!({"security_group_ids": groups}));
        api.call(Method::PATCH, &api.at(&format!("ports/{port}")), Some(&api.member), body).await.must(200);
    };
    // The hub reads that the member left, and of another port of the host, when the host is about to
    // cease to refer to the group: that is committed and not yet to be read.
    let early = hold_back(&api).await;
    regroup(&balancer, &[]).await;
    regroup(&other, &[&lb]).await;
    let late = hold_back(&api).await;
    api.delete(&format!("{at}/{refers}")).await.must(204);
    early.let_go_until(&api, &late).await;
    let told = delta(&mut web_host).await;
    assert!(told.changes.iter().any(|change| matches!(change, Change::Set(Object::Port(_)))), "{told:?}");
    // It refers to the group again before it was told that it does not.
    api.post(&at, rule).await.made();
    let end = hold_back(&api).await;
    late.let_go_until(&api, &end).await;
    let told = delta(&mut web_host).await;
    assert!(told.changes.iter().any(|change| matches!(change.key(), Some(ObjectKey::SecurityGroup(_)))), "{told:?}");
    end.let_go().await;
    follow(&mut web_host).await;
}

#[tokio::test]
async fn what_changes_of_groups_goes_to_those_who_need_it() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, mut web_host) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (_, mut lb_host) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/24").await;
    let group = async |name: &str| api.post("security-groups", json!({"name": name})).await.made();
    let (web, lb) = (group("web").await, group("lb").await);
    let set = api.post("address-sets", json!({"name": "s", "cidrs": ["198.51.100.0/24"]})).await.made();
    let vm = async |group: &str, agent: &Agent| {
        let mut request = ground.request("vm");
        request["interfaces"][0]["security_group_ids"] = json!([group]);
        let id = api.post("instances", request).await.made().parse().unwrap();
        place(&api, id, agent.host()).await;
        id
    };
    let rule = async |more: Value| {
        let mut body = json!({"direction": "ingress", "ethertype": "ipv4"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let at = format!("security-groups/{web}/rules");
        format!("{at}/{}", api.post(&at, body).await.made())
    };
    let mut balancers = Vec::new();
    for _ in 0..3 {
        balancers.push(vm(&lb, &lb_host).await);
    }
    let first: InstanceId = vm(&web, &web_host).await;
    for agent in [&mut web_host, &mut lb_host] {
        catch_up(&api, agent).await;
        assert_eq!((agent.desired.security_groups.len(), agent.desired.members.len()), (1, 0), "no rule refers to any");
    }
    // A rule that refers to nobody is one group for the hosts with a port in it.
    rule(json!({"protocol": "tcp", "port_first": 80})).await;
    let told = delta(&mut web_host).await;
    assert!(
        matches!(&told.changes[..], [Change::Set(Object::SecurityGroup(spec))] if spec.rules.len() == 1),
        "{told:?}"
    );
    // One that refers to a group brings its members, one that refers to a set brings that.
    let refers = rule(json!({"remote_group_id": lb})).await;
    delta(&mut web_host).await;
    assert_eq!(web_host.desired.members[&lb.parse().unwrap()].len(), 3);
    rule(json!({"remote_address_set_id": set})).await;
    delta(&mut web_host).await;
    assert_eq!(web_host.desired.address_sets.len(), 1);
    // Another member is one object for the host that refers to the group.
    catch_up(&api, &mut lb_host).await;
    vm(&lb, &lb_host).await;
    let told = delta(&mut web_host).await;
    let keys: Vec<ObjectKey> = told.changes.iter().filter_map(Change::key).collect();
    assert!(matches!(keys[..], [ObjectKey::Peer(..), ObjectKey::Member(..)]), "{told:?}");
    let told = delta(&mut lb_host).await;
    assert!(
        !told.changes.iter().any(|c| matches!(c.key(), Some(ObjectKey::Member(..)))),
        "it refers to none: {told:?}"
    );
    // A second instance in the group where one is: nothing of the groups is told again.
    let second = vm(&web, &web_host).await;
    let told = delta(&mut web_host).await;
    let keys: Vec<ObjectKey> = told.changes.iter().filter_map(Change::key).collect();
    assert!(matches!(keys[..], [ObjectKey::Port(_), ObjectKey::Peer(..)]), "{told:?}");
    // A member that leaves the group, without leaving its host.
    let port = port_of(&api, balancers[0]).await;
    let none = Some(json!({"security_group_ids": []}));
    api.call(Method::PATCH, &api.at(&format!("ports/{port}")), Some(&api.member), none).await.must(200);
    let told = delta(&mut web_host).await;
    assert!(told.changes.iter().any(|c| matches!(c, Change::Gone(ObjectKey::Member(..)))), "{told:?}");
    assert_eq!(web_host.desired.members[&lb.parse().unwrap()].len(), 3);
    // A changed set.
    let cidrs = Some(json!({"cidrs": ["203.0.113.0/24"]}));
    api.call(Method::PATCH, &api.at(&format!("address-sets/{set}")), Some(&api.member), cidrs).await.must(200);
    let told = delta(&mut web_host).await;
    assert!(matches!(&told.changes[..], [Change::Set(Object::AddressSet(spec))] if spec.generation == 2), "{told:?}");
    // Without the rule nobody needs the members; without ports nobody needs anything.
    api.delete(&refers).await.must(204);
    delta(&mut web_host).await;
    assert!(web_host.desired.members.is_empty());
    for id in [first, second] {
        vanish(&api, id).await;
    }
    follow(&mut web_host).await;
    assert_eq!(held(&web_host), [""; 0]);
}
