//! Connection logs: asking for one, what its port's host is told, and reading what was recorded.

use crate::agent_link::world::{Agent, place};
use crate::world::{Api, fault};
use iroko_agent_link::LinkError;
use iroko_agent_wire::{ConnectionRecord, ConnectionReport, Headers};
use iroko_model::connection_log::{Reason, Verdict};
use iroko_model::security_group::Direction;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

fn record(port: &str, verdict: Verdict) -> ConnectionRecord {
    let headers = Headers {
        ethertype: 0x800,
        source: "10.0.0.9".parse().ok(),
        destination: "10.0.0.17".parse().ok(),
        protocol: Some(6),
        source_port: Some(40112),
        destination_port: Some(23),
        ..Headers::default()
    };
    ConnectionRecord {
        id: Uuid::now_v7(),
        port_id: port.parse().unwrap(),
        occurred_at: OffsetDateTime::UNIX_EPOCH,
        direction: Direction::Ingress,
        verdict,
        reason: if verdict == Verdict::Accepted { Reason::Rule } else { Reason::NoRule },
        rule_id: None,
        source_mac: "02:00:00:00:00:01".parse().ok(),
        headers,
    }
}

#[tokio::test]
async fn ports_are_recorded_on_request() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let instance = api.instance(&ground).await;
    place(&api, instance, net.host()).await;
    let shown = api.get(&format!("instances/{instance}")).await.must(200);
    let port = shown["interfaces"][0]["port_id"].as_str().unwrap().to_owned();
    let (log, records) = (format!("ports/{port}/connection-log"), format!("ports/{port}/connection-log/records"));
    let put = async |path: &str, body| api.call(Method::PUT, &api.at(path), Some(&api.member), Some(body)).await;

    for path in [&log, &records] {
        api.get(path).await.problem("not-found", 404);
    }
    api.delete(&log).await.problem("not-found", 404);
    put(&format!("ports/{}/connection-log", Uuid::now_v7()), json!({"verdicts": ["dropped"]}))
        .await
        .problem("not-found", 404);
    let bad = json!({"verdicts": ["dropped", "lost"], "records_per_second": 101, "duration_s": 59});
    let expected = [
        fault("/duration_s", "duration_range"),
        fault("/records_per_second", "rate_range"),
        fault("/verdicts/1", "verdict_unknown"),
    ];
    assert_eq!(put(&log, bad).await.faults(), expected);
    assert_eq!(put(&log, json!({"verdicts": []})).await.fault(), fault("/verdicts", "verdicts_none"));

    let made = put(&log, json!({"verdicts": ["dropped", "accepted", "dropped"]})).await.must(200);
    assert_eq!(
        (&made["verdicts"], &made["records_per_second"], &made["is_active"], &made["records_lost"]),
        (&json!(["accepted", "dropped"]), &json!(10), &json!(true), &json!(0))
    );
    assert_eq!(api.get(&log).await.must(200), made);
    let asks = |agent: &Agent| agent.desired.ports[&port.parse().unwrap()].connection_log.clone();
    while asks_nothing(&net, &port) {
        net.watch().await;
    }
    let asked = asks(&net).unwrap();
    assert_eq!((asked.verdicts, asked.records_per_second), (vec![Verdict::Accepted, Verdict::Dropped], 10));

    let told = [record(&port, Verdict::Dropped), record(&port, Verdict::Accepted), record(&port, Verdict::Dropped)];
    assert!(compute.link.connections(told.to_vec()).await.is_err(), "the host's other agent");
    let too_many = vec![told[0].clone(); ConnectionReport::MAX + 1];
    assert!(matches!(net.link.connections(too_many).await, Err(LinkError::NotTaken(413))));
    net.link.connections(told.to_vec()).await.unwrap();
    net.link.connections(told.to_vec()).await.unwrap();
    let page = api.get(&format!("{records}?limit=2")).await.must(200);
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&page), [told[0].id.to_string(), told[1].id.to_string()]);
    assert_eq!(
        page["items"][0],
        json!({"id": told[0].id, "occurred_at": "1970-01-01T00:00:00Z", "direction": "ingress", "verdict": "dropped",
            "reason": "no_rule", "source_mac_address": "02:00:00:00:00:01", "ethertype": 2048, "protocol": 6,
            "source": "10.0.0.9", "destination": "10.0.0.17", "source_port": 40112, "destination_port": 23})
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = api.get(&format!("{records}?cursor={cursor}")).await.must(200);
    assert_eq!((ids(&page), page.get("next_cursor")), (vec![told[2].id.to_string()], None));
    let page = api.get(&format!("{records}?verdict=accepted")).await.must(200);
    assert_eq!(ids(&page), [told[1].id.to_string()]);
    assert_eq!(api.get(&format!("{records}?verdict=lost")).await.fault(), fault("verdict", "verdict_unknown"));

    api.delete(&log).await.must(204);
    while !asks_nothing(&net, &port) {
        net.watch().await;
    }
    api.get(&records).await.problem("not-found", 404);
}

/// The host does not know the port yet, or that something of it is to be recorded.
fn asks_nothing(agent: &Agent, port: &str) -> bool {
    agent.desired.ports.get(&port.parse().unwrap()).is_none_or(|port| port.connection_log.is_none())
}
