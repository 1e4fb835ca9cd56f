//! What is stuck, for operators.

use crate::words::StuckCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Something that does not get on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"kind": "instance", "id": "0198c0de-0000-7000-8000-000000000005", "name": "web-1", "code": "host_silent",
    "text": "the host of the instance is silent; look whether the host has power and both agents run",
    "detail": null, "since": "2026-11-23T08:00:00Z", "created_at": "2026-11-20T08:00:00Z",
    "instance_id": "0198c0de-0000-7000-8000-000000000005", "host_id": "0198c0de-0000-7000-8000-000000000009", "host_name": "host-1",
    "organization_id": "0198c0de-0000-7000-8000-000000000011", "organization_name": "Ministry of Finance",
    "project_id": "0198c0de-0000-7000-8000-000000000001", "project_name": "payroll"}))]
pub struct Stuck {
    /// What it is.
    #[schema(pattern = "^(instance|action|image|port)$")]
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// Its name; of an action the name of its instance.
    pub name: String,
    /// Why it does not get on.
    #[schema(value_type = StuckCode)]
    pub code: String,
    /// The same for people, with what to do; in French where `Accept-Language` prefers it.
    pub text: String,
    /// What the scheduler or its host says of it; of an action what was asked.
    pub detail: Option<String>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub since: OffsetDateTime,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// The instance that it is, or belongs to.
    pub instance_id: Option<Uuid>,
    /// The host it is on.
    pub host_id: Option<Uuid>,
    /// The name of that.
    pub host_name: Option<String>,
    /// The organization of its project.
    pub organization_id: Uuid,
    /// The name of that.
    pub organization_name: String,
    /// Its project.
    pub project_id: Uuid,
    /// The name of that.
    pub project_name: String,
}
