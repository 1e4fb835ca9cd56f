//! Attempts to log in: those being checked and those that failed.
//!
//! How long somebody must wait is counted from these rows each time. An attempt is noted before the
//! password is looked at, under a lock on account and network, so that a thousand guesses at once
//! count as a thousand.

use crate::error::Result;
use crate::tx::Conn;
use ipnetwork::IpNetwork;
use time::OffsetDateTime;
use uuid::Uuid;

/// Attempts on one account or from one network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// That failed.
    pub failed: i64,
    /// That are being checked.
    pub pending: i64,
    /// When the last one failed.
    pub last_failed_at: Option<OffsetDateTime>,
}

/// What was tried before.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// On the account; from this network only, where it is one the account has logged in from.
    pub on_subject: Attempts,
    /// From the network, on any account.
    pub from_network: Attempts,
}

/// Makes attempts on this subject and from this network take turns until the transaction ends.
pub async fn login_attempt_lock(conn: &mut Conn, keys: [i64; 2]) -> Result<()> {
    // In one order, so that two attempts never wait for each other.
    let (first, second) = (keys[0].min(keys[1]), keys[0].max(keys[1]));
    for key in [first, second] {
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", key).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Counts attempts since `since`; one being checked counts if it was noted after `pending_since`.
pub async fn login_attempts(
    conn: &mut Conn,
    subject: &[u8],
    username: &str,
    network: IpNetwork,
    since: OffsetDateTime,
    pending_since: OffsetDateTime,
) -> Result<Before> {
    let row = sqlx::query!(
        r#"WITH known AS (SELECT EXISTS (
                SELECT FROM session s JOIN account a ON a.id = s.account_id
                WHERE a.username = $2 AND s.source <<= $3 AND s.created_at > $4::timestamptz - interval '30 days') AS here),
              mine AS (SELECT failed, at FROM login_attempt, known
                WHERE subject = $1 AND at > $4 AND (failed OR at > $5) AND (NOT here OR network = $3)),
              theirs AS (SELECT failed, at FROM login_attempt WHERE network = $3 AND at > $4 AND (failed OR at > $5))
           SELECT (SELECT count(*) FROM mine WHERE failed) AS "subject_failed!",
                  (SELECT count(*) FROM mine WHERE NOT failed) AS "subject_pending!",
                  (SELECT max(at) FROM mine WHERE failed) AS subject_last,
                  (SELECT count(*) FROM theirs WHERE failed) AS "network_failed!",
                  (SELECT count(*) FROM theirs WHERE NOT failed) AS "network_pending!",
                  (SELECT max(at) FROM theirs WHERE failed) AS network_last"#,
        subject,
        username,
        network,
        since,
        pending_since
    )
    .fetch_one(conn)
    .await?;
    Ok(Before {
        on_subject: Attempts {
            failed: row.subject_failed,
            pending: row.subject_pending,
            last_failed_at: row.subject_last,
        },
        from_network: Attempts {
            failed: row.network_failed,
            pending: row.network_pending,
            last_failed_at: row.network_last,
        },
    })
}

/// Notes an attempt that will be checked now.
pub async fn login_attempt_insert(
    conn: &mut Conn,
    subject: &[u8],
    network: IpNetwork,
    now: OffsetDateTime,
) -> Result<Uuid> {
    let id = Uuid::now_v7();
    sqlx::query!(
        "INSERT INTO login_attempt (id, subject, network, at) VALUES ($1, $2, $3, $4)",
        id,
        subject,
        network,
        now
    )
    .execute(conn)
    .await?;
    Ok(id)
}

/// The attempt failed, at `now`.
pub async fn login_attempt_failed(conn: &mut Conn, id: Uuid, now: OffsetDateTime) -> Result<()> {
    sqlx::query!("UPDATE login_attempt SET failed = true, at = $2 WHERE id = $1", id, now).execute(conn).await?;
    Ok(())
}

/// The attempt was not decided: it does not count.
pub async fn login_attempt_withdraw(conn: &mut Conn, id: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM login_attempt WHERE id = $1", id).execute(conn).await?;
    Ok(())
}

/// The attempt succeeded: failures before it on this subject are forgiven. Those of the network on
/// other subjects are not, or an attacker with an account of their own could start afresh at will.
pub async fn login_attempt_succeeded(conn: &mut Conn, id: Uuid, subject: &[u8]) -> Result<()> {
    sqlx::query!("DELETE FROM login_attempt WHERE id = $1 OR subject = $2 AND failed", id, subject)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgives all failures on a subject.
pub async fn login_attempt_forgive(conn: &mut Conn, subject: &[u8]) -> Result<()> {
    sqlx::query!("DELETE FROM login_attempt WHERE subject = $1 AND failed", subject).execute(conn).await?;
    Ok(())
}

/// Removes attempts before `before`. Says how many.
pub async fn login_attempt_purge(conn: &mut Conn, before: OffsetDateTime) -> Result<u64> {
    let done = sqlx::query!("DELETE FROM login_attempt WHERE at < $1", before).execute(conn).await?;
    Ok(done.rows_affected())
}
