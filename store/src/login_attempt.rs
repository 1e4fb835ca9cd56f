//! Attempts to log in: those being checked and those that failed.
//!
//! How long somebody must wait is counted from these rows each time. An attempt is noted before the
//! password is looked at, under a lock on account and network, so that a thousand guesses at once
//! count as a thousand.

use crate::conn::Conn;
use crate::error::Result;
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

/// What was tried before. Where the account has logged in from this very place (an address; of IPv6 a /64), only what was
/// tried from there counts; where it has logged in from another place of the network, what was tried from the network: others
/// keep nobody out of where they have been before.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// On the account.
    pub on_subject: Attempts,
    /// From the network, on any account.
    pub from_network: Attempts,
}

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy)]
pub struct From {
    /// The client's own place: an address; of IPv6 a /64.
    pub place: IpNetwork,
    /// The network around it.
    pub network: IpNetwork,
}

/// What an attempt wants to prove who one is with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The password.
    Password,
    /// A code of the second factor, after the password.
    Code,
}

impl Proof {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "code",
        }
    }
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
    from: From,
    since: OffsetDateTime,
    pending_since: OffsetDateTime,
) -> Result<Before> {
    let row = sqlx::query!(
        r#"WITH known AS (
                SELECT count(*) > 0 AS in_network, coalesce(bool_or(s.source <<= $6), false) AS in_place
                FROM session s JOIN account a ON a.id = s.account_id
                WHERE a.username = $2 AND s.source <<= $3 AND s.created_at > $4::timestamptz - interval '30 days'),
              mine AS (SELECT failed, at FROM login_attempt, known
                WHERE subject = $1 AND at > $4 AND (failed OR at > $5)
                  AND CASE WHEN in_place THEN place = $6 WHEN in_network THEN network = $3 ELSE true END),
              theirs AS (SELECT failed, at FROM login_attempt, known
                WHERE network = $3 AND at > $4 AND (failed OR at > $5) AND (NOT in_place OR place = $6))
           SELECT (SELECT count(*) FROM mine WHERE failed) AS "subject_failed!",
                  (SELECT count(*) FROM mine WHERE NOT failed) AS "subject_pending!",
                  (SELECT max(at) FROM mine WHERE failed) AS subject_last,
                  (SELECT count(*) FROM theirs WHERE failed) AS "network_failed!",
                  (SELECT count(*) FROM theirs WHERE NOT failed) AS "network_pending!",
                  (SELECT max(at) FROM theirs WHERE failed) AS network_last"#,
        subject,
        username,
        from.network,
        since,
        pending_since,
        from.place
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
    from: From,
    proof: Proof,
    now: OffsetDateTime,
) -> Result<Uuid> {
    let id = Uuid::now_v7();
    sqlx::query!(
        "INSERT INTO login_attempt (id, subject, network, at, place, proof) VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        subject,
        from.network,
        now,
        from.place,
        proof.as_str()
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

/// The attempt succeeded: failures before it on this subject are forgiven, by a password those of passwords only, by a
/// code of the second factor all, for a code comes after the password. Those of the network on other subjects are not
/// forgiven, or an attacker with an account of their own could start afresh at will.
pub async fn login_attempt_succeeded(conn: &mut Conn, id: Uuid, subject: &[u8], proof: Proof) -> Result<()> {
    sqlx::query!(
        "DELETE FROM login_attempt WHERE id = $1 OR subject = $2 AND failed AND ($3 = 'code' OR proof = 'password')",
        id,
        subject,
        proof.as_str()
    )
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
