//! Taking requests apart: the actor and the guards; the rest is [`iroko_web::extract`].

mod actor;
mod guard;
mod own_page;

pub use actor::{Actor, Admission, NextCookie};
pub use guard::{
    AboveOrganization, AboveProject, Asks, By, Caller, Guard, Guarded, InOrganization, InProject, KnowsOrganization,
    KnowsProject, OnSystem, System, Tenant, Within, gate, guard_of, guarded_by,
};
pub use iroko_web::extract::*;
pub use iroko_wire::page::ListParams;
pub use own_page::OwnPage;
