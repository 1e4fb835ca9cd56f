//! Events as they are shown.

use iroko_store::event::Event as Row;
use iroko_wire::event::*;

/// `None` for a change of no field. Columns that the API does not show make no events (migration 0030).
pub fn of(row: Row) -> Option<Event> {
    let changed = row.verb == "changed";
    let keys = row.after.as_ref().filter(|_| changed).and_then(|after| after.as_object());
    let fields: Vec<String> = keys.into_iter().flatten().map(|(key, _)| key.clone()).collect();
    if changed && fields.is_empty() {
        return None;
    }
    Some(Event { noun: row.noun, object_id: row.object_id, verb: row.verb, fields, created_at: row.created_at })
}
