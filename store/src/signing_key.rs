//! The keys that sign access tokens: one that will sign, one that signs, and those whose tokens still
//! hold. The private halves are sealed by the API; here they are octets.

use crate::conn::Conn;
use crate::error::Result;
use time::OffsetDateTime;

/// Held while keys are changed, so that several processes do it one after the other.
const LOCK: i64 = 0x6972_6f6b_6f5f_6b65;

/// A key.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its name in tokens and in the JWK set.
    pub kid: String,
    /// `next`, `active` or `retired`.
    pub state: String,
    /// The sealed private half.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it began to sign.
    pub activated_at: Option<OffsetDateTime>,
    /// When it ceased to sign.
    pub retired_at: Option<OffsetDateTime>,
}

/// Makes processes that change keys take turns until the transaction ends.
pub async fn signing_key_lock(conn: &mut Conn) -> Result<()> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", LOCK).execute(conn).await?;
    Ok(())
}

/// All keys, oldest first.
pub async fn signing_key_list(conn: &mut Conn) -> Result<Vec<SigningKey>> {
    Ok(sqlx::query_as!(
        SigningKey,
        "SELECT kid, state, sealed, created_at, activated_at, retired_at FROM signing_key ORDER BY activated_at NULLS LAST, created_at, kid"
    )
    .fetch_all(conn)
    .await?)
}

/// One key.
pub async fn signing_key_get(conn: &mut Conn, kid: &str) -> Result<Option<SigningKey>> {
    Ok(sqlx::query_as!(
        SigningKey,
        "SELECT kid, state, sealed, created_at, activated_at, retired_at FROM signing_key WHERE kid = $1",
        kid
    )
    .fetch_optional(conn)
    .await?)
}

/// Adds a key that will sign one day.
pub async fn signing_key_insert(conn: &mut Conn, kid: &str, sealed: &[u8], now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO signing_key (kid, state, sealed, created_at) VALUES ($1, 'next', $2, $3)",
        kid,
        sealed,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets the next key sign; the one that did is retired.
pub async fn signing_key_promote(conn: &mut Conn, now: OffsetDateTime) -> Result<()> {
    sqlx::query!("UPDATE signing_key SET state = 'retired', retired_at = $1 WHERE state = 'active'", now)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("UPDATE signing_key SET state = 'active', activated_at = $1 WHERE state = 'next'", now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets a key: what it signed no longer counts. False where there is none of this name.
pub async fn signing_key_delete(conn: &mut Conn, kid: &str) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM signing_key WHERE kid = $1", kid).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
