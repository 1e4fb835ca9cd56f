//! A console log's way: the tenant asks, the host is told, answers, and the tenant reads.

use super::world::{Agent, config, place, session, token};
use crate::world::{Api, PATIENCE};
use iroko_agent_link::start;
use iroko_agent_wire::{AgentKind, ConsoleLog};
use iroko_test_database::database;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_host_answers_while_the_tenant_waits() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    let (dir, end) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let config = config(&api, "host-1", dir.path(), Some(token(&api, None).await));
    let agent = start(config, session(AgentKind::Compute, "192.0.2.1"), true, end.clone()).await.unwrap();
    let mut changes = agent.desired.subscribe();
    let mut wanted = agent.reporter.consoles_wanted();
    let first = tokio::time::timeout(PATIENCE, changes.changed()).await.unwrap();
    assert!(first.all, "the session has begun");
    place(&api, id, agent.identity.host_id).await;
    let reporter = agent.reporter.clone();
    let host = tokio::spawn(async move {
        let asked = tokio::time::timeout(PATIENCE, wanted.wait_for(|ids| ids.contains(&id))).await;
        asked.expect("the host is asked").unwrap();
        reporter.console(ConsoleLog { id, tail: "Debian GNU/Linux\nvm login: ".into() });
    });
    let log = api.get(&format!("instances/{id}/console-log")).await.must(200);
    host.await.unwrap();
    assert_eq!(log["output"], "Debian GNU/Linux\nvm login: ");
    assert!(log["updated_at"].is_string());
    end.cancel();
    agent.task.await.unwrap();
    // A second host cannot write it.
    let (other, _) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let forged = iroko_agent_wire::Report {
        agent: AgentKind::Compute,
        incarnation: 1,
        sequence: 1,
        instances: vec![],
        ports: vec![],
        consoles: vec![ConsoleLog { id, tail: "forged".into() }],
        orphans: vec![],
        disk: None,
    };
    other.link.report(&forged).await.unwrap();
    let mut conn = api.store.connection().await.unwrap();
    let kept = iroko_store::console::console_get(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(kept.tail, "Debian GNU/Linux\nvm login: ");
}
