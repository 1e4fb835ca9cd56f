//! Sessions.

use iroko_model::SessionId;
use iroko_store::session::Session as Row;
use iroko_wire::session::*;

/// Shows a row; `current` is the session of the request.
pub fn of(row: Row, current: Option<SessionId>) -> Session {
    let Row { id, method, carrier, source, user_agent, created_at, used_at, idle_expires_at, expires_at } = row;
    let (is_current, source) = (current == Some(id), source.ip().to_string());
    let id = id.as_uuid();
    Session { id, is_current, method, carrier, source, user_agent, created_at, used_at, idle_expires_at, expires_at }
}
