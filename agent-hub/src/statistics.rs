//! Takes what hosts counted. Nothing else waits for it, and it waits for nothing but the database.

use crate::caller::{Agent, is_itself};
use crate::state::AgentHub;
use axum::Json;
use axum::extract::State;
use iroko_agent_wire::{AgentKind, StatisticsReply, StatisticsReport};
use iroko_store::statistics;
use iroko_web::problem::{Plain, Problem, Result, Rule};

/// `POST /agent/v1/statistics`.
pub async fn take(
    State(link): State<AgentHub>,
    agent: Agent,
    Json(report): Json<StatisticsReport>,
) -> Result<Json<StatisticsReply>> {
    is_itself(&agent, AgentKind::Net)?;
    if report.ports.len().max(report.rules.len()) > StatisticsReport::MAX {
        return Err(Problem::new(Plain::TooLarge));
    }
    let mut tx = link.store.begin().await?;
    let taken = statistics::statistics_accept(&mut tx, agent.host, &report).await?;
    link.store.commit_aside(tx).await?;
    if taken {
        Ok(Json(StatisticsReply {}))
    } else {
        Err(Problem::refuse(Rule::AgentSessionOld, "the session is not the current one; begin another"))
    }
}
