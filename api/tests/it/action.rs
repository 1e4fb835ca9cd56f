//! Actions: what was asked of an instance, by whom, and what became of it.

use crate::agent_link::world::{Agent, place};
use crate::world::{Answer, Api};
use iroko_agent_wire::{
    AgentKind, InstanceObservation, InstanceSpec, OperationFault, OperationObservation, OperationPhase, Outcome, Report,
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
