//! Connection logs and their records.

use crate::show::Show;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use iroko_identity::extract::{ApiQuery, ListParams, ListQuery};
use iroko_model::connection_log::Verdict;
use iroko_store::PageQuery;
use iroko_store::connection_log::{ConnectionLog as Row, ConnectionRecord as RecordRow};
use iroko_web::problem::Problem;
use iroko_wire::connection_log::*;

impl Show<ConnectionLog> for Row {
    fn show(self) -> ConnectionLog {
        let row = self;
        let Row { port_id, verdicts, records_per_second, expires_at, is_active, records_lost, created_at } = row;
        ConnectionLog { port_id, verdicts, records_per_second, expires_at, is_active, records_lost, created_at }
    }
}

/// A checked query.
#[derive(Debug)]
pub struct RecordQuery {
    /// The page.
    pub page: PageQuery,
    /// Only these.
    pub verdict: Option<Verdict>,
}

impl<S: Send + Sync> FromRequestParts<S> for RecordQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let ApiQuery(params) = ApiQuery::<RecordParams>::from_request_parts(parts, state).await?;
        let RecordParams { limit, cursor, verdict } = params;
        let page = ListQuery::try_from(ListParams { limit, cursor, ..ListParams::default() })?.page;
        let verdict = verdict.map(|word| word.parse()).transpose();
        Ok(Self { page, verdict: verdict.map_err(|invalid| Problem::field("verdict", invalid))? })
    }
}

impl Show<ConnectionRecord> for RecordRow {
    fn show(self) -> ConnectionRecord {
        let row = self;
        ConnectionRecord {
            id: row.id,
            occurred_at: row.occurred_at,
            direction: row.direction,
            verdict: row.verdict,
            reason: row.reason,
            rule_id: row.rule_id,
            source_mac_address: row.source_mac.map(|mac| mac.to_string().to_lowercase()),
            ethertype: row.ethertype,
            protocol: row.protocol,
            source: row.source.map(|address| address.ip().to_string()),
            destination: row.destination.map(|address| address.ip().to_string()),
            source_port: row.source_port,
            destination_port: row.destination_port,
            icmp_type: row.icmp_type,
            icmp_code: row.icmp_code,
        }
    }
}
