//! What the caller is and may do.

use crate::Identity;
use crate::extract::Actor;
use crate::show::Show;
use iroko_store::authority::{Subject, roles_held, subject_named};
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::me::Me;

/// The caller, with all roles they hold.
pub async fn get(app: &Identity, actor: &Actor) -> Result<Me> {
    let mut conn = app.store.connection().await?;
    let who = subject_named(&mut conn, actor.subject).await?.ok_or(Problem::new(Plain::NotFound))?;
    let roles = roles_held(&mut conn, actor.subject).await?.into_iter().map(Show::show).collect();
    let (id, kind) = match actor.subject {
        Subject::User(id) => (id.as_uuid(), "user"),
        Subject::ServiceAccount(id) => (id.as_uuid(), "service_account"),
    };
    Ok(Me { id, kind: kind.to_owned(), name: who.name, organization_id: who.organization_id, roles })
}
