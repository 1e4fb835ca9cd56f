//! Groups and their members.

use crate::Identity;
use crate::extract::{Actor, ListQuery};
use crate::service::authority::{guard_owners, outranks, still_owned};
use crate::show::Show;
use iroko_model::{GroupId, Labels, Name, OrganizationId, UserId};
use iroko_store::request::{Noun, check_generation};
use iroko_store::role_binding::{Leaving, roles_of_group};
use iroko_store::{Error, Tx, group};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::group::{Group, GroupCreate, GroupUpdate};
use iroko_wire::user::User;

/// Makes an empty group.
pub async fn create(app: &Identity, organization: OrganizationId, request: GroupCreate) -> Result<Group> {
    let (name, labels): (Name, Labels) = request.try_into()?;
    let mut tx = app.store.begin_bound(organization).await?;
    let row = group::group_insert(&mut tx, organization, &name, &labels).await.map_err(taken)?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

fn taken(error: Error) -> Problem {
    match error {
        Error::Taken(_) => {
            Problem::with(Kind::Conflict, "another group of the organization has this name; choose another")
        }
        error => error.into(),
    }
}

/// A page of groups.
pub async fn list(app: &Identity, organization: OrganizationId, query: ListQuery) -> Result<List<Group>> {
    let mut tx = app.store.begin_bound(organization).await?;
    Ok(iroko_web::list(group::group_list(&mut tx, organization, query.page, &query.filter).await?, Show::show))
}

/// One group.
pub async fn get(app: &Identity, organization: OrganizationId, id: GroupId) -> Result<Group> {
    let mut tx = app.store.begin_bound(organization).await?;
    group::group_get(&mut tx, organization, id).await?.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Renames or labels a group.
pub async fn update(app: &Identity, organization: OrganizationId, id: GroupId, request: GroupUpdate) -> Result<Group> {
    let (name, labels): (Option<Name>, Option<Labels>) = request.try_into()?;
    let mut tx = app.store.begin_bound(organization).await?;
    check_generation(&mut tx, Noun::Group, id.as_uuid()).await?;
    let row = group::group_update(&mut tx, organization, id, name.as_ref(), labels.as_ref()).await.map_err(taken)?;
    let row = row.ok_or(Problem::new(Kind::NotFound))?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// Deletes a group; its members lose what it had.
pub async fn delete(app: &Identity, actor: &Actor, organization: OrganizationId, id: GroupId) -> Result<()> {
    let mut tx = app.store.begin_bound(organization).await?;
    check_generation(&mut tx, Noun::Group, id.as_uuid()).await?;
    may_change(&mut tx, actor, organization, id).await?;
    let owned = guard_owners(&mut tx, Leaving::Group(id)).await?;
    group::group_delete(&mut tx, organization, id).await?;
    still_owned(&mut tx, &owned).await?;
    Ok(app.store.commit(tx).await?)
}

/// A page of a group's members.
pub async fn members(
    app: &Identity,
    organization: OrganizationId,
    id: GroupId,
    query: ListQuery,
) -> Result<List<User>> {
    let mut tx = app.store.begin_bound(organization).await?;
    if group::group_get(&mut tx, organization, id).await?.is_none() {
        return Err(Problem::new(Kind::NotFound));
    }
    let page = group::group_members(&mut tx, organization, id, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
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
    may_change(&mut tx, actor, organization, id).await?;
    if !group::group_member_add(&mut tx, organization, id, user).await? {
        return Err(Problem::new(Kind::NotFound));
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
    may_change(&mut tx, actor, organization, id).await?;
    let owned = guard_owners(&mut tx, Leaving::Group(id)).await?;
    if !group::group_member_remove(&mut tx, organization, id, user).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    still_owned(&mut tx, &owned).await?;
    Ok(app.store.commit(tx).await?)
}

/// The group is there, and the actor has all that it has.
async fn may_change(tx: &mut Tx, actor: &Actor, organization: OrganizationId, id: GroupId) -> Result<()> {
    if group::group_get(tx, organization, id).await?.is_none() {
        return Err(Problem::new(Kind::NotFound));
    }
    let roles = roles_of_group(tx, id).await?;
    outranks(tx, actor, &roles).await
}
