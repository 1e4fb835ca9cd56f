//! Users as those see them who run an organization. How they prove who they are stands in
//! [`crate::account`].

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, By, Columns, Common, Noun, Of};
use iroko_model::{Description, Labels, OrganizationId, UserId, Username};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

/// A user.
#[derive(Debug, Clone, FromRow)]
pub struct User {
    /// What every noun has; the name is the log-in name, unique over the cloud.
    #[sqlx(flatten)]
    pub common: Common<UserId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub organization_id: OrganizationId,
    /// When they were disabled.
    pub disabled_at: Option<OffsetDateTime>,
}

/// The place of `group_id` in the filters.
pub(crate) const BY_GROUP: usize = 1;

impl Noun for User {
    type Id = UserId;
    const TABLE: &'static str = "account";
    const COLUMNS: &'static str = "n.organization_id, n.disabled_at";
    const NAME: &'static str = "username";
    const FILTERS: &'static [By] = &[
        By {
            name: "disabled",
            of: Of::Flag,
            condition: "(n.disabled_at IS NOT NULL) = $",
            about: "Only users who are disabled, or who are not.",
        },
        By {
            name: "group_id",
            of: Of::Id,
            condition: "EXISTS (SELECT FROM account_group_member m WHERE m.account_id = n.id AND m.group_id = $)",
            about: "Only members of this group.",
        },
    ];

    fn common(&self) -> &Common<UserId> {
        &self.common
    }
}

/// What a new user is made of.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// Owner.
    pub organization_id: OrganizationId,
    /// Log-in name.
    pub username: &'a Username,
    /// What the user is for.
    pub description: &'a Description,
    /// Hash of the first password.
    pub password_hash: &'a str,
    /// Labels.
    pub labels: &'a Labels,
}

/// Makes a user.
pub async fn user_insert(conn: &mut Conn, new: &NewUser<'_>) -> Result<User> {
    let row = Columns::default()
        .set("organization_id", new.organization_id.as_uuid())?
        .set("username", new.username.as_str().to_owned())?
        .set("description", new.description.as_str().to_owned())?
        .set("password_hash", new.password_hash.to_owned())?
        .set("labels", serde_json::json!(new.labels))?;
    noun::insert(conn, UserId::new(), row).await
}

/// What may change of a user.
#[derive(Debug)]
pub struct UserChange<'a> {
    /// What the user is for.
    pub description: &'a Description,
    /// They cannot log in.
    pub is_disabled: bool,
    /// Labels.
    pub labels: &'a Labels,
}

/// Changes a user whom the caller has locked.
pub async fn user_update(conn: &mut Conn, was: &User, to: &UserChange<'_>) -> Result<User> {
    let since = to.is_disabled.then(|| was.disabled_at.unwrap_or_else(OffsetDateTime::now_utc));
    let row = Columns::default()
        .set("description", to.description.as_str().to_owned())?
        .set("labels", serde_json::json!(to.labels))?
        .set("disabled_at", since)?;
    noun::update(conn, was.common.id, row).await
}
