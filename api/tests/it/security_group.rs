//! Security groups, their rules, and the ports in them.

use crate::world::{Api, fault};
use iroko_model::Role;
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use reqwest::header::{ETAG, IF_MATCH};
use serde_json::{Value, json};
use uuid::Uuid;

async fn patch(api: &Api, path: &str, body: Value) -> crate::world::Answer {
    api.call(Method::PATCH, &api.at(path), Some(&api.member), Some(body)).await
}

async fn default_group(api: &Api) -> String {
    let found = api.get("security-groups?name=default").await.must(200);
    found["items"][0]["id"].as_str().unwrap().to_owned()
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

#[tokio::test]
async fn groups_are_made_changed_and_deleted() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let group = api.post("security-groups", json!({"name": "web", "labels": {"a": "1"}})).await.must(201);
    assert_eq!((&group["stateful"], &group["is_default"]), (&json!(true), &json!(false)));
    let at = format!("security-groups/{}", group["id"].as_str().unwrap());
    let answer = api.get(&at).await;
    assert_eq!(answer.must(200), group);
    let tag = answer.headers[ETAG].clone();
    let changed = patch(&api, &at, json!({"stateful": false, "description": "d"})).await.must(200);
    assert_eq!(
        (&changed["stateful"], &changed["description"], &changed["name"], &changed["generation"]),
        (&json!(false), &json!("d"), &json!("web"), &json!(2))
    );
    let late = api.request(Method::DELETE, &api.at(&at)).bearer_auth(&api.member).header(IF_MATCH, tag);
    api.send(late).await.problem("precondition-failed", 412);
    assert_eq!(api.get("security-groups?label=a=1").await.must(200)["items"], json!([changed]));
    assert_eq!(api.get("security-groups").await.must(200)["items"].as_array().unwrap().len(), 2);
    api.post("security-groups", json!({"name": "web"})).await.problem("conflict", 409);
    assert_eq!(api.post("security-groups", json!({"name": " "})).await.fault(), fault("/name", "name_padded"));
    api.delete(&at).await.must(204);
    api.delete(&at).await.problem("not-found", 404);
    // The default group may be changed, but neither renamed nor deleted.
    let at = format!("security-groups/{}", default_group(&api).await);
    assert_eq!(patch(&api, &at, json!({"name": "mine"})).await.fault(), fault("/name", "default_group_name"));
    patch(&api, &at, json!({"name": "default", "stateful": false})).await.must(200);
    let refused = api.delete(&at).await.problem("conflict", 409);
    assert!(detail(&refused).contains("goes with its project"), "{refused}");
    let rule = api.get(&format!("{at}/rules")).await.must(200)["items"][0]["id"].as_str().unwrap().to_owned();
    api.delete(&format!("{at}/rules/{rule}")).await.must(204);
}

#[tokio::test]
async fn rules_say_what_makes_sense_and_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let group = api.post("security-groups", json!({"name": "web"})).await.made();
    let at = format!("security-groups/{group}/rules");
    let rule = |more: Value| {
        let mut body = json!({"direction": "ingress", "ethertype": "ipv4"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let made = api.post(&at, rule(json!({"protocol": "tcp", "port_first": 80}))).await.must(201);
    assert_eq!((&made["port_first"], &made["port_last"], &made["protocol"]), (&json!(80), &json!(80), &json!("tcp")));
    let one = format!("{at}/{}", made["id"].as_str().unwrap());
    assert_eq!(api.get(&one).await.must(200), made);
    // The same in other words.
    let again = rule(json!({"protocol": 6, "port_first": 80, "port_last": 80, "description": "x"}));
    let refused = api.post(&at, again).await.problem("conflict", 409);
    assert!(detail(&refused).contains("just this"), "{refused}");
    let again = |remote: &str| rule(json!({"protocol": "6", "port_first": 80, "remote_cidr": remote}));
    api.post(&at, again("0.0.0.0/0")).await.problem("conflict", 409);
    let all = api.post(&at, rule(json!({"protocol": "udp", "port_first": 0, "port_last": 65535}))).await.made();
    api.post(&at, rule(json!({"protocol": "udp"}))).await.problem("conflict", 409);
    api.delete(&format!("{at}/{all}")).await.must(204);
    let gre = api.post(&at, rule(json!({"protocol": "47", "remote_cidr": "10.0.0.0/8", "description": "GRE"}))).await;
    assert_eq!(gre.must(201)["protocol"], "47");
    let echo =
        json!({"direction": "ingress", "ethertype": "ipv6", "protocol": "icmpv6", "icmp_type": 128, "icmp_code": 0});
    api.post(&at, echo).await.made();
    api.post(&at, rule(json!({"remote_group_id": group}))).await.made();
    assert_eq!(api.get(&format!("{at}?limit=3")).await.must(200)["items"].as_array().unwrap().len(), 3);
    assert_eq!(api.get(&format!("{at}?name=GRE")).await.must(200)["items"], json!([gre.json()]));
    let theirs = format!("/v1/projects/{}/security-groups", api.other);
    let theirs = api.call(Method::POST, &theirs, Some(&api.stranger), Some(json!({"name": "g"}))).await.made();
    for (more, pointer, broken) in [
        (json!({"direction": "in"}), "/direction", "direction_unknown"),
        (json!({"ethertype": "ip"}), "/ethertype", "ethertype_unknown"),
        (json!({"protocol": "tpc"}), "/protocol", "protocol_unknown"),
        (json!({"protocol": 300}), "/protocol", "protocol_unknown"),
        (json!({"protocol": -1}), "/protocol", "protocol_unknown"),
        (json!({"protocol": [6]}), "/protocol", "value_type"),
        (json!({"protocol": "TCP"}), "/protocol", "protocol_unknown"),
        (json!({"protocol": "udp", "port_first": 70000}), "/port_first", "port_form"),
        (json!({"protocol": "udp", "port_first": 1, "port_last": -1}), "/port_last", "port_form"),
        (json!({"protocol": "udp", "port_first": 1.5}), "/port_first", "port_form"),
        (json!({"protocol": "icmp", "icmp_type": -1}), "/icmp_type", "icmp_form"),
        (json!({"protocol": "icmp", "icmp_type": 256}), "/icmp_type", "icmp_form"),
        (json!({"protocol": "icmp", "icmp_type": 3, "icmp_code": 1e9}), "/icmp_code", "icmp_form"),
        (json!({"protocol": "icmpv6"}), "/protocol", "icmp_family"),
        (json!({"port_first": 1}), "/port_first", "ports_without_protocol"),
        (json!({"protocol": "udp", "port_first": 2, "port_last": 1}), "/port_first", "ports_reversed"),
        (json!({"protocol": "udp", "port_last": 1}), "/port_first", "port_first_missing"),
        (json!({"protocol": "icmp", "icmp_code": 1}), "/icmp_type", "icmp_type_missing"),
        (json!({"icmp_type": 8}), "/icmp_type", "icmp_without_protocol"),
        (json!({"remote_cidr": "10.0.0.1/8"}), "/remote_cidr", "cidr_host_bits"),
        (json!({"remote_cidr": "fd00::/8"}), "/remote_cidr", "cidr_family"),
        (json!({"remote_cidr": "10.0.0.0"}), "/remote_cidr", "cidr_form"),
        (json!({"remote_cidr": "10.0.0.0/8", "remote_group_id": group}), "", "remote_several"),
        (json!({"remote_group_id": theirs}), "/remote_group_id", "reference_not_found"),
        (json!({"remote_address_set_id": Uuid::now_v7()}), "/remote_address_set_id", "reference_not_found"),
    ] {
        let body = rule(more);
        assert_eq!(api.post(&at, body.clone()).await.fault(), fault(pointer, broken), "{body}");
    }
    api.post(&format!("security-groups/{theirs}/rules"), rule(json!({}))).await.problem("not-found", 404);
    let before = api.get(&format!("security-groups/{group}")).await.must(200)["generation"].clone();
    assert_eq!(before, 7, "each rule that was made counts, none that was refused");
    api.delete(&one).await.must(204);
    api.delete(&one).await.problem("not-found", 404);
}

#[tokio::test]
async fn ports_are_in_groups() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let default = default_group(&api).await;
    let group = api.post("security-groups", json!({"name": "web"})).await.made();
    // Unless asked otherwise in the default group.
    let port = api.post("ports", json!({"network_id": ground.network, "name": "p"})).await.must(201);
    assert_eq!(
        (&port["security_group_ids"], &port["port_security_enabled"], &port["allowed_address_pairs"]),
        (&json!([default]), &json!(true), &json!([]))
    );
    let pairs = json!([{"cidr": "10.0.0.100/32"}, {"mac_address": "00:00:5e:00:01:01", "cidr": "fd00::/64"}]);
    let body = json!({"network_id": ground.network, "name": "p", "security_group_ids": [group], "allowed_address_pairs": pairs});
    let other = api.post("ports", body).await.must(201);
    assert_eq!((&other["security_group_ids"], &other["allowed_address_pairs"]), (&json!([group]), &pairs));
    let mut request = ground.request("vm");
    request["interfaces"] = json!([
        {"network_id": ground.network, "security_group_ids": [group]},
        {"network_id": ground.network},
        {"network_id": ground.network, "security_group_ids": []},
        {"port_id": port["id"]},
    ]);
    let made = api.post("instances", request.clone()).await.must(201);
    let mut in_groups = Vec::new();
    for interface in made["interfaces"].as_array().unwrap() {
        let at = format!("ports/{}", interface["port_id"].as_str().unwrap());
        in_groups.push(api.get(&at).await.must(200)["security_group_ids"].clone());
    }
    assert_eq!(in_groups, [json!([group]), json!([default]), json!([]), json!([default])]);
    let used = api.delete(&format!("security-groups/{group}")).await.problem("conflict", 409);
    assert!(detail(&used).starts_with("2 ports are in it"), "{used}");
    // Changed as a whole, by who has seen it.
    let at = format!("ports/{}", port["id"].as_str().unwrap());
    let tag = api.get(&at).await.headers[ETAG].clone();
    let both = json!({"security_group_ids": [group, default]});
    let seen = |tag| api.request(Method::PATCH, &api.at(&at)).bearer_auth(&api.member).header(IF_MATCH, tag);
    let changed = api.send(seen(tag.clone()).json(&both)).await.must(200);
    assert_eq!(changed["security_group_ids"].as_array().unwrap().len(), 2);
    api.send(seen(tag).json(&both)).await.problem("precondition-failed", 412);
    let changed = patch(&api, &at, json!({"allowed_address_pairs": [{"cidr": "10.0.0.9/32"}]})).await.must(200);
    assert_eq!(changed["security_group_ids"].as_array().unwrap().len(), 2, "what is absent stays");
    assert_eq!(changed["allowed_address_pairs"], json!([{"cidr": "10.0.0.9/32"}]));
    assert_eq!(patch(&api, &at, json!({"security_group_ids": []})).await.must(200)["security_group_ids"], json!([]));
    patch(&api, &format!("ports/{}", Uuid::now_v7()), json!({})).await.problem("not-found", 404);
}

#[tokio::test]
async fn what_ports_cannot_be_told_is_refused_with_its_place() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let group = api.post("security-groups", json!({"name": "web"})).await.made();
    let port = api.post("ports", json!({"network_id": ground.network, "name": "p"})).await.made();
    let stranger = Uuid::now_v7();
    let many: Vec<Uuid> = (0..17).map(|_| Uuid::now_v7()).collect();
    let pairs = json!(vec![json!({"cidr": "10.0.0.9/32"}); 17]);
    for (body, pointer, rule) in [
        (json!({"security_group_ids": [group, stranger]}), "/security_group_ids/1", "reference_not_found"),
        (json!({"security_group_ids": [group, group]}), "/security_group_ids", "group_twice"),
        (json!({"security_group_ids": many}), "/security_group_ids", "groups_too_many"),
        (json!({"allowed_address_pairs": pairs}), "/allowed_address_pairs", "address_pairs_too_many"),
        (json!({"allowed_address_pairs": [{"cidr": "10.0.0.9"}]}), "/allowed_address_pairs/0", "cidr_form"),
        (
            json!({"allowed_address_pairs": [{"cidr": "10.0.0.9/32"}, {"cidr": "0.0.0.0/0"}]}),
            "/allowed_address_pairs/1",
            "address_pair_too_wide",
        ),
        (
            json!({"allowed_address_pairs": [{"cidr": "10.0.0.9/32", "mac_address": "01:00:5e:00:00:12"}]}),
            "/allowed_address_pairs/0",
            "mac_not_unicast",
        ),
    ] {
        let refused = patch(&api, &format!("ports/{port}"), body.clone()).await;
        assert_eq!(refused.fault(), fault(pointer, rule), "{body}");
        let mut create = json!({"network_id": ground.network, "name": "p"});
        create.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        assert_eq!(api.post("ports", create).await.fault(), fault(pointer, rule), "{body}");
    }
    let mut request = ground.request("vm");
    for (interface, pointer, rule) in [
        (
            json!({"network_id": ground.network, "security_group_ids": [group, stranger]}),
            "/interfaces/0/security_group_ids/1",
            "reference_not_found",
        ),
        (json!({"port_id": port, "security_group_ids": [group]}), "/interfaces/0/security_group_ids", "groups_of_port"),
    ] {
        request["interfaces"] = json!([interface]);
        assert_eq!(api.post("instances", request.clone()).await.fault(), fault(pointer, rule), "{interface}");
    }
}

#[tokio::test]
async fn port_security_is_switched_off_by_a_permission_of_its_own() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let network = api.network("10.0.0.0/24").await;
    let port = api.post("ports", json!({"network_id": network, "name": "p"})).await.made();
    let path = api.at(&format!("ports/{port}"));
    let (off, on) = (json!({"port_security_enabled": false}), json!({"port_security_enabled": true}));
    let refused = api.call(Method::PATCH, &path, Some(&api.member), Some(off.clone())).await.problem("forbidden", 403);
    assert!(detail(&refused).contains("port.disable_security"), "{refused}");
    let admin = api.token("ama-admin", api.organization, Role::Admin, Scope::Organization(api.organization)).await;
    let open = api.call(Method::PATCH, &path, Some(&admin), Some(off)).await.must(200);
    assert_eq!((&open["port_security_enabled"], &open["generation"]), (&json!(false), &json!(2)));
    let closed = api.call(Method::PATCH, &path, Some(&api.member), Some(on)).await.must(200);
    assert_eq!(closed["port_security_enabled"], true, "to switch it on again needs no more than to change ports");
}

#[tokio::test]
async fn groups_rules_and_sets_count() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let path = api.at("quotas");
    let owner = api.token("owner", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let limits = json!({"limits": {"security_groups": 2, "security_group_rules": 5, "address_sets": 0}});
    api.call(Method::PUT, &path, Some(&owner), Some(limits)).await.must(200);
    let group = api.post("security-groups", json!({"name": "a"})).await.made();
    api.post("security-groups", json!({"name": "b"})).await.problem("quota-exceeded", 409);
    let rules = format!("security-groups/{group}/rules");
    let rule = |ethertype: &str| json!({"direction": "egress", "ethertype": ethertype});
    api.post(&rules, rule("ipv4")).await.made();
    api.post(&rules, rule("ipv6")).await.problem("quota-exceeded", 409);
    api.post("address-sets", json!({"name": "s", "cidrs": []})).await.problem("quota-exceeded", 409);
}
