//! Instances: what is refused before they exist, what may be asked of them, why they wait.

use crate::agent_link::world::{enrolled_host, place, vanish};
use crate::world::{Api, KEY, fault};
use iroko_model::host::Architecture;
use iroko_model::{HostId, Resources};
use iroko_scheduler::placement::explain;
use iroko_scheduler::reconcile::{Placement, Reconcile, Silence};
use iroko_store::placement::{HostView, Pending};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn instances_are_made_shown_and_deleted() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let key = api.post("ssh-keys", json!({"name": "ama", "public_key": KEY})).await.made();
    let mut request = ground.request("Économie & Finances");
    request["ssh_key_ids"] = json!([key]);
    request["user_data"] = json!("#cloud-config\n");
    request["labels"] = json!({"role": "web"});
    let made = api.post("instances", request).await.must(201);
    assert_eq!((made["status"].as_str(), made["hostname"].as_str()), (Some("pending"), Some("economie-finances")));
    assert_eq!((&made["vcpus"], &made["memory_mib"], &made["disk_gib"]), (&json!(1), &json!(64), &json!(1)));
    assert!(made["interfaces"][0]["ip_addresses"][0].as_str().unwrap().starts_with("10.0.0."), "{made}");
    let at = format!("instances/{}", made["id"].as_str().unwrap());
    assert_eq!(api.get(&at).await.must(200), made);
    assert_eq!(api.get("instances").await.must(200)["items"], json!([made]));
    let log = api.get(&format!("{at}/console-log")).await.must(200);
    assert_eq!(log, json!({"output": ""}), "no host yet: nothing to wait for");
    api.delete(&at).await.must(202);
    assert_eq!(api.get(&format!("{at}?deleted=true")).await.must(200)["status"], "deleted", "kept for the bill");
    assert_eq!(api.get("instances").await.must(200)["items"], json!([]));
    api.delete(&at).await.must(204);
    api.delete(&format!("instances/{}", Uuid::now_v7())).await.problem("not-found", 404);
    api.get(&format!("{at}/console-log")).await.problem("not-found", 404);
}

#[tokio::test]
async fn requests_are_checked_with_pointers_and_rules() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let nobody = json!(Uuid::now_v7());
    let port = json!({"port_id": nobody});
    let many = |what: &Value, count: usize| Value::Array(vec![what.clone(); count]);
    let table = [
        ("name", json!(""), "/name", "name_empty"),
        ("name", json!(7), "/name", "value_type"),
        ("flavor_id", nobody.clone(), "/flavor_id", "reference_not_found"),
        ("flavor_id", json!("small"), "/flavor_id", "value_form"),
        ("image_id", nobody.clone(), "/image_id", "reference_not_found"),
        ("interfaces", json!([]), "/interfaces", "interfaces_count"),
        ("interfaces", many(&json!({"network_id": ground.network}), 9), "/interfaces", "interfaces_count"),
        ("interfaces", json!([{}]), "/interfaces/0", "interface_source"),
        ("interfaces", json!([{"network_id": nobody, "port_id": nobody}]), "/interfaces/0", "interface_source"),
        ("interfaces", many(&port, 2), "/interfaces/1/port_id", "port_twice"),
        ("interfaces", json!([port]), "/interfaces/0/port_id", "reference_not_found"),
        ("interfaces", json!([{"network_id": nobody}]), "/interfaces/0/network_id", "reference_not_found"),
        ("interfaces", json!([{"network": nobody}]), "/interfaces/0/network", "field_unknown"),
        ("ssh_key_ids", json!([nobody]), "/ssh_key_ids/0", "reference_not_found"),
        ("ssh_key_ids", many(&nobody, 33), "/ssh_key_ids", "ssh_keys_too_many"),
        ("user_data", json!("x".repeat(65537)), "/user_data", "user_data_long"),
        ("user_data", json!("a\0b"), "/user_data", "user_data_nul"),
        ("labels", json!({"": "x"}), "/labels", "label_key_form"),
        ("colour", json!("green"), "/colour", "field_unknown"),
    ];
    for (field, value, pointer, rule) in table {
        let mut request = ground.request("vm");
        request[field] = value;
        let answer = api.post("instances", request).await;
        assert_eq!(answer.fault(), fault(pointer, rule), "{}", answer.text);
    }
    let several =
        json!({"name": " x", "flavor_id": nobody, "image_id": nobody, "interfaces": [], "labels": {"a b": ""}});
    let wanted = [("/interfaces", "interfaces_count"), ("/labels", "label_key_form"), ("/name", "name_padded")];
    assert_eq!(api.post("instances", several).await.faults(), wanted.map(|(p, r)| fault(p, r)), "all at once");
    assert_eq!(api.get("ports").await.must(200)["items"], json!([]), "nothing is left of what was refused");
}

/// What was sent is read back in the field in which it came, and reaches the host with what it is.
#[tokio::test]
async fn user_data_comes_as_text_or_as_base64() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let with = |field: &str, data: &str| {
        let mut request = ground.request("vm");
        request[field] = json!(data);
        request
    };
    for (field, data) in [("user_data", "#cloud-config\n"), ("user_data", "H4sIAAAA"), ("user_data_base64", "AP8=")] {
        let id = api.post("instances", with(field, data)).await.made();
        let back = api.get(&format!("instances/{id}/user-data")).await.must(200);
        assert_eq!(back, json!({field: data}));
        let id: uuid::Uuid = id.parse().unwrap();
        let mut tx = api.store.begin().await.unwrap();
        let is_base64 = iroko_store::instance::instance_user_data(&mut tx, api.project, id.into()).await.unwrap();
        assert_eq!(is_base64, Some((Some(data.to_owned()), field == "user_data_base64")));
    }
    let most = |octets: usize| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, vec![0xff; octets]);
    api.post("instances", with("user_data_base64", &most(65536))).await.must(201);
    for (data, rule) in [(most(65537), "user_data_long"), ("#cloud-config".to_owned(), "user_data_base64_form")] {
        let answer = api.post("instances", with("user_data_base64", &data)).await;
        assert_eq!(answer.fault(), fault("/user_data_base64", rule));
    }
    let mut both = with("user_data", "x");
    both["user_data_base64"] = json!("AAAA");
    assert_eq!(api.post("instances", both).await.fault(), fault("/user_data_base64", "user_data_twice"));
}

#[tokio::test]
async fn the_image_must_be_there_and_fit() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let mut ground = api.ground("10.0.0.0/24").await;
    ground.image = api.post("images", json!({"name": "i", "disk_format": "qcow2"})).await.made();
    let queued = api.post("instances", ground.request("vm")).await.problem("conflict", 409);
    assert!(queued["detail"].as_str().unwrap().contains("queued"), "{queued}");
    // A disk of 1 GiB and one octet does not fit into the flavor's 1 GiB.
    api.upload(&ground.image, iroko_model::image::qcow2::blank((1 << 30) + 1)).await.must(200);
    let answer = api.post("instances", ground.request("vm")).await;
    assert_eq!(answer.fault(), fault("/flavor_id", "disk_too_small"));
    assert!(answer.text.contains("has 1 GiB of disk, the image needs 2"), "{}", answer.text);
}

#[tokio::test]
async fn what_may_be_asked_depends_on_what_is_wanted() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let host = enrolled_host(&api, "host-1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    let act = |action: &str| {
        let path = format!("instances/{id}/{action}");
        let api = &api;
        async move { api.act(&path).await }
    };
    // Pending.
    assert_eq!(act("stop").await.must(202)["status"], "stopped");
    act("reboot").await.problem("conflict", 409);
    assert_eq!(act("stop").await.must(202)["generation"], 2, "asking for what is wanted changes nothing");
    assert_eq!(act("start").await.must(202)["status"], "pending");
    // On a host that has seen nothing yet.
    place(&api, id, host).await;
    assert_eq!(act("start").await.must(202)["status"], "building");
    assert_eq!(act("reboot").await.must(202)["generation"], 4);
    assert_eq!(act("stop").await.must(202)["status"], "building");
    // Being deleted, then gone.
    let at = format!("instances/{id}");
    api.delete(&at).await.must(202);
    api.delete(&at).await.must(202);
    assert_eq!(api.get(&at).await.must(200)["status"], "deleting");
    for action in ["start", "stop", "reboot"] {
        act(action).await.problem("conflict", 409);
    }
    vanish(&api, id).await;
    assert_eq!(api.get(&format!("{at}?deleted=true")).await.must(200)["status"], "deleted");
    api.get(&at).await.problem("not-found", 404);
    for action in ["start", "stop", "reboot"] {
        act(action).await.problem("not-found", 404);
    }
    api.act(&format!("instances/{}/start", Uuid::now_v7())).await.problem("not-found", 404);
}

#[tokio::test]
async fn a_pending_instance_says_why_and_tells_of_nobody() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let mut ground = api.ground("10.0.0.0/24").await;
    let big = json!({"name": "big", "vcpus": 60, "memory_mib": 65537, "disk_gib": 10});
    ground.flavor = api.system(Method::POST, "flavors", Some(big)).await.made();
    let at = format!("instances/{}", api.instance(&ground).await);
    let mut scheduler = Placement::new(20.0);
    scheduler.pass(&api.store).await.unwrap();
    let reason = |answer: &crate::world::Answer| answer.must(200)["status_reason"].as_str().unwrap().to_owned();
    let empty = reason(&api.get(&at).await);
    assert_eq!(empty, "no host has joined the cloud yet; the operator must enrol one");
    let mut hosts = Vec::new();
    for name in ["secret-host-1", "secret-host-2"] {
        hosts.push(enrolled_host(&api, name).await);
    }
    let disabled = Some(json!({"state": "disabled"}));
    api.system(Method::PATCH, &format!("hosts/{}", hosts[1]), disabled).await.must(200);
    let again = api.instance(&ground).await;
    scheduler.pass(&api.store).await.unwrap();
    let shown = api.get(&format!("instances/{again}")).await;
    let said = reason(&shown);
    assert!(said.starts_with("none of 2 hosts fits: 1 disabled by the operator, 1 without 65537 MiB"), "{said}");
    assert!(said.contains("the nearest lacks 1 MiB of memory"), "{said}");
    for secret in ["secret-host", &hosts[0].to_string(), &hosts[1].to_string(), "second", "10.0.0."] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    assert_eq!(shown.json()["status"], "pending");
}

/// Ids of what a list shows.
fn ids(answer: crate::world::Answer) -> Vec<String> {
    let seen = answer.must(200);
    seen["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_are_narrowed_sorted_and_counted() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let host = enrolled_host(&api, "host-1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let other = api.post("networks", json!({"name": "other"})).await.made();
    api.post("subnets", json!({"network_id": other, "name": "other", "cidr": "10.1.0.0/24"})).await.made();
    let mut made = Vec::new();
    for (name, network) in [("b-web", &ground.network), ("a-db", &ground.network), ("c-web", &other)] {
        let mut request = ground.request(name);
        request["interfaces"] = json!([{"network_id": network}]);
        made.push(api.post("instances", request).await.made());
    }
    let [b, a, c] = made.try_into().unwrap();
    place(&api, b.parse().unwrap(), host).await;
    let list = async |query: &str| ids(api.get(&format!("instances?{query}")).await);
    for (query, expected) in [
        ("status=pending".to_owned(), vec![&a, &c]),
        ("status=building".to_owned(), vec![&b]),
        ("status=running".to_owned(), vec![]),
        (format!("network_id={other}"), vec![&c]),
        (format!("flavor_id={}", ground.flavor), vec![&b, &a, &c]),
        (format!("flavor_id={other}"), vec![]),
        (format!("image_id={}&sort=-name", ground.image), vec![&c, &b, &a]),
        ("sort=name".to_owned(), vec![&a, &b, &c]),
        ("sort=-created_at".to_owned(), vec![&c, &a, &b]),
        ("name_contains=WEB".to_owned(), vec![&b, &c]),
        (format!("id={a},{c}&status=pending&name=a-db"), vec![&a]),
    ] {
        assert_eq!(list(&query).await.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let first = api.get("instances?sort=name&limit=2&total=true").await.must(200);
    assert_eq!(first["total"], 3);
    let next = format!("sort=name&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(list(&next).await, vec![c.clone()]);
    assert_eq!(api.get("instances?status=asleep").await.fault(), fault("status", "value_unknown"));
    // Where an instance is, only an operator may ask for.
    let there = format!("instances?host_id={host}");
    assert_eq!(ids(api.call(Method::GET, &api.at(&there), Some(&api.operator), None).await), [b.as_str()]);
    api.get(&there).await.problem("forbidden", 403);

    api.delete(&format!("instances/{a}")).await.must(202);
    assert_eq!(list("sort=name").await, vec![b, c]);
    assert_eq!(list("deleted=true").await, vec![a.clone()]);
    assert_eq!(list("deleted=true&name_contains=web").await, Vec::<String>::new());
    let last = api.get("instances?deleted=true&total=true").await.must(200);
    assert!(last["items"][0]["deleted_at"].is_string() && last["total"] == 1, "{last}");
    assert_eq!(api.get(&format!("instances/{a}?deleted=true")).await.must(200), last["items"][0]);
}

#[tokio::test]
async fn a_silent_host_is_told_of_and_waited_for() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let host = enrolled_host(&api, "host-1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    place(&api, id, host).await;
    let at = format!("instances/{id}");
    let events = async |noun: &str, object: Uuid| -> i64 {
        let query = "SELECT count(*) FROM event WHERE noun = $1 AND object_id = $2 AND after ?| '{status_reason,reachable}' AND before = after";
        sqlx::query_scalar(query).bind(noun).bind(object).fetch_one(api.store.pool()).await.unwrap()
    };
    let both = async || (events("host", host.as_uuid()).await, events("instance", id.as_uuid()).await);
    let heard = async |at: &str| {
        let query = format!("UPDATE host_agent SET seen_at = {at}");
        sqlx::query(sqlx::AssertSqlSafe(query)).execute(api.store.pool()).await.unwrap();
        Silence.pass(&api.store).await.unwrap().done
    };
    // That it was placed is an event, too.
    assert_eq!((heard("now()").await, both().await), (0, (0, 1)), "nothing has turned");
    assert_eq!((heard("now() - interval '1 hour'").await, both().await), (1, (1, 2)));
    assert_eq!(Silence.pass(&api.store).await.unwrap().done, 0, "told once");
    let seen = api.get(&at).await.must(200);
    assert_eq!((&seen["status"], &seen["status_code"]), (&json!("unreachable"), &json!("host_unreachable")));
    assert_eq!(ids(api.get("instances?status=unreachable").await).len(), 1);
    // A deletion waits for the host, and says so.
    api.delete(&at).await.must(202);
    api.delete(&at).await.must(202);
    let seen = api.get(&at).await.must(200);
    assert_eq!((&seen["status"], &seen["status_code"]), (&json!("deleting"), &json!("host_unreachable")));
    assert!(seen["status_reason"].as_str().unwrap().contains("once the host is back"), "{seen}");
    assert_eq!((heard("now()").await, both().await.0), (1, 2), "it is back");
    assert!(api.get(&at).await.must(200).get("status_code").is_none());
    vanish(&api, id).await;
    api.get(&at).await.problem("not-found", 404);
    api.delete(&at).await.must(204);
    let verbs = "SELECT verb FROM event WHERE object_id = $1 ORDER BY revision DESC, seq DESC LIMIT 1";
    let last: String = sqlx::query_scalar(verbs).bind(id.as_uuid()).fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(last, "deleted");
}

#[test]
fn reasons_to_wait_are_told_in_french() {
    let id = iroko_model::InstanceId::new;
    let resources = Resources { vcpus: 4, memory_mib: 1024, disk_gib: 10 };
    let (architecture, excluded_hosts) = (Architecture::X86_64, vec![HostId::new()]);
    let pending = Pending { id: id(), resources, architecture, excluded_hosts, suspended: false };
    let fits = HostView {
        id: HostId::new(),
        enabled: true,
        alive: true,
        architecture: Some(architecture),
        capacity: resources,
        used: Resources::default(),
        instances: 0,
        full: false,
        resting: false,
    };
    let used =
        |vcpus, memory_mib, disk_gib| HostView { used: Resources { vcpus, memory_mib, disk_gib }, ..fits.clone() };
    let all = [
        HostView { enabled: false, ..fits.clone() },
        HostView { alive: false, ..fits.clone() },
        HostView { architecture: Some(Architecture::Aarch64), ..fits.clone() },
        HostView { full: true, ..fits.clone() },
        HostView { resting: true, ..fits.clone() },
        HostView { id: pending.excluded_hosts[0], ..fits.clone() },
        used(1, 0, 0),
        used(0, 1, 0),
        used(0, 0, 1),
        used(4, 1024, 1),
    ];
    let each = all.iter().map(std::slice::from_ref).chain([&all[..0], &all[..]]);
    for hosts in each {
        let english = explain(&pending, hosts);
        let french = iroko_web::locale::french(&english).unwrap_or_default();
        let left =
            ["host", "disk", "the ", "without", "lacks", "Choose", "by "].iter().find(|word| french.contains(**word));
        assert!(!french.is_empty() && left.is_none(), "{english}: {french}");
    }
}
