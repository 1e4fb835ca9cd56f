//! How hosts join and speak: enrolment tokens, certificates, sessions.

use crate::conn::Conn;
use crate::error::Result;
use crate::number::stored;
use crate::page::{Page, PageQuery};
use ipnetwork::IpNetwork;
use iroko_agent_wire::{AgentKind, SessionRequest};
use iroko_model::{EnrolmentTokenId, HostId};
use time::OffsetDateTime;
use uuid::Uuid;

/// An enrolment token's record; the secret is not in it.
#[derive(Debug, Clone)]
pub struct EnrolmentToken {
    /// The record.
    pub id: Uuid,
    /// The only host name it is good for, where it was bound to one.
    pub host_name: Option<String>,
    /// Which agents have used it.
    pub used_by: Vec<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// Makes a token of which only the hash is stored.
pub async fn enrolment_token_insert(
    conn: &mut Conn,
    secret_hash: &[u8],
    host_name: Option<&str>,
    valid_s: f64,
) -> Result<EnrolmentToken> {
    Ok(sqlx::query_as!(
        EnrolmentToken,
        "INSERT INTO enrolment_token (id, secret_hash, host_name, expires_at) VALUES ($1, $2, $3, now() + make_interval(secs => $4))
         RETURNING id, host_name, used_by, created_at, expires_at",
        EnrolmentTokenId::new().as_uuid(),
        secret_hash,
        host_name,
        valid_s
    )
    .fetch_one(conn)
    .await?)
}

/// A page of all tokens.
pub async fn enrolment_token_list(conn: &mut Conn, page: PageQuery) -> Result<Page<EnrolmentToken>> {
    let rows = sqlx::query_as!(
        EnrolmentToken,
        "SELECT id, host_name, used_by, created_at, expires_at FROM enrolment_token
         WHERE ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2 + 1",
        page.after,
        page.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// One token.
pub async fn enrolment_token_get(conn: &mut Conn, id: EnrolmentTokenId) -> Result<Option<EnrolmentToken>> {
    Ok(sqlx::query_as!(
        EnrolmentToken,
        "SELECT id, host_name, used_by, created_at, expires_at FROM enrolment_token WHERE id = $1",
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// Revokes a token; false where there was none. Hosts that joined with it stay.
pub async fn enrolment_token_delete(conn: &mut Conn, id: EnrolmentTokenId) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM enrolment_token WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Why an agent may not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolRefusal {
    /// No such token, or it has ended.
    #[error("the enrolment token is unknown or has expired; ask the operator for a new one")]
    Token,
    /// This kind of agent has already used it.
    #[error("this agent has already enrolled with the token; ask the operator for a new one")]
    Used,
    /// The token is for a host of another name.
    #[error("the enrolment token is for a host of another name")]
    Name,
    /// The host of this name was declared dead.
    #[error(
        "the host of this name was declared dead and never comes back; the operator forgets it first, then it joins as a new one"
    )]
    Dead,
}

/// Lets an agent join: checks and uses up its part of the token, makes the host with the first
/// agent. A token bound to the name of a host that is there lets its agents join anew. The same agent
/// may enrol again until it has begun a session, so that a lost answer is no loss. Needs a
/// transaction. [`crate::Error::Taken`] where another host has the name.
pub async fn enrol(
    conn: &mut Conn,
    secret_hash: &[u8],
    kind: AgentKind,
    host_name: &str,
    serial: &str,
) -> Result<std::result::Result<HostId, EnrolRefusal>> {
    // A statement of its own: the next one must see what the host's other agent, with the same
    // token, committed while this one waited.
    let token_id = sqlx::query_scalar!(
        "SELECT id FROM enrolment_token WHERE secret_hash = $1 AND expires_at > now() FOR UPDATE",
        secret_hash
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(token_id) = token_id else { return Ok(Err(EnrolRefusal::Token)) };
    let token = sqlx::query!(
        r#"SELECT t.host_name, t.used_by, h.id AS "host_id?", h.name AS "joined_name?", coalesce(h.state = 'dead', false) AS "dead!",
                  EXISTS (SELECT FROM host_agent a WHERE a.host_id = t.host_id AND a.kind = $2
                          AND a.incarnation > a.enrolled_incarnation) AS "began!"
           FROM enrolment_token t LEFT JOIN host h ON h.id = t.host_id OR (t.host_id IS NULL AND h.name = t.host_name)
           WHERE t.id = $1"#,
        token_id,
        kind.as_str()
    )
    .fetch_one(&mut *conn)
    .await?;
    if token.dead {
        return Ok(Err(EnrolRefusal::Dead));
    }
    if token.began && token.used_by.iter().any(|used| used == kind.as_str()) {
        return Ok(Err(EnrolRefusal::Used));
    }
    if token.joined_name.or(token.host_name).is_some_and(|wanted| wanted != host_name) {
        return Ok(Err(EnrolRefusal::Name));
    }
    let host_id = match token.host_id {
        Some(id) => id,
        None => host_insert(&mut *conn, host_name).await?,
    };
    sqlx::query!(
        "UPDATE enrolment_token SET host_id = $2, used_by = array_append(array_remove(used_by, $3), $3) WHERE id = $1",
        token_id,
        host_id,
        kind.as_str()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO host_agent AS a (host_id, kind, certificate_serial) VALUES ($1, $2, $3)
         ON CONFLICT (host_id, kind) DO UPDATE SET certificate_serial = excluded.certificate_serial, next_serial = NULL,
             enrolled_incarnation = a.incarnation",
        host_id,
        kind.as_str(),
        serial
    )
    .execute(conn)
    .await?;
    Ok(Ok(host_id.into()))
}

async fn host_insert(conn: &mut Conn, name: &str) -> Result<Uuid> {
    let id = HostId::new().as_uuid();
    sqlx::query!("INSERT INTO host (id, name) VALUES ($1, $2)", id, name).execute(conn).await?;
    Ok(id)
}

/// The agent's certificate is from now on the one with this serial number, and no other.
pub async fn agent_certificate_set(conn: &mut Conn, host_id: HostId, kind: AgentKind, serial: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE host_agent SET certificate_serial = $3, next_serial = NULL WHERE host_id = $1 AND kind = $2",
        host_id.as_uuid(),
        kind.as_str(),
        serial
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A new certificate was issued to the agent; its first use ends the old one.
pub async fn agent_certificate_issued(conn: &mut Conn, host_id: HostId, kind: AgentKind, serial: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE host_agent SET next_serial = $3 WHERE host_id = $1 AND kind = $2",
        host_id.as_uuid(),
        kind.as_str(),
        serial
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A certificate that was shown: whose it says it is, and its serial number.
pub type Shown = (HostId, AgentKind, String);

/// Of each certificate, whether it is the agent's: not where it was replaced or the host is gone. One that
/// was issued and is shown for the first time takes the place of the one before.
pub async fn agent_certificates_hold(conn: &mut Conn, shown: &[Shown]) -> Result<Vec<bool>> {
    let hosts: Vec<Uuid> = shown.iter().map(|(host, ..)| host.as_uuid()).collect();
    let kinds: Vec<String> = shown.iter().map(|(_, kind, _)| kind.as_str().to_owned()).collect();
    let serials: Vec<String> = shown.iter().map(|(.., serial)| serial.clone()).collect();
    // What is in the lists must not matter for the plan, or it would be made anew each time.
    let rows = sqlx::query!(
        r#"SELECT s.n AS "n!", a.certificate_serial = s.serial AS "is_current!"
           FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[]), (SELECT $3::text[])) WITH ORDINALITY AS s (host_id, kind, serial, n)
           JOIN host_agent a ON a.host_id = s.host_id AND a.kind = s.kind
           WHERE a.certificate_serial = s.serial OR a.next_serial = s.serial"#,
        &hosts,
        &kinds,
        &serials
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut hold = vec![false; shown.len()];
    for row in rows {
        let at = usize::try_from(row.n - 1).expect("PostgreSQL counts what it was given from 1");
        hold[at] = true;
        if !row.is_current {
            sqlx::query!(
                "UPDATE host_agent SET certificate_serial = $3, next_serial = NULL WHERE host_id = $1 AND kind = $2 AND next_serial = $3",
                hosts[at],
                kinds[at],
                serials[at]
            )
            .execute(&mut *conn)
            .await?;
        }
    }
    Ok(hold)
}

/// Begins a session: stores what the host says of itself and gives the incarnation. `None` where
/// the host is gone.
pub async fn session_begin(conn: &mut Conn, host_id: HostId, request: &SessionRequest) -> Result<Option<i64>> {
    let incarnation = sqlx::query_scalar!(
        "UPDATE host_agent SET incarnation = incarnation + 1, sequence = 0, seen_at = now(), version = $3
         WHERE host_id = $1 AND kind = $2 RETURNING incarnation",
        host_id.as_uuid(),
        request.agent.as_str(),
        request.version
    )
    .fetch_optional(&mut *conn)
    .await?;
    let moved = sqlx::query_scalar!(
        r#"WITH old AS (SELECT id, vtep FROM host WHERE id = $1 FOR NO KEY UPDATE)
           UPDATE host h SET architecture = coalesce($2, architecture), vcpus = coalesce($3, vcpus),
               memory_mib = coalesce($4, memory_mib), disk_gib = coalesce($5, disk_gib),
               vtep = coalesce($6, h.vtep), underlay_mtu = coalesce($7, underlay_mtu)
           FROM old WHERE h.id = old.id RETURNING (old.vtep IS DISTINCT FROM h.vtep) AS "moved!""#,
        host_id.as_uuid(),
        request.architecture.map(|a| a.as_str()),
        request.capacity.map(|c| stored(c.vcpus)),
        request.capacity.map(|c| stored(c.memory_mib)),
        request.capacity.map(|c| stored(c.disk_gib)),
        request.vtep.map(IpNetwork::from) as Option<IpNetwork>,
        request.underlay_mtu.map(|mtu| i32::try_from(mtu).unwrap_or(i32::MAX))
    )
    .fetch_optional(&mut *conn)
    .await?;
    if moved == Some(true) {
        tell_peers(conn, host_id).await?;
    }
    Ok(incarnation)
}

/// The host's VXLAN end has moved: every host that shares a network with it must look at its ports.
async fn tell_peers(conn: &mut Conn, host_id: HostId) -> Result<()> {
    sqlx::query!(
        "INSERT INTO change (kind, object_id, host_id, network_id)
         SELECT 'port', port_id, host_id, network_id FROM port_host WHERE host_id = $1",
        host_id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(())
}
