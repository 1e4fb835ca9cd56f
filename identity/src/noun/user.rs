//! Users, as those see them who run an organization.

use crate::Identity;
use crate::extract::{CheckedJson, Guard, Within as Inside};
use crate::guarded;
use crate::resource::{Change, Delete, Place, Resource, Routes, Words, missing, stored};
use crate::service::authority::{guard_owners, outranks_subject, still_owned};
use crate::service::user as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::UserId;
use iroko_model::permission::perm;
use iroko_store::Tx;
use iroko_store::authority::Subject;
use iroko_store::noun::{self, Within};
use iroko_store::role_binding::Leaving;
use iroko_store::user::{self as store, User as Row, UserChange};
use iroko_web::problem::{Problem, Result};
use iroko_wire::user::{User, UserCreate, UserSettings};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<Identity> {
    Routes::<Users, Identity>::read().change().delete().router().merge(guarded!(create))
}

struct Users;

impl Resource for Users {
    type Row = Row;
    type Shown = User;
    type Read = Inside<perm::UserRead>;
    const WORDS: Words = Words { id: "user", a: "a user", many: "users", tag: "Users" };
    const PATH: &'static str = "/v1/organizations/{organization_id}/users";
    const PARAMETER: &'static str = "user_id";
    const ABOUT: &'static str = "What lists call the name is the log-in name.";

    fn show(row: Row, _: &dyn Place) -> User {
        show(row)
    }
}

/// Shows a row.
pub fn show(row: Row) -> User {
    let Row { common, organization_id, disabled_at } = row;
    User {
        id: common.id,
        organization_id,
        username: common.name,
        description: common.description,
        disabled: disabled_at.is_some(),
        labels: common.labels,
        generation: common.generation,
        created_at: common.created_at,
        updated_at: common.updated_at,
    }
}

/// Create a user
///
/// They may do nothing until a role is given to them or to a group they are in.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/users", operation_id = "user_create", tag = "Users",
    request_body = UserCreate,
    responses((status = 201, description = "Made", body = User)))]
async fn create(
    State(app): State<Identity>,
    within: Inside<perm::UserCreate>,
    CheckedJson(body): CheckedJson<UserCreate>,
) -> Result<(StatusCode, Json<User>)> {
    Ok((StatusCode::CREATED, Json(show(service::create(&app, within.organization, body).await?))))
}

impl Change for Users {
    type Settings = UserSettings;
    type By = Inside<perm::UserUpdate>;
    const UPDATE: &'static str = "UserUpdate";
    const CHANGE: &'static str = "Disabling acts at once, on tokens too. An organization keeps its last owner.";

    fn settings(row: &Row) -> Result<UserSettings> {
        let description = stored(row.common.description.clone().try_into())?;
        let labels = stored(row.common.labels.clone().try_into())?;
        Ok(UserSettings { description, disabled: row.disabled_at.is_some(), labels })
    }

    async fn change(tx: &mut Tx, by: &<Self as Change>::By, _: &Within, row: Row, to: UserSettings) -> Result<Row> {
        let id = row.common.id;
        let mut owned = Vec::new();
        if to.disabled != row.disabled_at.is_some() {
            outranks_subject(tx, by.actor(), Subject::User(id)).await?;
            if to.disabled {
                owned = guard_owners(tx, Leaving::User(id)).await?;
            }
        }
        let change = UserChange { description: &to.description, is_disabled: to.disabled, labels: &to.labels };
        let row = store::user_update(tx, &row, &change).await?;
        still_owned(tx, &owned).await?;
        Ok(row)
    }
}

impl Delete for Users {
    type By = Inside<perm::UserDelete>;
    const DELETE: &'static str = "With all their roles. An organization keeps its last owner. To keep the name from others, disable them instead.";

    async fn used(tx: &mut Tx, by: &<Self as Delete>::By, within: &Within, id: UserId) -> Result<Option<Problem>> {
        noun::get::<Row>(tx, within, id).await?.ok_or_else(missing)?;
        outranks_subject(tx, by.actor(), Subject::User(id)).await.map(|()| None)
    }

    async fn delete(tx: &mut Tx, within: &Within, id: UserId) -> Result<bool> {
        let owned = guard_owners(tx, Leaving::User(id)).await?;
        let done = noun::delete::<Row>(tx, within, id).await.map_err(Self::kept)?;
        still_owned(tx, &owned).await?;
        Ok(done)
    }
}
