//! The cloud as a whole, for operators: every instance, the capacity, what is stuck, the release.

use crate::agent_link::world::{Agent, place};
use crate::world::Api;
use iroko_agent_wire::{AgentKind, InstanceObservation, PortObservation, Report};
use iroko_model::instance::ObservedState;
use iroko_model::port::PortState;
use iroko_model::reason::{Code, Reason};
use iroko_model::stuck::StuckCode;
use iroko_model::{HostId, InstanceId};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

async fn items(api: &Api, path: &str) -> Vec<Value> {
    api.system(Method::GET, path, None).await.must(200)["items"].as_array().unwrap().clone()
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn runs(agent: &Agent, sequence: i64, id: InstanceId) {
    let seen = InstanceObservation::new(id, 1, ObservedState::Running);
    let report = Report { instances: vec![seen], ..Report::heartbeat(AgentKind::Compute, 1, sequence) };
    agent.link.report(&report).await.unwrap();
}

async fn run(api: &Api, sql: &'static str) {
    sqlx::query(sql).execute(api.store.pool()).await.unwrap();
}

#[tokio::test]
async fn operators_see_whose_instances_are_where() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, _) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (other, _) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let ground = api.ground("10.0.0.0/24").await;
    let mut request = ground.request("secretive");
    request["user_data"] = json!("#cloud-config hush");
    let running: InstanceId = api.post("instances", request).await.made().parse().unwrap();
    let (building, pending) = (api.instance(&ground).await, api.instance(&ground).await);
    place(&api, running, compute.host()).await;
    place(&api, building, other.host()).await;
    runs(&compute, 1, running).await;

    let all = api.system(Method::GET, "instances?total=true", None).await;
    assert!(!all.text.contains("hush") && !all.text.contains("user_data"), "{}", all.text);
    let all = all.must(200);
    assert_eq!(all["total"], 3);
    let shown = &all["items"][0];
    let wanted = json!({"organization_id": api.organization, "project_id": api.project, "organization_name": "default",
        "project_name": "default", "status": "running", "power": "running", "host_id": compute.host(), "host_name": "host-1",
        "flavor_id": ground.flavor, "vcpus": 1, "memory_mib": 64, "disk_gib": 1, "observed_generation": 1, "generation": 1,
        "name": "secretive"});
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(&shown[field], value, "{field} of {shown}");
    }
    // Each filter finds what it is for, and nothing else.
    let (running, building, pending) = (running.to_string(), building.to_string(), pending.to_string());
    let every = [running.as_str(), building.as_str(), pending.as_str()];
    let nobody = Uuid::now_v7();
    for (query, found) in [
        (String::new(), every.to_vec()),
        ("status=running".into(), vec![running.as_str()]),
        ("status=building".into(), vec![&building]),
        ("status=pending".into(), vec![&pending]),
        ("status=error".into(), vec![]),
        (format!("host_id={}", other.host()), vec![&building]),
        (format!("project_id={}", api.project), every.to_vec()),
        (format!("project_id={}", api.other), vec![]),
        (format!("organization_id={}", api.organization), every.to_vec()),
        (format!("organization_id={nobody}"), vec![]),
        (format!("flavor_id={}", ground.flavor), every.to_vec()),
        ("name=secretive".into(), vec![&running]),
        ("name_contains=RETI".into(), vec![&running]),
        ("sort=-created_at".into(), vec![&pending, &building, &running]),
        (format!("id={running},{pending}"), vec![&running, &pending]),
    ] {
        assert_eq!(ids(&items(&api, &format!("instances?{query}")).await), found, "{query}");
    }
    let first = api.system(Method::GET, "instances?limit=2", None).await.must(200);
    let next = format!("instances?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&items(&api, &next).await), [pending.as_str()]);
    let bad = api.system(Method::GET, "instances?status=asleep", None).await;
    assert_eq!(bad.fault(), ("status".into(), "value_unknown".into()));

    let of_host = async |host: HostId| ids(&items(&api, &format!("hosts/{host}/instances")).await);
    assert_eq!(of_host(compute.host()).await, [running.as_str()]);
    assert_eq!(of_host(other.host()).await, [building.as_str()]);
    api.system(Method::GET, &format!("hosts/{nobody}/instances"), None).await.problem("not-found", 404);
    // A silent host, a suspended project.
    run(&api, "UPDATE host_agent SET seen_at = now() - interval '1 hour'").await;
    assert_eq!(ids(&items(&api, "instances?status=unreachable").await), [running.as_str(), building.as_str()]);
    run(&api, "UPDATE project SET suspended_at = now()").await;
    let kept_off = &items(&api, "instances?status=stopped").await[0];
    assert_eq!(kept_off["id"], pending.as_str());
    assert!(kept_off["status_reason"].as_str().unwrap().contains("suspended"), "{kept_off}");
}

#[tokio::test]
async fn the_capacity_is_what_the_scheduler_gives_away() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let capacity = async || api.system(Method::GET, "capacity", None).await.must(200);
    assert_eq!(capacity().await["available"]["hosts"], 0);
    let mut hosts = Vec::new();
    for n in 1..=4 {
        hosts.push(Agent::pair(&api, &format!("host-{n}"), &format!("192.0.2.{n}")).await.0.host());
    }
    let ground = api.ground("10.0.0.0/24").await;
    let instance = api.instance(&ground).await;
    place(&api, instance, hosts[0]).await;
    let disable = json!({"state": "disabled"});
    api.system(Method::PATCH, &format!("hosts/{}", hosts[1]), Some(disable)).await.must(200);
    let silent = "UPDATE host_agent SET seen_at = now() - interval '1 hour' WHERE host_id = $1";
    sqlx::query(silent).bind(hosts[2].as_uuid()).execute(api.store.pool()).await.unwrap();
    let full = "UPDATE host SET disk_is_full = true WHERE id = $1";
    sqlx::query(full).bind(hosts[3].as_uuid()).execute(api.store.pool()).await.unwrap();
    let seen = capacity().await;
    let amounts = |vcpus: u32, memory_mib: u32, disk_gib: u32| json!({"vcpus": vcpus, "memory_mib": memory_mib, "disk_gib": disk_gib});
    let available = json!({"hosts": 1, "instances": 1, "total": amounts(512, 65536, 1000), "used": amounts(1, 64, 1),
        "free": amounts(511, 65472, 999)});
    assert_eq!(seen["available"], available);
    for share in ["disabled", "unreachable", "held"] {
        assert_eq!((&seen[share]["hosts"], &seen[share]["instances"]), (&json!(1), &json!(0)), "{share}: {seen}");
        assert_eq!(seen[share]["free"], amounts(512, 65536, 1000), "{share}");
    }
    // 511 processors are left, memory for 1023, disk for 999.
    assert_eq!(seen["flavors"], json!([{"flavor_id": ground.flavor, "name": "tiny", "x86_64": 511, "aarch64": 0}]));
    // One that is lost for good is no capacity any more.
    let name = json!({"name": "host-3"});
    api.system(Method::POST, &format!("hosts/{}/declare-dead", hosts[2]), Some(name)).await.must(200);
    assert_eq!(capacity().await["unreachable"]["hosts"], 0);
}

/// What is stuck, by kind, code and id.
async fn stuck(api: &Api, query: &str) -> BTreeSet<(String, String, String)> {
    let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    let found = items(api, &format!("stuck?{query}")).await;
    found.iter().map(|item| (text(item, "kind"), text(item, "code"), text(item, "id"))).collect()
}

#[tokio::test]
async fn what_is_stuck_is_told_with_its_reason() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    let of = |kind: &str, code: &str, id: &str| (kind.to_owned(), code.to_owned(), id.to_owned());
    let (instance, port) = (
        id.to_string(),
        api.get(&format!("instances/{id}")).await.must(200)["interfaces"][0]["port_id"].as_str().unwrap().to_owned(),
    );
    let create =
        api.get(&format!("instances/{id}/actions")).await.must(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let create = of("action", "action_not_finished", &create);

    // Nothing is stuck that was only just asked for.
    assert_eq!(stuck(&api, "").await, BTreeSet::new());
    let now = "older_than_s=0";
    assert_eq!(stuck(&api, now).await, [of("instance", "no_host", &instance), create.clone()].into());
    run(&api, "UPDATE instance SET generation_at = now() - interval '11 minutes'").await;
    assert_eq!(
        stuck(&api, "").await,
        [of("instance", "no_host", &instance)].into(),
        "ten minutes unless asked otherwise"
    );
    assert_eq!(stuck(&api, "older_than_s=3600").await, BTreeSet::new());

    place(&api, id, compute.host()).await;
    let building = of("instance", "building", &instance);
    let unplugged = of("port", "port_not_in_force", &port);
    assert_eq!(stuck(&api, now).await, [building, create, unplugged].into());
    let failed = PortObservation {
        id: port.parse().unwrap(),
        generation: 1,
        state: PortState::Failed,
        reason: Some(Reason::new(Code::NetworkFailed, "no bridge")),
    };
    let report = |sequence, ports| Report { ports, ..Report::heartbeat(AgentKind::Net, 1, sequence) };
    net.link.report(&report(1, vec![failed.clone()])).await.unwrap();
    let found = items(&api, "stuck?older_than_s=0&kind=port").await;
    assert_eq!((&found[0]["code"], &found[0]["detail"]), (&json!("port_failed"), &json!("no bridge")));
    let ready = PortObservation { state: PortState::Ready, reason: None, ..failed };
    net.link.report(&report(2, vec![ready])).await.unwrap();
    runs(&compute, 1, id).await;
    assert_eq!(stuck(&api, now).await, BTreeSet::new(), "it runs, and all is done");

    // A change that its host has not carried out, then an order it does not follow.
    let (path, body) = (api.at(&format!("instances/{id}")), json!({"name": "new"}));
    api.call(Method::PATCH, &path, Some(&api.member), Some(body)).await.must(200);
    assert_eq!(stuck(&api, "older_than_s=0&kind=instance").await, [of("instance", "not_in_force", &instance)].into());
    api.act(&format!("instances/{id}/stop")).await.must(202);
    assert_eq!(stuck(&api, "older_than_s=0&kind=instance").await, [of("instance", "stopping", &instance)].into());

    // Its host falls silent; then it is to be deleted.
    run(&api, "UPDATE host_agent SET seen_at = now() - interval '1 hour'").await;
    let silent = items(&api, "stuck?older_than_s=3000").await;
    assert_eq!(silent.len(), 1, "{silent:?}");
    assert_eq!(
        (&silent[0]["code"], &silent[0]["host_name"], &silent[0]["project_name"]),
        (&json!("host_silent"), &json!("host-1"), &json!("default"))
    );
    assert!(
        silent[0]["since"].as_str().unwrap() < silent[0]["created_at"].as_str().unwrap(),
        "since the host was last heard of"
    );
    api.delete(&format!("instances/{id}")).await.must(202);
    let waits = of("instance", "delete_waits_for_host", &instance);
    assert_eq!(stuck(&api, "older_than_s=0&kind=instance").await, [waits.clone()].into());
    run(&api, "UPDATE host_agent SET seen_at = now()").await;
    assert_eq!(
        stuck(&api, "older_than_s=0&kind=instance").await,
        [of("instance", "delete_not_done", &instance)].into()
    );
    run(&api, "UPDATE host_agent SET seen_at = now() - interval '1 hour'").await;

    // Images that do not arrive.
    let image = api.post("images", json!({"name": "later", "disk_format": "raw"})).await.made();
    let code = async || items(&api, "stuck?older_than_s=0&kind=image").await[0]["code"].clone();
    assert_eq!(code().await, "image_without_bytes");
    let upload = "UPDATE image SET status = 'uploading', upload_id = id, upload_lease = now() + interval '1 minute' WHERE status = 'queued'";
    run(&api, upload).await;
    assert_eq!(code().await, "image_upload_slow");
    run(&api, "UPDATE image SET upload_lease = now() - interval '1 minute' WHERE status = 'uploading'").await;
    assert_eq!(code().await, "image_upload_broken_off");

    // Filters, and French.
    let host = compute.host();
    for (query, many) in [
        ("code=delete_waits_for_host".to_owned(), 1),
        (format!("host_id={host}&kind=instance"), 1),
        (format!("host_id={}", Uuid::now_v7()), 0),
        (format!("organization_id={}&kind=image", api.organization), 1),
        (format!("project_id={}", api.other), 0),
    ] {
        assert_eq!(stuck(&api, &format!("older_than_s=0&{query}")).await.len(), many, "{query}");
    }
    let path = "/v1/system/stuck?older_than_s=0&kind=image";
    let request = api.request(Method::GET, path).bearer_auth(&api.operator).header("accept-language", "fr");
    let french = api.send(request).await.must(200)["items"][0]["text"].clone();
    assert_eq!(french.as_str(), iroko_web::locale::french(StuckCode::ImageUploadBrokenOff.text()).as_deref());
    assert_eq!(image, items(&api, "stuck?older_than_s=0&kind=image").await[0]["id"]);
    let bad = api.system(Method::GET, "stuck?older_than_s=-1", None).await;
    assert_eq!(bad.fault(), ("older_than_s".into(), "value_range".into()));
}

#[tokio::test]
async fn each_state_between_two_is_told() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let id = api.instance(&api.ground("10.0.0.0/24").await).await;
    place(&api, id, compute.host()).await;
    let shown = api.get(&format!("instances/{id}")).await.must(200);
    let port = shown["interfaces"][0]["port_id"].as_str().unwrap().parse().unwrap();
    let ready = PortObservation { id: port, generation: 1, state: PortState::Ready, reason: None };
    let report = Report { ports: vec![ready], ..Report::heartbeat(AgentKind::Net, 1, 1) };
    net.link.report(&report).await.unwrap();
    let codes = async |query: &str| {
        let found = items(&api, &format!("stuck?older_than_s=0&{query}")).await;
        found.iter().map(|item| item["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut sequence = 0;
    for (state, told) in [
        (ObservedState::Running, None),
        (ObservedState::Paused, Some("paused_by_host")),
        (ObservedState::Rebooting, Some("rebooting")),
        (ObservedState::Stopping, Some("stopping")),
        (ObservedState::Stopped, Some("building")),
        (ObservedState::Failed, None),
        (ObservedState::Running, None),
    ] {
        sequence += 1;
        let seen = InstanceObservation::new(id, 1, state);
        let report = Report { instances: vec![seen], ..Report::heartbeat(AgentKind::Compute, 1, sequence) };
        compute.link.report(&report).await.unwrap();
        assert_eq!(codes("kind=instance").await, told.into_iter().collect::<Vec<_>>(), "{state:?}");
    }
    // In its present state for a moment only, however long ago it was asked for.
    run(&api, "UPDATE instance SET generation_at = now() - interval '1 hour'").await;
    run(&api, "UPDATE instance_host SET placed_at = now() - interval '1 hour', state = 'paused'").await;
    run(&api, "UPDATE instance_host SET state = 'rebooting'").await;
    let found = items(&api, "stuck?older_than_s=600").await;
    assert!(found.is_empty(), "{found:?}");
    run(&api, "UPDATE instance_host SET state_since = now() - interval '1 hour'").await;
    assert_eq!(items(&api, "stuck?older_than_s=600").await[0]["code"], "rebooting");
    // A port whose host does not hear of its change.
    run(&api, "UPDATE port SET generation = generation + 1").await;
    assert_eq!(codes("kind=port").await, ["port_not_in_force"]);
    run(&api, "UPDATE host_agent SET seen_at = now() - interval '1 hour' WHERE kind = 'net'").await;
    assert_eq!(codes("kind=port").await, ["port_waits_for_host"]);
}

#[test]
fn every_reason_has_french() {
    for code in StuckCode::ALL {
        assert!(iroko_web::locale::french(code.text()).is_some(), "{}: {}", code.as_str(), code.text());
    }
}

#[tokio::test]
async fn the_release_is_told_to_operators() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let told = api.system(Method::GET, "version", None).await.must(200);
    assert_eq!(told, json!({"version": env!("CARGO_PKG_VERSION")}));
    api.call(Method::GET, "/v1/system/version", Some(&api.member), None).await.problem("not-found", 404);
}
