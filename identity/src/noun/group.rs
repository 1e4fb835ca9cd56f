//! Groups.

use super::common;
use crate::Identity;
use crate::extract::{Actor, Guard, Within as Inside};
use crate::resource::service::taken;
use crate::resource::{Change, Create, Delete, Place, Resource, Routes, Words, missing, naming, owner_organization};
use crate::service::authority::{guard_owners, outranks, still_owned};
use iroko_model::permission::perm;
use iroko_model::{GroupId, Naming, OrganizationId};
use iroko_store::group::{self as store, Group as Row};
use iroko_store::noun::{self, Within};
use iroko_store::role_binding::{Leaving, roles_of_group};
use iroko_store::{Store, Tx};
use iroko_web::problem::{Problem, Result};
use iroko_wire::group::{Group, GroupCreate};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<Identity> {
    Routes::<Groups, Identity>::read().create().change().delete().router()
}

struct Groups;

impl Resource for Groups {
    type Row = Row;
    type Shown = Group;
    type Read = Inside<perm::GroupRead>;
    const WORDS: Words = Words { id: "group", a: "a group", many: "groups", tag: "Groups" };
    const PATH: &'static str = "/v1/organizations/{organization_id}/groups";
    const PARAMETER: &'static str = "group_id";

    fn show(row: Row, _: &dyn Place) -> Group {
        Group { common: common(row.common), organization_id: row.organization_id }
    }
}

impl Create for Groups {
    type Request = GroupCreate;
    type By = Inside<perm::GroupCreate>;
    type Needs = Store;
    const CREATE: &'static str = "Roles given to it are those of its members.";

    async fn create(
        tx: &mut Tx,
        _: &<Self as Create>::By,
        within: &Within,
        _: &Store,
        asked: GroupCreate,
    ) -> Result<Row> {
        let naming = Naming { name: asked.name, description: asked.description, labels: asked.labels };
        store::group_insert(tx, owner_organization(within)?, &naming).await.map_err(taken::<Self>)
    }
}

impl Change for Groups {
    type Settings = GroupCreate;
    type By = Inside<perm::GroupUpdate>;
    const UPDATE: &'static str = "GroupUpdate";

    fn settings(row: &Row) -> Result<GroupCreate> {
        let Naming { name, description, labels } = naming(&row.common)?;
        Ok(GroupCreate { name, description, labels })
    }

    async fn change(tx: &mut Tx, _: &<Self as Change>::By, _: &Within, row: Row, to: GroupCreate) -> Result<Row> {
        let naming = Naming { name: to.name, description: to.description, labels: to.labels };
        store::group_update(tx, row.common.id, &naming).await.map_err(taken::<Self>)
    }
}

impl Delete for Groups {
    type By = Inside<perm::GroupDelete>;
    const DELETE: &'static str =
        "Its members lose what they had by it. Nobody deletes a group that has more than they have.";

    async fn used(tx: &mut Tx, by: &<Self as Delete>::By, within: &Within, id: GroupId) -> Result<Option<Problem>> {
        may_change(tx, by.actor(), owner_organization(within)?, id).await.map(|()| None)
    }

    async fn delete(tx: &mut Tx, within: &Within, id: GroupId) -> Result<bool> {
        let owned = guard_owners(tx, Leaving::Group(id)).await?;
        let done = noun::delete::<Row>(tx, within, id).await.map_err(Self::kept)?;
        still_owned(tx, &owned).await?;
        Ok(done)
    }
}

/// Nobody changes who is in a group that has more than they have.
///
/// # Errors
/// Where the organization has no such group, or the group has more.
pub async fn may_change(tx: &mut Tx, actor: &Actor, organization: OrganizationId, id: GroupId) -> Result<()> {
    store::group_get(tx, organization, id).await?.ok_or_else(missing)?;
    let roles = roles_of_group(tx, id).await?;
    outranks(tx, actor, &roles).await
}
