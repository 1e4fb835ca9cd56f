//! A host that was broken into says whatever it likes. Nobody else notices: other hosts' reports are taken, other
//! tenants are answered, and nothing of the others changes.

use super::world::{Agent, place, session};
use crate::world::Api;
use iroko_agent_link::LinkError;
use iroko_agent_wire::{AgentKind, ConsoleLog, InstanceObservation, PortObservation, Report, SessionRequest};
use iroko_model::instance::ObservedState;
use iroko_model::port::PortState;
use iroko_model::reason::{Code, Reason};
use iroko_model::{InstanceId, PortId, Resources};
use iroko_test_database::database;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn heartbeat(kind: AgentKind, sequence: i64) -> Report {
    Report::heartbeat(kind, 1, sequence)
}

#[tokio::test]
async fn a_report_that_is_wrong_in_one_place_is_taken_in_the_others() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let (id, other) = (api.instance(&ground).await, api.instance(&ground).await);
    place(&api, id, compute.host()).await;
    place(&api, other, compute.host()).await;
    let log = |tail: &str| ConsoleLog { id, tail: tail.to_owned() };
    let mut seen = InstanceObservation::new(id, 1 << 63, ObservedState::Running);
    let told = Report {
        instances: vec![seen.clone(), InstanceObservation::new(other, 1, ObservedState::Running)],
        consoles: vec![log("first"), log("second\0")],
        ..heartbeat(AgentKind::Compute, 1)
    };
    compute.link.report(&told).await.unwrap();
    let status = async |id: InstanceId| api.get(&format!("instances/{id}")).await.must(200)["status"].clone();
    assert_eq!((status(id).await, status(other).await), (json!("building"), json!("running")));
    let tail: String = sqlx::query_scalar("SELECT tail FROM console").fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(tail, "second");
    (seen.generation, seen.reason) = (1, Some(Reason::new(Code::Repeating, "x\u{1b}[31m\n".repeat(10_000))));
    seen.state = ObservedState::Failed;
    let told = Report { instances: vec![seen], ..heartbeat(AgentKind::Compute, 2) };
    compute.link.report(&told).await.unwrap();
    let reason: Option<String> =
        sqlx::query_scalar("SELECT reason ->> 'text' FROM instance_host WHERE instance_id = $1")
            .bind(id.as_uuid())
            .fetch_one(api.store.pool())
            .await
            .unwrap();
    assert!(reason.is_some_and(|text| text.chars().count() == 500 && !text.chars().any(char::is_control)));
    // Too many of one kind: not taken, and so said.
    let many = (0..=Report::MAX).map(|_| PortObservation {
        id: PortId::new(),
        generation: 1,
        state: PortState::Ready,
        reason: None,
    });
    let told = Report { ports: many.collect(), ..heartbeat(AgentKind::Net, 1) };
    assert!(matches!(net.link.report(&told).await, Err(LinkError::NotTaken(413))));
    net.link.report(&heartbeat(AgentKind::Net, 2)).await.unwrap();
}

#[tokio::test]
async fn a_host_is_believed_up_to_the_operators_ceiling() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| config.agent_link.host_most.vcpus = 64).await;
    let (compute, net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let huge = Resources { vcpus: u64::MAX, memory_mib: u64::MAX, disk_gib: u64::MAX };
    let said = SessionRequest { capacity: Some(huge), ..session(AgentKind::Compute, "192.0.2.1") };
    compute.link.session(&said).await.unwrap();
    let shown = api.system(reqwest::Method::GET, &format!("hosts/{}", compute.host()), None).await.must(200);
    assert_eq!(shown["capacity"], json!({"vcpus": 64, "memory_mib": 32 << 20, "disk_gib": 1 << 20}));
    for wrong in [
        SessionRequest { vtep: Some("0.0.0.0".parse().unwrap()), ..session(AgentKind::Net, "192.0.2.1") },
        SessionRequest { underlay_mtu: Some(u32::MAX), ..session(AgentKind::Net, "192.0.2.1") },
    ] {
        assert!(matches!(net.link.session(&wrong).await, Err(LinkError::NotTaken(422))), "{wrong:?}");
    }
}

/// What a hostile host sends: some of what there is, much of what is not, numbers and texts at their ends.
struct Hostile {
    rng: StdRng,
    known: Vec<String>,
}

impl Hostile {
    fn number(&mut self) -> Value {
        let some = self.rng.random_range(-3..1000);
        [json!(0), json!(1), json!(-1), json!(i64::MAX), json!(u64::MAX), json!(1.5), json!(1e300), json!(some)]
            .choose(&mut self.rng)
            .cloned()
            .unwrap_or_default()
    }

    fn text(&mut self) -> Value {
        let long = "é\u{202e}".repeat(self.rng.random_range(0..2000));
        let texts = ["", "\0", "x", "failed", "running", "'; drop table host; --", "../../etc", long.as_str()];
        json!(texts.choose(&mut self.rng))
    }

    fn id(&mut self) -> Value {
        match self.rng.random_range(0..4) {
            0 => json!(InstanceId::new()),
            1 => self.text(),
            _ => json!(self.known.choose(&mut self.rng)),
        }
    }

    fn state(&mut self) -> Value {
        let states = ["preparing", "running", "stopped", "failed", "absent", "ready", "error", "unknown"];
        json!(states.choose(&mut self.rng))
    }

    fn items(&mut self, mut one: impl FnMut(&mut Self) -> Value) -> Value {
        let count = [0, 1, 2, 5, 40].choose(&mut self.rng).copied().unwrap_or(1);
        Value::Array((0..count).map(|_| one(self)).collect())
    }

    fn report(&mut self, agent: &str, sequence: i64) -> Value {
        let instances = self.items(|h| json!({"id": h.id(), "generation": h.number(), "state": h.state(), "operation": {"number": h.number(), "outcome": "done"}, "reason": {"code": h.text(), "text": h.text()}}));
        let ports =
            self.items(|h| json!({"id": h.id(), "generation": h.number(), "state": h.state(), "reason": {"code": "other", "text": h.text()}}));
        let consoles = self.items(|h| json!({"id": h.id(), "tail": h.text()}));
        let orphans = self.items(|h| {
            json!({"instance_id": h.id(), "port_id": h.id(), "network_id": h.id(), "is_there": h.rng.random::<bool>(), "is_running": true})
        });
        let sequence = if self.rng.random_range(0..8) == 0 { self.number() } else { json!(sequence) };
        json!({"agent": agent, "incarnation": 1, "sequence": sequence, "instances": instances, "ports": ports,
            "consoles": consoles, "orphans": orphans})
    }

    fn call(&mut self, sequence: i64) -> (&'static str, Value) {
        match self.rng.random_range(0..7) {
            0 => (
                "session",
                json!({"agent": "net", "version": self.text(), "vtep": self.text(), "underlay_mtu": self.number()}),
            ),
            1 => {
                let count = json!({"id": self.id(), "epoch": self.number(), "rx_bytes": self.number(), "records_lost": self.number()});
                (
                    "statistics",
                    json!({"incarnation": self.number(), "sequence": self.number(), "ports": [count, count], "rules": [count]}),
                )
            }
            2 => {
                let record = json!({"id": self.id(), "port_id": self.id(), "occurred_at": self.text(), "direction": "ingress", "verdict": "dropped",
                    "reason": "policy", "ethertype": self.number()});
                ("connections", json!({"records": [record, record]}))
            }
            3 => ("renew", json!({"csr_pem": self.text()})),
            _ => ("report", self.report("net", sequence)),
        }
    }
}

#[tokio::test]
async fn nobody_notices_a_hostile_host() {
    let (_database, connect) = database().await;
    let seed: u64 =
        std::env::var("IROKO_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("IROKO_FUZZ_SEED={seed}");
    let api = Arc::new(Api::start(&connect).await);
    let (honest, _) = Agent::pair(&api, "honest", "192.0.2.1").await;
    let (_, evil) = Agent::pair(&api, "evil", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/24").await;
    let (theirs, own) = (api.instance(&ground).await, api.instance(&ground).await);
    place(&api, theirs, honest.host()).await;
    place(&api, own, evil.host()).await;
    honest
        .link
        .report(&Report {
            instances: vec![InstanceObservation::new(theirs, 1, ObservedState::Running)],
            ..heartbeat(AgentKind::Compute, 1)
        })
        .await
        .unwrap();
    let before = api.get(&format!("instances/{theirs}")).await.must(200);
    let of = |id: InstanceId| {
        let api = &api;
        async move {
            api.get(&format!("instances/{id}")).await.must(200)["interfaces"][0]["port_id"].as_str().unwrap().to_owned()
        }
    };
    let known = vec![theirs.to_string(), own.to_string(), of(theirs).await, of(own).await, ground.network.clone()];
    let done = Arc::new(AtomicBool::new(false));
    let attacks = (0..4u64).map(|number| {
        let (link, done, known) = (evil.link.clone(), done.clone(), known.clone());
        tokio::spawn(async move {
            let mut hostile = Hostile { rng: StdRng::seed_from_u64(seed ^ number), known };
            let (mut sequence, mut failures) = (1_000_000 * i64::try_from(number).unwrap(), 0);
            while !done.load(Ordering::Relaxed) {
                sequence += 1;
                let (path, body) = hostile.call(sequence);
                let status = link.raw(path, &body).await.unwrap();
                failures += u32::from(status == 500);
            }
            failures
        })
    });
    let attacks: Vec<_> = attacks.collect();
    for sequence in 2..60 {
        honest
            .link
            .report(&heartbeat(AgentKind::Compute, sequence))
            .await
            .unwrap_or_else(|e| panic!("seed {seed}, report {sequence}: {e}"));
        api.get("networks").await.must(200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    done.store(true, Ordering::Relaxed);
    for attack in attacks {
        assert_eq!(attack.await.unwrap(), 0, "seed {seed}: the service failed");
    }
    assert_eq!(api.get(&format!("instances/{theirs}")).await.must(200), before, "seed {seed}");
    assert_eq!(api.call(reqwest::Method::GET, "/readyz", None, None).await.status, 200);
}

#[tokio::test]
async fn enrolment_reads_little_from_strangers() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
    let url = format!("https://{}/agent/v1/enrol", api.agents());
    let post = async |octets: usize| {
        let body = json!({"token": "x".repeat(octets), "agent": "net", "host_name": "h", "csr_pem": ""});
        client.post(&url).json(&body).send().await.map(|answer| answer.status().as_u16())
    };
    assert_eq!(post(1000).await.unwrap(), 401);
    // Refused before it is read: the answer, or the end of the connection, comes at once.
    assert!(post(1 << 20).await.is_ok_and(|status| status == 413) || post(1 << 20).await.is_err());
}
