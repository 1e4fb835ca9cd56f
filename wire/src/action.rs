//! Actions: what was asked of an instance.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Query of the list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActionParams {
    /// Most items on the page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100, example = 100)]
    pub limit: Option<i32>,
    /// `next_cursor` of the page before; the first page without.
    pub cursor: Option<String>,
}

/// Who asked for an action.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"kind": "user", "id": "0198c0de-0000-7000-8000-000000000005", "name": "ama"}))]
pub struct ActionActor {
    /// `user` or `service_account`.
    #[schema(pattern = "^(user|service_account)$")]
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// Its name at that time.
    pub name: String,
}

/// Something that was asked of an instance: by whom, how far it is, and what became of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000031", "project_id": "0198c0de-0000-7000-8000-000000000002",
    "instance_id": "0198c0de-0000-7000-8000-000000000001", "number": 4, "kind": "reboot", "arguments": {}, "status": "running",
    "actor": {"kind": "user", "id": "0198c0de-0000-7000-8000-000000000005", "name": "ama"}, "request_id": "9f0c", "phase": "stopping",
    "created_at": "2026-11-27T08:00:00Z", "started_at": "2026-11-27T08:00:01Z"}))]
pub struct Action {
    /// Its id.
    pub id: Uuid,
    /// The project.
    pub project_id: Uuid,
    /// The instance.
    pub instance_id: Uuid,
    /// The instance's generation with it: it is in force once `observed_generation` is not smaller.
    pub number: i64,
    /// `create`, `start`, `stop`, `reboot`, `attach_interface`, `detach_interface` or `delete`.
    #[schema(pattern = "^(create|start|stop|reboot|attach_interface|detach_interface|delete)$")]
    pub kind: String,
    /// What it was asked for with.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// `pending` until a host is at it, then `running`; in the end `done`, `failed`, or `superseded` by an action that
    /// was asked for later.
    #[schema(pattern = "^(pending|running|done|failed|superseded)$")]
    pub status: String,
    /// Who asked; absent where the system did by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ActionActor>,
    /// The request in which it was asked for (`X-Request-Id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where it stands, while it is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How much of the phase is done, in per cent, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<i16>,
    /// Why it failed, for programs: `host_failed` (no host could do it), `unsupported` (the host's agent does not know it yet).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When a host was first seen at it.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<OffsetDateTime>,
}
