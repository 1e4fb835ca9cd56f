//! The second factor of a person: a sealed secret, and recovery codes.

use crate::conn::Conn;
use crate::error::Result;
use iroko_model::UserId;
use time::OffsetDateTime;

/// A person's second factor.
#[derive(Debug, Clone)]
pub struct Totp {
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// When the first code was right; before, it is not asked for.
    pub confirmed_at: Option<OffsetDateTime>,
    /// Step of the last code that was accepted.
    pub last_step: i64,
    /// Recovery codes that were not used.
    pub recovery_codes_left: i64,
}

/// A person's second factor.
pub async fn totp_get(conn: &mut Conn, account: UserId) -> Result<Option<Totp>> {
    Ok(sqlx::query_as!(
        Totp,
        r#"SELECT sealed, confirmed_at, last_step, (SELECT count(*) FROM recovery_code r
            WHERE r.account_id = t.account_id AND used_at IS NULL) AS "recovery_codes_left!"
           FROM totp t WHERE account_id = $1"#,
        account.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// Makes codes of this person take turns until the transaction ends. False where there is none.
pub async fn totp_lock(conn: &mut Conn, account: UserId) -> Result<bool> {
    let row =
        sqlx::query_scalar!(r#"SELECT 1 AS "one!" FROM totp WHERE account_id = $1 FOR UPDATE"#, account.as_uuid());
    Ok(row.fetch_optional(conn).await?.is_some())
}

/// Begins an enrolment, or begins it anew. False where a confirmed one is in force.
pub async fn totp_enrol(conn: &mut Conn, account: UserId, sealed: &[u8], now: OffsetDateTime) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO totp (account_id, sealed, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (account_id) DO UPDATE SET sealed = $2, created_at = $3, last_step = 0
         WHERE totp.confirmed_at IS NULL",
        account.as_uuid(),
        sealed,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// From now on a code is asked for.
pub async fn totp_confirm(conn: &mut Conn, account: UserId, now: OffsetDateTime) -> Result<()> {
    sqlx::query!("UPDATE totp SET confirmed_at = $2 WHERE account_id = $1", account.as_uuid(), now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Accepts the code of a step. False where it, or a later one, was accepted before.
pub async fn totp_accept(conn: &mut Conn, account: UserId, step: i64) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE totp SET last_step = $2 WHERE account_id = $1 AND last_step < $2",
        account.as_uuid(),
        step
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends it, with its recovery codes. False where there was none.
pub async fn totp_delete(conn: &mut Conn, account: UserId) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM totp WHERE account_id = $1", account.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Puts other recovery codes in the place of all there were.
pub async fn recovery_codes_replace(conn: &mut Conn, account: UserId, hashes: &[Vec<u8>]) -> Result<()> {
    sqlx::query!("DELETE FROM recovery_code WHERE account_id = $1", account.as_uuid()).execute(&mut *conn).await?;
    sqlx::query!(
        "INSERT INTO recovery_code (account_id, code_hash) SELECT $1, unnest($2::bytea[])",
        account.as_uuid(),
        hashes
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Uses a recovery code up. False where there is none such, or it was used.
pub async fn recovery_code_use(conn: &mut Conn, account: UserId, hash: &[u8], now: OffsetDateTime) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE recovery_code SET used_at = $3 WHERE account_id = $1 AND code_hash = $2 AND used_at IS NULL",
        account.as_uuid(),
        hash,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
