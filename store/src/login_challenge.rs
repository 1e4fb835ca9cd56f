//! Log-ins whose password was right and whose second factor is awaited.

use crate::conn::Conn;
use crate::error::Result;
use iroko_model::UserId;
use time::OffsetDateTime;

/// Notes that a person's password was right.
pub async fn login_challenge_insert(
    conn: &mut Conn,
    token_hash: &[u8],
    account: UserId,
    expires_at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO login_challenge (token_hash, account_id, expires_at) VALUES ($1, $2, $3)",
        token_hash,
        account.as_uuid(),
        expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whose password was right, if that is not too long ago.
pub async fn login_challenge_account(
    conn: &mut Conn,
    token_hash: &[u8],
    now: OffsetDateTime,
) -> Result<Option<UserId>> {
    let found = sqlx::query_scalar!(
        "SELECT account_id FROM login_challenge WHERE token_hash = $1 AND expires_at > $2",
        token_hash,
        now
    );
    Ok(found.fetch_optional(conn).await?.map(UserId::from))
}

/// Uses a challenge up. False where another request was faster.
pub async fn login_challenge_delete(conn: &mut Conn, token_hash: &[u8]) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM login_challenge WHERE token_hash = $1", token_hash).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Removes a person's challenges: what they proved no longer counts.
pub async fn login_challenge_delete_all(conn: &mut Conn, account: UserId) -> Result<()> {
    sqlx::query!("DELETE FROM login_challenge WHERE account_id = $1", account.as_uuid()).execute(conn).await?;
    Ok(())
}

/// Removes those that have ended.
pub async fn login_challenge_purge(conn: &mut Conn, now: OffsetDateTime) -> Result<u64> {
    let done = sqlx::query!("DELETE FROM login_challenge WHERE expires_at < $1", now).execute(conn).await?;
    Ok(done.rows_affected())
}
