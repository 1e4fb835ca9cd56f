//! The audit log as it is shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Query of the log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// Most items on the page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100, example = 100)]
    pub limit: Option<i32>,
    /// `next_cursor` of the page before; the first page without.
    pub cursor: Option<String>,
    /// Only of this user or service account.
    pub actor_id: Option<Uuid>,
    /// Only of this operation, by its `operationId`.
    #[param(example = "instance_create")]
    pub operation: Option<String>,
    /// Only with this outcome: `done`, `refused` or `failed`.
    #[param(example = "refused")]
    #[param(pattern = "^(done|refused|failed)$")]
    pub outcome: Option<String>,
    /// Only from this time on (RFC 3339).
    #[param(example = "2026-11-23T00:00:00Z")]
    pub since: Option<String>,
    /// Only before this time (RFC 3339).
    #[param(example = "2026-11-24T00:00:00Z")]
    pub until: Option<String>,
}

/// One thing that was done, or was refused.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000010", "record": {
    "index": 17, "organization_index": 3, "id": "0198c0de-0000-7000-8000-000000000010", "time": "2026-11-23T08:00:00.123Z",
    "organization_id": "0198c0de-0000-7000-8000-000000000001", "project_id": "0198c0de-0000-7000-8000-000000000003",
    "operation": "instance_stop", "outcome": "done", "status": null, "request_id": "0198c0de-0000-7000-8000-000000000011", "source": "192.0.2.7",
    "actor": {"kind": "user", "id": "0198c0de-0000-7000-8000-000000000009", "name": "ama", "organization_id": "0198c0de-0000-7000-8000-000000000001"},
    "credential": {"kind": "session", "id": "0198c0de-0000-7000-8000-000000000012"},
    "changes": [{"noun": "instance", "id": "0198c0de-0000-7000-8000-000000000008", "verb": "changed", "before": {"power": "running"}, "after": {"power": "stopped"}}]}}))]
pub struct AuditRecord {
    /// Its id.
    pub id: Uuid,
    /// What was asked, by whom and with what, from where, and what it changed. The export has the exact text.
    #[schema(value_type = Object)]
    pub record: Value,
}

/// A signed statement of the whole log. Keep it: a later log must extend it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"size": 1234, "checkpoint": "iroko/audit\n1234\n4KcN...=\ntime 2026-11-23T08:00:00Z\n\n— iroko/audit x2Rk...\n",
    "verifier_key": "iroko/audit+8e1f0c2d+AWx0..."}))]
pub struct AuditCheckpoint {
    /// Records in the log.
    pub size: u64,
    /// The signed note: name, size, root, time, signature.
    pub checkpoint: String,
    /// What `iroko-audit verify --key` takes. Get it once, by a way you trust, and keep it.
    pub verifier_key: String,
}

/// Query of an export.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParams {
    /// Size of an earlier log, so that `iroko-audit verify --earlier` can compare.
    #[param(example = 1200)]
    pub extends: Option<u64>,
}
