//! Hosts and enrolment tokens.

use crate::agent_link::world::{Agent, enrolled_host, place};
use crate::world::{Api, fault};
use iroko_agent_link::LinkError;
use iroko_agent_wire::{AgentKind, InstanceObservation, Report};
use iroko_model::instance::ObservedState;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn hosts_are_shown_disabled_and_deleted() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let id = enrolled_host(&api, "host-1").await;
    let at = format!("hosts/{id}");
    let host = api.system(Method::GET, &at, None).await.must(200);
    assert_eq!((host["name"].as_str(), host["state"].as_str()), (Some("host-1"), Some("enabled")));
    assert_eq!((host["reachable"].as_bool(), host["architecture"].as_str()), (Some(true), Some("x86_64")));
    assert_eq!(host["capacity"], json!({"vcpus": 512, "memory_mib": 65536, "disk_gib": 1000}));
    assert_eq!(host["used"], json!({"vcpus": 0, "memory_mib": 0, "disk_gib": 0}));
    let update = |body| api.system(Method::PATCH, &at, Some(body));
    assert_eq!(update(json!({"state": "disabled"})).await.must(200)["state"], "disabled");
    assert_eq!(update(json!({"state": "asleep"})).await.fault().0, "/state");
    let list = api.system(Method::GET, "hosts?name=host-1", None).await.must(200);
    assert_eq!(list["items"][0]["state"], "disabled");
    for version in ["compute_version", "net_version"] {
        assert_eq!((&host[version], &list["items"][0][version]), (&json!("test"), &json!("test")), "{version}");
    }
    let nowhere = format!("hosts/{}", Uuid::now_v7());
    api.system(Method::PATCH, &nowhere, Some(json!({"state": "disabled"}))).await.problem("not-found", 404);

    update(json!({"state": "enabled"})).await.must(200);
    let ground = api.ground("10.0.0.0/24").await;
    let instance = api.instance(&ground).await;
    crate::agent_link::world::place(&api, instance, id).await;
    api.system(Method::DELETE, &at, None).await.problem("conflict", 409);
    let shown = api.system(Method::GET, &at, None).await.must(200);
    assert_eq!((&shown["instances"], &shown["used"]["memory_mib"]), (&json!(1), &json!(64)));
    // Only an operator learns where an instance is.
    let path = api.at(&format!("instances/{instance}"));
    assert!(api.call(Method::GET, &path, Some(&api.member), None).await.must(200).get("host_id").is_none());
    crate::agent_link::world::vanish(&api, instance).await;
    api.system(Method::DELETE, &at, None).await.must(204);
    api.system(Method::DELETE, &at, None).await.problem("not-found", 404);
}

#[tokio::test]
async fn tokens_are_shown_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let body = json!({"host_name": "host-1.lome.example", "valid_s": 60});
    let made = api.system(Method::POST, "enrolment-tokens", Some(body)).await.must(201);
    let token = made["token"].as_str().unwrap();
    assert!(
        token.starts_with("iroko-enrol-") && token.ends_with(api.app().agents.authority().fingerprint()),
        "{token}"
    );
    let list = api.system(Method::GET, "enrolment-tokens", None).await;
    assert!(!list.text.contains(token) && list.must(200)["items"][0].get("token").is_none());
    assert_eq!(list.json()["items"][0]["used_by"], json!([]));
    let bad = json!({"host_name": "Host 1", "valid_s": 59});
    let faults = api.system(Method::POST, "enrolment-tokens", Some(bad)).await.faults();
    assert_eq!(faults, [fault("/host_name", "host_name_form"), fault("/valid_s", "valid_range")]);
    let at = format!("enrolment-tokens/{}", made["id"].as_str().unwrap());
    api.system(Method::DELETE, &at, None).await.must(204);
    api.system(Method::DELETE, &at, None).await.problem("not-found", 404);
}

#[tokio::test]
async fn a_host_is_dead_by_the_operators_word() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, _) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (mut other, mut other_net) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let (id, ground) = (compute.host(), api.ground("10.0.0.0/24").await);
    let instances = [api.instance(&ground).await, api.instance(&ground).await, api.instance(&ground).await];
    let [ran, waited, deleted] = instances;
    let neighbour = api.instance(&ground).await;
    for instance in instances {
        place(&api, instance, id).await;
    }
    place(&api, neighbour, other.host()).await;
    other_net.watch().await;
    let running = InstanceObservation::new(ran, 1, ObservedState::Running);
    compute
        .link
        .report(&Report { instances: vec![running], ..Report::heartbeat(AgentKind::Compute, 1, 1) })
        .await
        .unwrap();
    api.delete(&format!("instances/{deleted}")).await.must(202);
    let at = format!("hosts/{id}/declare-dead");
    let declare = async |name: &str| api.system(Method::POST, &at, Some(json!({"name": name}))).await;
    assert_eq!(declare("host-2").await.fault(), fault("/name", "host_name_other"));
    let alive = declare("host-1").await;
    assert!(alive.problem("conflict", 409)["detail"].as_str().unwrap().contains("cut its power"));
    let silent = "UPDATE host_agent SET seen_at = now() - interval '1 hour' WHERE host_id = $1";
    sqlx::query(silent).bind(id.as_uuid()).execute(api.store.pool()).await.unwrap();
    let told = declare("host-1").await.must(200);
    assert_eq!((&told["lost"], &told["placed_anew"], &told["deleted"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!((&told["host"]["state"], &told["host"]["instances"]), (&json!("dead"), &json!(0)));
    assert_eq!(told["host"]["generation"], 2, "who has seen it alive and changes it by If-Match hears of it");
    let noted = json!({"description": "burnt"});
    api.system(Method::PATCH, &format!("hosts/{id}"), Some(noted)).await.must(200);
    declare("host-1").await.problem("conflict", 409);
    // It never comes back by itself, nor by mistake.
    assert!(matches!(compute.link.report(&Report::heartbeat(AgentKind::Compute, 1, 2)).await, Err(LinkError::Refused)));
    let enable = api.system(Method::PATCH, &format!("hosts/{id}"), Some(json!({"state": "enabled"}))).await;
    enable.problem("conflict", 409);
    let again = api.system(Method::PATCH, &format!("hosts/{}", other.host()), Some(json!({"state": "dead"}))).await;
    assert_eq!(again.fault(), fault("/state", "host_state_dead"));
    // What became of its instances.
    let show = async |id| api.get(&format!("instances/{id}?deleted=true")).await.must(200);
    let lost = show(ran).await;
    assert!(lost["status"] == "error" && lost["status_reason"].as_str().unwrap().contains("was lost"), "{lost}");
    assert_eq!(show(waited).await["status"], "pending");
    assert_eq!(show(deleted).await["status"], "deleted");
    // A lost one is not made anew behind its owner's back; they delete it at once.
    for verb in ["start", "stop", "reboot"] {
        api.act(&format!("instances/{ran}/{verb}")).await.problem("conflict", 409);
    }
    let address = lost["interfaces"][0]["ip_addresses"][0].as_str().unwrap().to_owned();
    api.delete(&format!("instances/{ran}")).await.must(202);
    assert_eq!(show(ran).await["status"], "deleted");
    assert!(!api.get("ports").await.text.contains(&address), "its address is free");
    // The neighbour's host forgets the way to it; the one that waited goes there.
    place(&api, waited, other.host()).await;
    let mut gone = false;
    for _ in 0..4 {
        other_net.watch().await;
        gone = other_net.desired.peers.values().flat_map(|peers| peers.values()).all(|peer| peer.host_id != id);
        if gone {
            break;
        }
    }
    assert!(gone, "{:?}", other_net.desired.peers);
    other.watch().await;
    assert!(other.desired.instances.contains_key(&waited));
    // And the host is taken off the list.
    api.system(Method::DELETE, &format!("hosts/{id}"), None).await.must(204);
    let record = "SELECT count(*) FROM audit_record WHERE operation = 'host_declare_dead' AND outcome = 'done'";
    assert_eq!(sqlx::query_scalar::<_, i64>(record).fetch_one(api.store.pool()).await.unwrap(), 1);
}

#[tokio::test]
async fn instances_being_deleted_hold_no_silent_host() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, _) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (id, ground) = (compute.host(), api.ground("10.0.0.0/24").await);
    let (one, two) = (api.instance(&ground).await, api.instance(&ground).await);
    place(&api, one, id).await;
    place(&api, two, id).await;
    api.delete(&format!("instances/{one}")).await.must(202);
    let at = format!("hosts/{id}");
    let delete = async || api.system(Method::DELETE, &at, None).await;
    api.system(Method::PATCH, &at, Some(json!({"state": "disabled"}))).await.must(200);
    delete().await.problem("conflict", 409);
    let silent = "UPDATE host_agent SET seen_at = now() - interval '1 hour'";
    sqlx::query(silent).execute(api.store.pool()).await.unwrap();
    delete().await.problem("conflict", 409);
    assert_eq!(api.get(&format!("instances/{one}")).await.must(200)["status"], "deleting", "one is still wanted");
    api.delete(&format!("instances/{two}")).await.must(202);
    delete().await.must(204);
    for instance in [one, two] {
        assert_eq!(api.get(&format!("instances/{instance}?deleted=true")).await.must(200)["status"], "deleted");
    }
}

#[tokio::test]
async fn hosts_are_described_labelled_and_found() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (one, two) = (enrolled_host(&api, "host-1").await, Agent::pair(&api, "host-2", "192.0.2.2").await.0.host());
    let patch = async |id, body| api.system(Method::PATCH, &format!("hosts/{id}"), Some(body)).await;
    let labelled = json!({"description": "new disk on Monday", "labels": {"rack": "b7", "hall": "north"}});
    let changed = patch(one, labelled).await;
    let shown = changed.must(200);
    assert_eq!((&shown["description"], &shown["generation"]), (&json!("new disk on Monday"), &json!(2)));
    assert_eq!(shown["state"], "enabled", "what is absent stays");
    patch(two, json!({"labels": {"hall": "north"}})).await.must(200);
    // A label goes by null, the rest stays; what changes nothing makes no generation.
    let shown = patch(two, json!({"labels": {"hall": "north"}, "state": "enabled"})).await.must(200);
    assert_eq!(shown["generation"], 2);
    let names = async |query: &str| {
        let list = api.system(Method::GET, &format!("hosts?{query}"), None).await.must(200);
        let items = list["items"].as_array().unwrap().clone();
        (items.iter().map(|host| host["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), list["total"].clone())
    };
    assert_eq!(names("label=rack%3Db7").await.0, ["host-1"]);
    assert_eq!(
        names("label=hall%3Dnorth&sort=-name&total=true").await,
        (vec!["host-2".into(), "host-1".into()], json!(2))
    );
    assert!(names("label=hall%3Dsouth").await.0.is_empty());
    assert_eq!(names("name_contains=T-2").await.0, ["host-2"]);
    let shown = patch(one, json!({"labels": {"rack": null}})).await.must(200);
    assert_eq!(shown["labels"], json!({"hall": "north"}));
    patch(two, json!({"state": "disabled"})).await.must(200);
    assert_eq!(names("state=disabled").await.0, ["host-2"]);
    let silent = "UPDATE host_agent SET seen_at = now() - interval '1 hour' WHERE host_id = $1 AND kind = 'net'";
    sqlx::query(silent).bind(one.as_uuid()).execute(api.store.pool()).await.unwrap();
    assert_eq!(
        (names("reachable=false").await.0, names("reachable=true").await.0),
        (vec!["host-1".into()], vec!["host-2".into()])
    );
    // Its name is not for a patch, nor is a state that is none; a stale view is refused.
    assert_eq!(patch(one, json!({"name": "other"})).await.fault(), fault("/name", "field_unknown"));
    assert_eq!(patch(one, json!({"state": null})).await.fault(), fault("/state", "field_missing"));
    let stale = api
        .request(Method::PATCH, &format!("/v1/system/hosts/{one}"))
        .bearer_auth(&api.operator)
        .header("if-match", &changed.headers["etag"])
        .json(&json!({"description": "stale"}));
    assert_eq!(api.send(stale).await.status, 412);
    let told = "SELECT count(*) FROM event WHERE noun = 'host' AND verb = 'changed' AND after ? 'labels'";
    assert_eq!(sqlx::query_scalar::<_, i64>(told).fetch_one(api.store.pool()).await.unwrap(), 3);
    let record = "SELECT count(*) FROM audit_record WHERE operation = 'host_update' AND outcome = 'done'";
    assert!(sqlx::query_scalar::<_, i64>(record).fetch_one(api.store.pool()).await.unwrap() >= 4);
}
