//! Actions: what was asked of an instance, by whom, and what became of it.

use crate::agent_link::world::{Agent, place};
use crate::world::{Answer, Api, fault};
use iroko_agent_wire::{
    AgentKind, DefinitionPart, InstanceObservation, InstanceSpec, OperationFault, OperationObservation, OperationPhase,
    Outcome, Report,
};
use iroko_model::InstanceId;
use iroko_model::instance::ObservedState;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

/// An instance on a host, and the host's word on it.
struct Ground {
    api: Api,
    compute: Agent,
    id: InstanceId,
    sequence: i64,
}

impl Ground {
    async fn new(api: Api) -> Self {
        let (compute, _) = Agent::pair(&api, "host-1", "192.0.2.1").await;
        let ground = api.ground("10.0.0.0/24").await;
        let id = api.instance(&ground).await;
        Self { api, compute, id, sequence: 0 }
    }

    async fn spec(&self) -> InstanceSpec {
        let whole = self.compute.link.desired("").await.unwrap();
        let mut desired = iroko_agent_link::Desired::default();
        desired.apply(&whole);
        (*desired.instances[&self.id]).clone()
    }

    /// The host has seen it so, at the generation that is wanted now.
    async fn report(&mut self, state: ObservedState, operation: Option<OperationObservation>) {
        self.sequence += 1;
        let generation = self.spec().await.generation;
        let seen = InstanceObservation { operation, ..InstanceObservation::new(self.id, generation, state) };
        let report = Report { instances: vec![seen], ..Report::heartbeat(AgentKind::Compute, 1, self.sequence) };
        self.compute.link.report(&report).await.unwrap();
    }

    async fn act(&self, verb: &str) -> Answer {
        let answer = self.api.act(&format!("instances/{}/{verb}", self.id)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer
    }

    /// The action that an answer leads to.
    async fn action_of(&self, answer: &Answer) -> Value {
        let place = answer.headers["location"].to_str().unwrap().to_owned();
        self.api.call(Method::GET, &place, Some(&self.api.member), None).await.must(200)
    }

    async fn all(&self) -> Vec<(String, String)> {
        let seen = self.api.get(&format!("instances/{}/actions", self.id)).await.must(200);
        let word = |action: &Value, field: &str| action[field].as_str().unwrap().to_owned();
        seen["items"].as_array().unwrap().iter().map(|one| (word(one, "kind"), word(one, "status"))).collect()
    }
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(kind, status)| ((*kind).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn each_verb_is_an_action_that_reports_settle() {
    let (_database, connect) = database().await;
    let mut ground = Ground::new(Api::start(&connect).await).await;
    assert_eq!(ground.all().await, pairs(&[("create", "pending")]));
    place(&ground.api, ground.id, ground.compute.host()).await;
    ground.report(ObservedState::Preparing, None).await;
    assert_eq!(ground.all().await, pairs(&[("create", "running")]));
    ground.report(ObservedState::Running, None).await;
    assert_eq!(ground.all().await, pairs(&[("create", "done")]));

    let answer = ground.act("stop").await;
    let asked = ground.action_of(&answer).await;
    assert_eq!((asked["kind"].as_str(), asked["status"].as_str()), (Some("stop"), Some("pending")));
    assert_eq!(asked["request_id"].as_str(), answer.headers["x-request-id"].to_str().ok());
    assert_eq!((asked["actor"]["kind"].as_str(), asked["number"].as_i64()), (Some("user"), Some(2)));
    ground.report(ObservedState::Stopping, None).await;
    let asked = ground.action_of(&answer).await;
    assert_eq!((asked["status"].as_str(), asked["phase"].as_str()), (Some("running"), Some("stopping")));
    ground.report(ObservedState::Stopped, None).await;
    let asked = ground.action_of(&answer).await;
    assert_eq!(asked["status"], "done");
    assert!(asked["finished_at"].is_string() && asked["phase"].is_null(), "{asked}");

    // Asked for and overtaken; then asked for where there is nothing to do.
    let start = ground.act("start").await;
    let stop = ground.act("stop").await;
    assert_eq!(ground.action_of(&start).await["status"], "superseded");
    ground.report(ObservedState::Stopped, None).await;
    assert_eq!(ground.action_of(&stop).await["status"], "done");
    let again = ground.act("stop").await;
    assert_eq!(ground.action_of(&again).await["status"], "done", "it is off");

    let gone = ground.api.delete(&format!("instances/{}", ground.id)).await;
    assert_eq!((gone.status, ground.action_of(&gone).await["status"].as_str()), (202, Some("pending")));
    ground.report(ObservedState::Absent, None).await;
    assert_eq!(ground.action_of(&gone).await["status"], "done", "also of an instance that is gone");
    assert_eq!(ground.all().await.last(), pairs(&[("delete", "done")]).last());
}

#[tokio::test]
async fn an_instance_without_a_host_is_gone_at_once_and_its_action_says_so() {
    let (_database, connect) = database().await;
    let ground = Ground::new(Api::start(&connect).await).await;
    let gone = ground.api.delete(&format!("instances/{}", ground.id)).await;
    assert_eq!(ground.action_of(&gone).await["status"], "done");
    assert_eq!(ground.all().await, pairs(&[("create", "superseded"), ("delete", "done")]));
}

#[tokio::test]
async fn a_reboot_is_an_operation_of_the_same_number_on_its_host() {
    let (_database, connect) = database().await;
    let mut ground = Ground::new(Api::start(&connect).await).await;
    place(&ground.api, ground.id, ground.compute.host()).await;
    ground.report(ObservedState::Running, None).await;
    assert_eq!(ground.spec().await.operation, None);
    for outcome in [Outcome::Done, Outcome::Failed(OperationFault::Unsupported)] {
        let answer = ground.act("reboot").await;
        let number = ground.spec().await.operation.unwrap().number;
        assert_eq!(ground.action_of(&answer).await["number"], json!(number));
        let phase = Some(OperationPhase::Stopping);
        let under_way = OperationObservation { number, phase, progress: Some(30), outcome: None };
        ground.report(ObservedState::Rebooting, Some(under_way)).await;
        let seen = ground.action_of(&answer).await;
        let told = (seen["status"].as_str(), seen["phase"].as_str(), seen["progress"].as_i64());
        assert_eq!(told, (Some("running"), Some("stopping"), Some(30)));
        assert_eq!(ground.api.get(&format!("instances/{}", ground.id)).await.must(200)["status"], "rebooting");
        let ended = OperationObservation { phase: None, progress: None, outcome: Some(outcome), ..under_way };
        ground.report(ObservedState::Running, Some(ended)).await;
        let seen = ground.action_of(&answer).await;
        match outcome {
            Outcome::Done => assert_eq!((seen["status"].as_str(), seen["code"].as_str()), (Some("done"), None)),
            Outcome::Failed(_) => {
                assert_eq!((seen["status"].as_str(), seen["code"].as_str()), (Some("failed"), Some("unsupported")))
            }
        }
        assert_eq!(ground.api.get(&format!("instances/{}", ground.id)).await.must(200)["status"], "running");
    }
    assert_eq!(ground.all().await, pairs(&[("create", "done"), ("reboot", "done"), ("reboot", "failed")]));
}

#[tokio::test]
async fn actions_are_listed_in_pages_and_are_nobody_elses() {
    let (_database, connect) = database().await;
    let ground = Ground::new(Api::start(&connect).await).await;
    for verb in ["stop", "start", "stop"] {
        ground.act(verb).await;
    }
    let at = format!("instances/{}/actions", ground.id);
    let first = ground.api.get(&format!("{at}?limit=3")).await.must(200);
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = ground.api.get(&format!("{at}?limit=3&cursor={cursor}")).await.must(200);
    assert_eq!((rest["items"].as_array().unwrap().len(), rest["next_cursor"].as_str()), (1, None));
    let id = rest["items"][0]["id"].as_str().unwrap();
    let other = InstanceId::new();
    for missing in [format!("instances/{other}/actions"), format!("instances/{other}/actions/{id}")] {
        assert_eq!(ground.api.get(&missing).await.status, 404, "{missing}");
    }
}

#[tokio::test]
async fn interfaces_are_attached_and_detached() {
    let (_database, connect) = database().await;
    let mut ground = Ground::new(Api::start(&connect).await).await;
    place(&ground.api, ground.id, ground.compute.host()).await;
    ground.report(ObservedState::Running, None).await;
    let at = format!("instances/{}", ground.id);
    let network = ground.api.post("networks", json!({"name": "second"})).await.made();
    let subnet = json!({"network_id": network, "name": "sub", "cidr": "10.7.0.0/24"});
    ground.api.post("subnets", subnet).await.made();
    let own = ground.api.post("ports", json!({"network_id": network, "name": "own"})).await.made();
    let attach = async |body: Value| ground.api.post(&format!("{at}/interfaces"), body).await;

    let answer = attach(json!({"network_id": network, "ip_addresses": ["10.7.0.9"]})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let seen = answer.json();
    assert_eq!(seen["interfaces"][1]["ip_addresses"], json!(["10.7.0.9"]));
    let made = seen["interfaces"][1]["port_id"].as_str().unwrap().to_owned();
    let action = ground.action_of(&answer).await;
    assert_eq!((&action["kind"], &action["status"]), (&json!("attach_interface"), &json!("pending")));
    assert_eq!(action["arguments"], json!({"port_id": made}));
    attach(json!({"port_id": own})).await.must(202);
    assert_eq!(attach(json!({"port_id": own})).await.problem("conflict", 409)["rule"], "port_in_use");
    assert_eq!(attach(json!({"network_id": own})).await.fault().0, "/network_id");
    assert_eq!(
        attach(json!({"port_id": own, "mac_address": "02:00:00:00:00:01"})).await.fault(),
        fault("", "addresses_of_port")
    );
    // Its host is told of all three, in order; what is in force later is shown.
    let spec = ground.spec().await;
    let nics: Vec<String> = spec.nics.iter().map(|nic| nic.port_id.to_string()).collect();
    assert_eq!((nics.len(), &nics[1..]), (3, &[made.clone(), own.clone()][..]));
    let bound = "SELECT count(*) FROM port_host b JOIN port p ON p.id = b.port_id WHERE p.instance_id = $1";
    let count = async || -> i64 {
        sqlx::query_scalar(bound).bind(ground.id.as_uuid()).fetch_one(ground.api.store.pool()).await.unwrap()
    };
    assert_eq!(count().await, 3);
    let later = InstanceObservation {
        at_next_start: vec![DefinitionPart::Interface, DefinitionPart::Cpu],
        ..InstanceObservation::new(ground.id, spec.generation, ObservedState::Running)
    };
    let report = |instances| Report { instances, ..Report::heartbeat(AgentKind::Compute, 1, 90) };
    ground.compute.link.report(&report(vec![later])).await.unwrap();
    let seen = ground.api.get(&at).await.must(200);
    assert_eq!(
        (&seen["at_next_start"], &seen["observed_generation"]),
        (&json!(["interface", "cpu"]), &seen["generation"])
    );
    assert_eq!(ground.action_of(&answer).await["status"], "done");

    // A port that stands alone stays, another goes.
    let detach = async |port: &str| ground.api.delete(&format!("{at}/interfaces/{port}")).await;
    assert_eq!(detach(&made).await.must(202)["interfaces"].as_array().unwrap().len(), 2);
    detach(&made).await.problem("not-found", 404);
    detach(&own).await.must(202);
    ground.api.get(&format!("ports/{made}")).await.problem("not-found", 404);
    let left = ground.api.get(&format!("ports/{own}")).await.must(200);
    assert!(left["instance_id"].is_null() && left["status"] == "pending", "{left}");
    assert_eq!((count().await, ground.spec().await.nics.len()), (1, 1));
    // Eight at most; none is put into one that goes.
    for _ in 0..7 {
        attach(json!({"network_id": network})).await.must(202);
    }
    assert_eq!(attach(json!({"network_id": network})).await.problem("conflict", 409)["rule"], "interfaces_count");
    ground.api.delete(&at).await.must(202);
    attach(json!({"port_id": own})).await.problem("conflict", 409);
    assert_eq!(detach(&nics[0]).await.problem("conflict", 409)["rule"], "instance_state");
}
