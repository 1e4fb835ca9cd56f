//! Who is in groups.

use crate::Identity;
use crate::extract::{Actor, ListQuery};
use crate::noun::{group_may_change, show_user};
use crate::service::authority::{guard_owners, still_owned};
use iroko_model::{GroupId, OrganizationId, UserId};
use iroko_store::group;
use iroko_store::role_binding::Leaving;
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::List;
use iroko_wire::user::User;

/// A page of a group's members.
pub async fn members(
    app: &Identity,
    organization: OrganizationId,
    id: GroupId,
    query: ListQuery,
) -> Result<List<User>> {
    let mut tx = app.store.begin_bound(organization).await?;
    if group::group_get(&mut tx, organization, id).await?.is_none() {
        return Err(Problem::new(Plain::NotFound));
    }
    let page = group::group_members(&mut tx, organization, id, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, show_user))
}

/// Adds a member: gives them what the group has.
pub async fn member_add(
    app: &Identity,
    actor: &Actor,
    organization: OrganizationId,
    id: GroupId,
    user: UserId,
) -> Result<()> {
    let mut tx = app.store.begin_bound(organization).await?;
    group_may_change(&mut tx, actor, organization, id).await?;
    if !group::group_member_add(&mut tx, organization, id, user).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    Ok(app.store.commit(tx).await?)
}

/// Takes a member out.
pub async fn member_remove(
    app: &Identity,
    actor: &Actor,
    organization: OrganizationId,
    id: GroupId,
    user: UserId,
) -> Result<()> {
    let mut tx = app.store.begin_bound(organization).await?;
    group_may_change(&mut tx, actor, organization, id).await?;
    let owned = guard_owners(&mut tx, Leaving::Group(id)).await?;
    if !group::group_member_remove(&mut tx, organization, id, user).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    still_owned(&mut tx, &owned).await?;
    Ok(app.store.commit(tx).await?)
}
