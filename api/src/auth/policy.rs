//! What an actor may do. One question a function; a refusal hides that the thing exists.

use crate::extract::Actor;
use crate::problem::{Kind, Problem, Result};
use iroko_model::ProjectId;

/// The actor is a member of the project.
pub fn in_project(actor: &Actor, project: ProjectId) -> Result<()> {
    if actor.claims.projects.contains(&project) { Ok(()) } else { Err(Problem::new(Kind::NotFound)) }
}

/// The actor is an operator.
pub fn operator(actor: &Actor) -> Result<()> {
    if actor.claims.operator { Ok(()) } else { Err(Problem::new(Kind::NotFound)) }
}
