//! Takes what hosts recorded of connections. Nothing else waits for it.

use crate::caller::{Agent, is_itself};
use crate::state::AgentHub;
use axum::Json;
use axum::extract::State;
use iroko_agent_wire::{AgentKind, ConnectionReply, ConnectionReport};
use iroko_store::connection_log::connection_records_accept;
use iroko_web::problem::{Plain, Problem, Result};

/// `POST /agent/v1/connections`.
pub async fn take(
    State(link): State<AgentHub>,
    agent: Agent,
    Json(report): Json<ConnectionReport>,
) -> Result<Json<ConnectionReply>> {
    is_itself(&agent, AgentKind::Net)?;
    if report.records.len() > ConnectionReport::MAX {
        return Err(Problem::new(Plain::TooLarge));
    }
    let mut tx = link.store.begin().await?;
    connection_records_accept(&mut tx, agent.host, &report.records).await?;
    link.store.commit_aside(tx).await?;
    Ok(Json(ConnectionReply {}))
}
