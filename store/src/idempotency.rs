//! Idempotency keys: a request that comes again is not carried out again.
//!
//! A key is claimed before the request runs, and marked in the very transaction in which the request
//! takes effect ([`crate::request`]). So a crash at any point leaves one of three states: nothing
//! committed (the claim's lease runs out, and the next one takes over), committed without answer, or
//! answered. A claim that was taken over cannot commit any more.

use crate::conn::Conn;
use crate::error::Result;
use uuid::Uuid;

/// What there is under a key.
#[derive(Debug)]
pub enum Claim {
    /// It is the caller's turn; this names the claim.
    Mine(Uuid),
    /// The key was used for another request.
    OtherRequest,
    /// The key was used with another session or API key, whose answer is not for this one.
    OtherCredential,
    /// The request is still being carried out.
    Running,
    /// The request was carried out, but its answer was lost in a crash.
    AnswerLost,
    /// The request was carried out: HTTP status and stored answer.
    Answered(u16, Vec<u8>),
}

/// Claims a key of a subject for a request made with a credential. `lease_s`: seconds after which a claim that committed nothing
/// may be taken over.
pub async fn idempotency_claim(
    conn: &mut Conn,
    subject: Uuid,
    credential: Uuid,
    key_hash: &[u8],
    request_hash: &[u8],
    lease_s: f64,
) -> Result<Claim> {
    let claim = Uuid::now_v7();
    let done = sqlx::query!(
        "INSERT INTO idempotency AS i (id, subject_id, key_hash, request_hash, claim, lease, credential_id)
         VALUES ($1, $2, $3, $4, $1, now() + make_interval(secs => $5), $6)
         ON CONFLICT (subject_id, key_hash) DO UPDATE SET claim = excluded.claim, lease = excluded.lease, credential_id = excluded.credential_id
         WHERE i.lease < now() AND i.committed_at IS NULL AND i.status IS NULL AND i.request_hash = excluded.request_hash",
        claim,
        subject,
        key_hash,
        request_hash,
        lease_s,
        credential
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Claim::Mine(claim));
    }
    let row = sqlx::query!(
        r#"SELECT request_hash, committed_at IS NOT NULL AS "is_committed!", lease < now() AS "is_over!", status, answer, credential_id
           FROM idempotency WHERE subject_id = $1 AND key_hash = $2"#,
        subject,
        key_hash
    )
    .fetch_optional(conn)
    .await?;
    // Given back meanwhile: as if it had still been running.
    let Some(row) = row else { return Ok(Claim::Running) };
    Ok(match (row.status, row.answer) {
        _ if row.request_hash != request_hash => Claim::OtherRequest,
        _ if row.credential_id != Some(credential) => Claim::OtherCredential,
        (Some(status), Some(answer)) => Claim::Answered(u16::try_from(status).unwrap_or_default(), answer),
        _ if row.is_committed && row.is_over => Claim::AnswerLost,
        _ => Claim::Running,
    })
}

/// Stores the answer of a claim.
pub async fn idempotency_answer(conn: &mut Conn, claim: Uuid, status: u16, answer: &[u8]) -> Result<()> {
    sqlx::query!(
        "UPDATE idempotency SET status = $2, answer = $3, committed_at = coalesce(committed_at, now()) WHERE claim = $1",
        claim,
        i16::try_from(status).unwrap_or_default(),
        answer
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives a claim back that took no effect. Where it did, it stays.
pub async fn idempotency_give_back(conn: &mut Conn, claim: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM idempotency WHERE claim = $1 AND committed_at IS NULL", claim).execute(conn).await?;
    Ok(())
}

/// Throws away keys older than `keep_s` seconds, at most `at_most` in one call. Returns how many.
pub async fn idempotency_trim(conn: &mut Conn, keep_s: f64, at_most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM idempotency WHERE id IN (SELECT id FROM idempotency
             WHERE created_at < now() - make_interval(secs => $1) ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        keep_s,
        at_most
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
