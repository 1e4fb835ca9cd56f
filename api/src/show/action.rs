//! Actions.

use iroko_identity::extract::{ApiQuery, ListQuery};
use iroko_model::{InstanceId, ProjectId};
use iroko_store::PageQuery;
use iroko_store::action::Action as Row;
use iroko_web::problem::Problem;
use iroko_wire::action::*;
use iroko_wire::page::ListParams;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// A checked query.
#[derive(Debug)]
pub struct ActionQuery {
    /// The page.
    pub page: PageQuery,
}

impl<S: Send + Sync> FromRequestParts<S> for ActionQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let ApiQuery(ActionParams { limit, cursor }) = ApiQuery::from_request_parts(parts, state).await?;
        let page = ListQuery::try_from(ListParams { limit, cursor, ..ListParams::default() })?.page;
        Ok(Self { page })
    }
}

/// An action of an instance as the API shows it.
pub fn of(row: Row, project: ProjectId, instance: InstanceId) -> Action {
    let status = match (row.outcome, row.started_at) {
        (Some(outcome), _) => outcome.as_str(),
        (None, Some(_)) => "running",
        (None, None) => "pending",
    };
    Action {
        id: row.id,
        project_id: project.as_uuid(),
        instance_id: instance.as_uuid(),
        number: row.number,
        kind: row.kind.as_str().to_owned(),
        arguments: row.arguments,
        status: status.to_owned(),
        actor: row.actor.and_then(|actor| serde_json::from_value(actor).ok()),
        request_id: row.request_id,
        phase: row.phase,
        progress: row.progress,
        code: row.code,
        message: row.message,
        created_at: row.created_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }
}
