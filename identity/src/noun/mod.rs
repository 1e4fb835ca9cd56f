//! The nouns whose operations are alike ([`crate::resource`]): one file each, with what only it knows.

mod group;
mod role;
mod service_account;
mod user;

pub use group::may_change as group_may_change;
pub use user::show as show_user;

use crate::Identity;
use iroko_store::noun::Common as Row;
use iroko_wire::common::Common;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

/// Their routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .merge(group::router())
        .merge(role::router())
        .merge(service_account::router())
        .merge(user::router())
}

/// What every noun shows.
pub fn common<Id: Into<Uuid>>(row: Row<Id>) -> Common {
    let Row { id, name, description, labels, generation, created_at, updated_at } = row;
    Common { id: id.into(), name, description, labels, generation, created_at, updated_at }
}
