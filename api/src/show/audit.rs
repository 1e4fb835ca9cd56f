//! The audit log as it is shown.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use iroko_identity::extract::{ApiQuery, ListParams, ListQuery};
use iroko_model::Invalid;
use iroko_store::PageQuery;
use iroko_store::audit::{AuditFilter, Record};
use iroko_web::problem::{Faults, Problem};
use iroko_wire::audit::*;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A checked query of the log.
#[derive(Debug)]
pub struct AuditQuery {
    /// The page.
    pub page: PageQuery,
    /// The filter.
    pub filter: AuditFilter,
}

impl<S: Send + Sync> FromRequestParts<S> for AuditQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let ApiQuery(params) = ApiQuery::<AuditParams>::from_request_parts(parts, state).await?;
        let page = ListParams { limit: params.limit, cursor: params.cursor, ..ListParams::default() };
        let page = ListQuery::try_from(page)?.page;
        let mut faults = Faults::default();
        let mut time = |name: &str, text: Option<String>| {
            let read = text.map(|text| {
                OffsetDateTime::parse(&text, &Rfc3339)
                    .map_err(|_| Invalid::new("time_form", "a time looks like 2026-11-23T08:00:00Z"))
            });
            faults.take(name, read.transpose()).flatten()
        };
        let (since, until) = (time("since", params.since), time("until", params.until));
        faults.finish()?;
        // NUL cannot be in a text of the database.
        let clean = |text: Option<String>| text.map(|text| text.replace('\0', ""));
        let (operation, outcome) = (clean(params.operation), clean(params.outcome));
        Ok(Self { page, filter: AuditFilter { actor_id: params.actor_id, operation, outcome, since, until } })
    }
}

/// Shows a record.
pub fn of(row: Record) -> AuditRecord {
    // What is stored is what was hashed; it is shown as JSON wherever it still is.
    let record = serde_json::from_str(&row.record).unwrap_or(Value::String(row.record));
    AuditRecord { id: row.id, record }
}
