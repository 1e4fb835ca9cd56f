//! Custom roles. A role is never more than what its maker may do.

use super::common;
use crate::Identity;
use crate::extract::Within as Inside;
use crate::resource::service::taken;
use crate::resource::{Change, Create, Delete, Place, Resource, Routes, Words, naming, owner_organization};
use crate::service::authority::has_all;
use iroko_model::permission::perm;
use iroko_model::{Naming, Permissions};
use iroko_store::custom_role::{self as store, CustomRole as Row};
use iroko_store::noun::Within;
use iroko_store::{Store, Tx};
use iroko_web::problem::{Problem, Result, Rule};
use iroko_wire::role::{CustomRole, RoleCreate};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<Identity> {
    Routes::<Roles, Identity>::read().create().change().delete().router()
}

struct Roles;

impl Resource for Roles {
    type Row = Row;
    type Shown = CustomRole;
    type Read = Inside<perm::RoleRead>;
    const WORDS: Words = Words { id: "role", a: "a role", many: "roles", tag: "Roles" };
    const PATH: &'static str = "/v1/organizations/{organization_id}/roles";
    const PARAMETER: &'static str = "role_id";
    const ABOUT: &'static str =
        "The organization's own; the built-in ones are `operator`, `auditor`, `owner`, `admin`, `member` and `reader`.";

    fn show(row: Row, _: &dyn Place) -> CustomRole {
        let Row { common: of_all, organization_id, permissions } = row;
        CustomRole { common: common(of_all), organization_id, permissions }
    }
}

impl Create for Roles {
    type Request = RoleCreate;
    type By = Inside<perm::RoleCreate>;
    type Needs = Store;
    const CREATE: &'static str =
        "Made of named permissions, none of which its maker lacks. It can be given in the organization and below it.";

    async fn create(
        tx: &mut Tx,
        by: &<Self as Create>::By,
        within: &Within,
        _: &Store,
        asked: RoleCreate,
    ) -> Result<Row> {
        let allows = asked.permissions.into_iter().collect();
        has_all(by.held, allows)?;
        let naming = Naming { name: asked.name, description: asked.description, labels: asked.labels };
        store::custom_role_insert(tx, owner_organization(within)?, &naming, allows).await.map_err(taken::<Self>)
    }
}

impl Change for Roles {
    type Settings = RoleCreate;
    type By = Inside<perm::RoleUpdate>;
    const UPDATE: &'static str = "RoleUpdate";
    const CHANGE: &'static str = "Everybody who has it may do at once what it then allows.";

    fn settings(row: &Row) -> Result<RoleCreate> {
        let Naming { name, description, labels } = naming(&row.common)?;
        Ok(RoleCreate { name, description, permissions: row.allows().iter().collect(), labels })
    }

    /// Who changes what it allows has all that it allowed, and all that it will.
    async fn change(tx: &mut Tx, by: &<Self as Change>::By, _: &Within, row: Row, to: RoleCreate) -> Result<Row> {
        let (before, allows): (_, Permissions) = (row.allows(), to.permissions.into_iter().collect());
        let changed = (allows != before).then_some(allows);
        if changed.is_some() {
            has_all(by.held, before.union(allows))?;
        }
        let naming = Naming { name: to.name, description: to.description, labels: to.labels };
        store::custom_role_update(tx, row.common.id, &naming, changed).await.map_err(taken::<Self>)
    }
}

impl Delete for Roles {
    type By = Inside<perm::RoleDelete>;
    const DELETE: &'static str = "Nobody may have it any more.";

    fn in_use() -> Problem {
        Problem::refuse(Rule::InUse, "somebody has the role; delete its role bindings first")
    }
}
