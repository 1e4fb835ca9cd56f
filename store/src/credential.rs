//! What proves who a person is: password hashes.

use crate::conn::Conn;
use crate::error::Result;
use iroko_model::{OrganizationId, UserId};
use time::OffsetDateTime;

/// A person, as the log-in sees them.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The person.
    pub account_id: UserId,
    /// Their organization.
    pub organization_id: OrganizationId,
    /// Its name: no password may be made of it.
    pub organization_name: String,
    /// Log-in name.
    pub username: String,
    /// argon2id in PHC string form; none where an identity provider vouches for them.
    pub password_hash: Option<String>,
    /// Disabled: cannot log in, sessions do not go on.
    pub is_disabled: bool,
}

/// The person of this log-in name.
pub async fn credential_by_username(conn: &mut Conn, username: &str) -> Result<Option<Credential>> {
    Ok(sqlx::query_as!(
        Credential,
        r#"SELECT a.id AS account_id, a.organization_id, o.name AS organization_name, a.username, a.password_hash,
                  a.disabled_at IS NOT NULL AS "is_disabled!"
           FROM account a JOIN organization o ON o.id = a.organization_id WHERE a.username = $1"#,
        username
    )
    .fetch_optional(conn)
    .await?)
}

/// The person of this id.
pub async fn credential_by_account(conn: &mut Conn, account: UserId) -> Result<Option<Credential>> {
    Ok(sqlx::query_as!(
        Credential,
        r#"SELECT a.id AS account_id, a.organization_id, o.name AS organization_name, a.username, a.password_hash,
                  a.disabled_at IS NOT NULL AS "is_disabled!"
           FROM account a JOIN organization o ON o.id = a.organization_id WHERE a.id = $1"#,
        account.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// Sets a person's password. False where there is no such person, or they never had one.
pub async fn credential_set_password(
    conn: &mut Conn,
    account: UserId,
    hash: &str,
    now: OffsetDateTime,
) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE account SET password_hash = $2, password_changed_at = $3
         WHERE id = $1 AND password_hash IS NOT NULL",
        account.as_uuid(),
        hash,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
