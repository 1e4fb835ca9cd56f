//! Sessions: one log-in each, with the chain of its secrets: refresh tokens, or values of its cookie.
//!
//! A secret is kept as a hash, used ones too: one that comes back after its successor was used
//! is known to be of this session, and ends it.

use crate::conn::Conn;
use crate::error::Result;
use crate::page::{Page, PageQuery};
use ipnetwork::IpNetwork;
use iroko_model::{SessionId, UserId};
use std::net::IpAddr;
use time::OffsetDateTime;

/// Most sessions of a person; the one longest unused makes room.
pub const PER_ACCOUNT: i64 = 256;

/// What a new session is made of.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Whose.
    pub account_id: UserId,
    /// `password` or `oidc`.
    pub method: &'a str,
    /// What the client holds: `token` or `cookie`.
    pub carrier: &'a str,
    /// Where it was begun from.
    pub source: IpAddr,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
    /// Now.
    pub now: OffsetDateTime,
    /// Ends then unless refreshed before.
    pub idle_expires_at: OffsetDateTime,
    /// Ends then in any case.
    pub expires_at: OffsetDateTime,
}

/// A session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The session.
    pub id: SessionId,
    /// How the person proved who they are.
    pub method: String,
    /// What the client holds: `token` or `cookie`.
    pub carrier: String,
    /// Where it was begun from.
    pub source: IpNetwork,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// Last refresh.
    pub used_at: OffsetDateTime,
    /// Ends then unless refreshed before.
    pub idle_expires_at: OffsetDateTime,
    /// Ends then in any case.
    pub expires_at: OffsetDateTime,
}

/// Begins a session with its first secret. The one longest unused makes room in a crowd.
pub async fn session_begin(conn: &mut Conn, new: &NewSession<'_>, token_hash: &[u8]) -> Result<Session> {
    let id = SessionId::new();
    sqlx::query!(
        "UPDATE session SET revoked_at = $2, revoked_reason = 'crowded' WHERE id IN (
            SELECT id FROM session WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND idle_expires_at > $2
            ORDER BY used_at DESC OFFSET $3)",
        new.account_id.as_uuid(),
        new.now,
        PER_ACCOUNT - 1
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "WITH made AS (
            INSERT INTO session (id, account_id, method, source, user_agent, created_at, used_at, idle_expires_at, expires_at, carrier)
            VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $10) RETURNING id)
         INSERT INTO refresh_token (token_hash, session_id) SELECT $9, id FROM made",
        id.as_uuid(),
        new.account_id.as_uuid(),
        new.method,
        IpNetwork::from(new.source),
        new.user_agent,
        new.now,
        new.idle_expires_at,
        new.expires_at,
        token_hash,
        new.carrier
    )
    .execute(conn)
    .await?;
    Ok(Session {
        id,
        method: new.method.to_owned(),
        carrier: new.carrier.to_owned(),
        source: new.source.into(),
        user_agent: new.user_agent.map(str::to_owned),
        created_at: new.now,
        used_at: new.now,
        idle_expires_at: new.idle_expires_at,
        expires_at: new.expires_at,
    })
}

/// A secret that was presented, and its session.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Its session.
    pub session_id: SessionId,
    /// Whose.
    pub account_id: UserId,
    /// What the client holds: `token` or `cookie`.
    pub carrier: String,
    /// When the current secret of the session was given.
    pub renewed_at: OffsetDateTime,
    /// When it was exchanged for its successor.
    pub used_at: Option<OffsetDateTime>,
    /// Its successor was given a second time.
    pub is_repeated: bool,
    /// The session was ended.
    pub is_revoked: bool,
    /// The session ends then unless refreshed before.
    pub idle_expires_at: OffsetDateTime,
    /// The session ends then in any case.
    pub expires_at: OffsetDateTime,
}

/// Finds a presented secret and locks it with its session until the transaction ends.
pub async fn refresh_token_lock(conn: &mut Conn, token_hash: &[u8]) -> Result<Option<Presented>> {
    Ok(sqlx::query_as!(
        Presented,
        r#"SELECT t.session_id, s.account_id, s.carrier, s.used_at AS renewed_at, t.used_at, t.repeated AS is_repeated,
                  s.revoked_at IS NOT NULL AS "is_revoked!", s.idle_expires_at, s.expires_at
           FROM refresh_token t JOIN session s ON s.id = t.session_id WHERE t.token_hash = $1 FOR UPDATE OF s, t"#,
        token_hash
    )
    .fetch_optional(conn)
    .await?)
}

/// Finds a presented secret without a lock: what a request by a cookie asks.
pub async fn session_secret_find(conn: &mut Conn, token_hash: &[u8]) -> Result<Option<Presented>> {
    Ok(sqlx::query_as!(
        Presented,
        r#"SELECT t.session_id, s.account_id, s.carrier, s.used_at AS renewed_at, t.used_at, t.repeated AS is_repeated,
                  s.revoked_at IS NOT NULL AS "is_revoked!", s.idle_expires_at, s.expires_at
           FROM refresh_token t JOIN session s ON s.id = t.session_id WHERE t.token_hash = $1"#,
        token_hash
    )
    .fetch_optional(conn)
    .await?)
}

/// True where the token is its session's current one.
pub async fn refresh_token_is_current(conn: &mut Conn, token_hash: &[u8]) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM refresh_token WHERE token_hash = $1 AND used_at IS NULL) AS "current!""#,
        token_hash
    )
    .fetch_one(conn)
    .await?)
}

/// Exchanges the current token for its successor, which keeps the session from idling out.
pub async fn refresh_token_exchange(
    conn: &mut Conn,
    session: SessionId,
    used: &[u8],
    successor: &[u8],
    now: OffsetDateTime,
    idle_expires_at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!("UPDATE refresh_token SET used_at = $2 WHERE token_hash = $1", used, now).execute(&mut *conn).await?;
    sqlx::query!("INSERT INTO refresh_token (token_hash, session_id) VALUES ($1, $2)", successor, session.as_uuid())
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "UPDATE session SET used_at = $2, idle_expires_at = $3 WHERE id = $1",
        session.as_uuid(),
        now,
        idle_expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a token's successor was given a second time.
pub async fn refresh_token_repeated(conn: &mut Conn, token_hash: &[u8]) -> Result<()> {
    sqlx::query!("UPDATE refresh_token SET repeated = true WHERE token_hash = $1", token_hash).execute(conn).await?;
    Ok(())
}

/// Ends a session. False where it is not this person's or has ended already.
pub async fn session_revoke(
    conn: &mut Conn,
    account: UserId,
    id: SessionId,
    reason: &str,
    now: OffsetDateTime,
) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE session SET revoked_at = $3, revoked_reason = $4
         WHERE id = $2 AND account_id = $1 AND revoked_at IS NULL AND expires_at > $3 AND idle_expires_at > $3",
        account.as_uuid(),
        id.as_uuid(),
        now,
        reason
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends all sessions of a person, but for one. Says how many.
pub async fn session_revoke_all(
    conn: &mut Conn,
    account: UserId,
    except: Option<SessionId>,
    reason: &str,
    now: OffsetDateTime,
) -> Result<u64> {
    let done = sqlx::query!(
        "UPDATE session SET revoked_at = $2, revoked_reason = $3
         WHERE account_id = $1 AND revoked_at IS NULL AND ($4::uuid IS NULL OR id <> $4)",
        account.as_uuid(),
        now,
        reason,
        except.map(|id| id.as_uuid())
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// A page of a person's sessions that have not ended.
pub async fn session_list(
    conn: &mut Conn,
    account: UserId,
    now: OffsetDateTime,
    query: PageQuery,
) -> Result<Page<Session>> {
    let rows = sqlx::query_as!(
        Session,
        "SELECT id, method, carrier, source, user_agent, created_at, used_at, idle_expires_at, expires_at FROM session
         WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND idle_expires_at > $2
           AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4",
        account.as_uuid(),
        now,
        query.after,
        i64::from(query.limit) + 1
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, query, |row| row.id.as_uuid()))
}

/// One session of a person. `None` where it is not theirs or has ended.
pub async fn session_get(
    conn: &mut Conn,
    account: UserId,
    id: SessionId,
    now: OffsetDateTime,
) -> Result<Option<Session>> {
    Ok(sqlx::query_as!(
        Session,
        "SELECT id, method, carrier, source, user_agent, created_at, used_at, idle_expires_at, expires_at FROM session
         WHERE id = $2 AND account_id = $1 AND revoked_at IS NULL AND expires_at > $3 AND idle_expires_at > $3",
        account.as_uuid(),
        id.as_uuid(),
        now
    )
    .fetch_optional(conn)
    .await?)
}

/// Removes sessions that ended before `before`, with their tokens. Says how many.
pub async fn session_purge(conn: &mut Conn, before: OffsetDateTime) -> Result<u64> {
    let done =
        sqlx::query!("DELETE FROM session WHERE expires_at < $1 OR revoked_at < $1 OR idle_expires_at < $1", before)
            .execute(conn)
            .await?;
    Ok(done.rows_affected())
}
