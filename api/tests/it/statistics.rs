//! Statistics: from a host's report to what a tenant is shown.

use crate::agent_link::world::{Agent, place};
use crate::world::Api;
use iroko_agent_wire::{PortCounts, RuleCounts};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn what_hosts_count_is_shown() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let instance = api.instance(&ground).await;
    place(&api, instance, net.host()).await;
    let shown = api.get(&format!("instances/{instance}")).await.must(200);
    let port = shown["interfaces"][0]["port_id"].as_str().unwrap().to_owned();
    let group = api.get("security-groups?name=default").await.must(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let rules = api.get(&format!("security-groups/{group}/rules")).await.must(200);
    let rule = rules["items"][0]["id"].as_str().unwrap().to_owned();

    let (of_port, of_group) = (format!("ports/{port}/statistics"), format!("security-groups/{group}/statistics"));
    let before = api.get(&of_port).await.must(200);
    assert_eq!(
        before,
        json!({"port_id": port, "rx_packets": 0, "rx_bytes": 0, "tx_packets": 0, "tx_bytes": 0,
            "rx_dropped": {"security_groups": 0, "limits": 0, "flows": 0},
            "tx_dropped": {"port_security": 0, "security_groups": 0, "limits": 0, "flows": 0}})
    );
    let counts = PortCounts {
        id: port.parse().unwrap(),
        epoch: 1,
        rx_packets: 1,
        rx_bytes: 2,
        tx_packets: 3,
        tx_bytes: 4,
        rx_dropped_groups: 5,
        rx_dropped_limits: 6,
        tx_dropped_security: 7,
        tx_dropped_groups: 8,
        tx_dropped_limits: 9,
        records_lost: 0,
        rx_dropped_flows: 12,
        tx_dropped_flows: 13,
    };
    let hits = RuleCounts { id: rule.parse().unwrap(), epoch: 1, packets: 10, bytes: 11 };
    assert!(compute.link.statistics(vec![counts.clone()], vec![]).await.is_err(), "the host's other agent");
    net.link.statistics(vec![counts], vec![hits]).await.unwrap();
    net.link.statistics(vec![], vec![]).await.unwrap();

    let mut after = api.get(&of_port).await.must(200);
    let measured = after.as_object_mut().unwrap().remove("measured_at").unwrap();
    assert!(measured.as_str().is_some_and(|text| text.ends_with('Z')), "{measured}");
    assert_eq!(
        after,
        json!({"port_id": port, "rx_packets": 1, "rx_bytes": 2, "tx_packets": 3, "tx_bytes": 4,
            "rx_dropped": {"security_groups": 5, "limits": 6, "flows": 12},
            "tx_dropped": {"port_security": 7, "security_groups": 8, "limits": 9, "flows": 13}})
    );
    let shown = api.get(&of_group).await.must(200);
    assert_eq!(shown["security_group_id"], group);
    let shown = shown["rules"].as_array().unwrap();
    assert_eq!(shown.len(), 4);
    assert_eq!(
        (&shown[0]["rule_id"], &shown[0]["packets"], &shown[0]["bytes"]),
        (&json!(rule), &json!(10), &json!(11))
    );
    assert!(shown[0]["measured_at"].is_string() && shown[1].get("measured_at").is_none(), "{shown:?}");
    assert_eq!(shown[1]["packets"], 0);

    for path in [&of_port, &of_group] {
        let elsewhere = format!("/v1/projects/{}/{path}", api.other);
        api.call(Method::GET, &elsewhere, Some(&api.stranger), None).await.problem("not-found", 404);
    }
}
