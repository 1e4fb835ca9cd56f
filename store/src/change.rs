//! Reading the outbox.
//!
//! A change carries the number of its transaction as revision. A reader asks for the *watermark*, the
//! oldest transaction still running, and takes everything below it: those transactions have ended, so
//! nothing can appear below the watermark later, and no change is missed or seen out of order,
//! whatever the number of writers and readers.

use crate::conn::Conn;
use crate::error::Result;
use std::str::FromStr;
use uuid::Uuid;

/// What a change says to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// An instance, for its host.
    Instance,
    /// A port, for its host and for the other hosts of its network.
    Port,
    /// How much a port may carry, for its host alone.
    PortLimits,
    /// A network, for its hosts.
    Network,
    /// The console log of an instance is wanted, from its host.
    Console,
    /// A security group, for hosts with a port in it.
    SecurityGroup,
    /// An address set, for hosts with a port in a group that refers to it.
    AddressSet,
}

impl ChangeKind {
    /// All kinds that this release knows.
    pub const ALL: [Self; 7] = [
        Self::Instance,
        Self::Port,
        Self::PortLimits,
        Self::Network,
        Self::Console,
        Self::SecurityGroup,
        Self::AddressSet,
    ];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Port => "port",
            Self::PortLimits => "port_limits",
            Self::Network => "network",
            Self::Console => "console",
            Self::SecurityGroup => "security_group",
            Self::AddressSet => "address_set",
        }
    }
}

impl FromStr for ChangeKind {
    type Err = iroko_model::Invalid;
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let unknown = || iroko_model::Invalid::new("change_kind_unknown", format!("{text:?} is not a kind of change"));
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(unknown)
    }
}

/// One change.
#[derive(Debug, Clone)]
pub struct Change {
    /// Number of the transaction that made it.
    pub revision: i64,
    /// What to look at.
    pub kind: ChangeKind,
    /// Which one.
    pub object_id: Uuid,
    /// The host it concerns.
    pub host_id: Option<Uuid>,
    /// The network whose hosts it concerns.
    pub network_id: Option<Uuid>,
    /// Of a port: groups it is or was in. Of a security group: other groups and address sets that its rules
    /// begin or cease to refer to.
    pub refs: Vec<Uuid>,
}

/// What a look at the outbox gave.
#[derive(Debug, Clone)]
pub struct Tail {
    /// Every change below this revision is in here or was seen before.
    pub watermark: i64,
    /// Where to go on: right after the last change, or where this look began. Not the watermark: numbers of
    /// transactions that wrote nothing are not in the log of the database, and a crash gives them away again.
    pub next: i64,
    /// True where transactions are still running, so that another look soon is worth while.
    pub more_soon: bool,
    /// The changes from the asked revision up to the watermark, in order.
    pub changes: Vec<Change>,
    /// Kinds among them that a newer release writes and this one does not know. Their changes are not in `changes`:
    /// a reader must say to those who follow it that it knows no more than [`ChangeKind::ALL`].
    pub unknown: Vec<String>,
}

/// Takes the changes from revision `from` on.
pub async fn change_tail(conn: &mut Conn, from: i64) -> Result<Tail> {
    let mark = watermark(&mut *conn).await?;
    let rows = sqlx::query!(
        "SELECT revision, kind, object_id, host_id, network_id, refs FROM change
         WHERE revision >= $1 AND revision < $2 ORDER BY revision, seq",
        from,
        mark.xmin
    )
    .fetch_all(conn)
    .await?;
    let last = rows.last().map(|row| row.revision);
    let (mut changes, mut unknown) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let Ok(kind) = row.kind.parse() else {
            unknown.push(row.kind);
            continue;
        };
        let (revision, object_id) = (row.revision, row.object_id);
        changes.push(Change {
            revision,
            kind,
            object_id,
            host_id: row.host_id,
            network_id: row.network_id,
            refs: row.refs,
        });
    }
    let next = last.map_or(from, |last| last + 1);
    Ok(Tail { watermark: mark.xmin, next, more_soon: mark.xmin < mark.xmax, changes, unknown })
}

struct Mark {
    xmin: i64,
    xmax: i64,
}

async fn watermark(conn: &mut Conn) -> Result<Mark> {
    Ok(sqlx::query_as!(
        Mark,
        r#"SELECT pg_snapshot_xmin(s)::text::bigint AS "xmin!", pg_snapshot_xmax(s)::text::bigint AS "xmax!"
           FROM pg_current_snapshot() AS s"#
    )
    .fetch_one(conn)
    .await?)
}

/// The oldest revision from which on every change is kept, and at most `most` of them: where a
/// reader that starts anew begins.
pub async fn change_floor(conn: &mut Conn, most: i64) -> Result<i64> {
    let oldest = sqlx::query_scalar!(
        "SELECT min(revision) FROM (SELECT revision FROM change ORDER BY revision DESC, seq DESC LIMIT $1) AS c",
        most
    )
    .fetch_one(&mut *conn)
    .await?;
    match oldest {
        // The bound or a trim may have cut the oldest in its middle; after it nothing is missing.
        Some(oldest) => Ok(oldest + 1),
        // The newest always stays: there never was one.
        None => Ok(1),
    }
}

/// Names the history that revisions belong to. A cluster restored from a backup or to a point in
/// time counts transactions differently; agents that come with a revision of another epoch get
/// everything.
pub async fn change_epoch(conn: &mut Conn) -> Result<String> {
    let row = sqlx::query!(
        r#"SELECT s.system_identifier AS "system!", c.timeline_id AS "timeline!", d.oid::bigint AS "database!"
           FROM pg_control_system() AS s, pg_control_checkpoint() AS c, pg_database d WHERE d.datname = current_database()"#
    )
    .fetch_one(conn)
    .await?;
    Ok(format!("{:x}.{}.{:x}", row.system, row.timeline, row.database))
}

/// Throws away changes older than `keep_s` seconds, at most `at_most` in one call. Returns how many.
/// Oldest revisions first and without gaps; the newest always stays, so that a reader that starts
/// anew knows that nothing came after it, however long ago that was.
pub async fn change_trim(conn: &mut Conn, keep_s: f64, at_most: i64) -> Result<u64> {
    let done = sqlx::query!(
        // Reads no more than it may delete: from the oldest on, up to the first that is kept.
        "WITH oldest AS (
             SELECT revision, seq, created_at FROM change ORDER BY revision, seq LIMIT $2
         ), kept AS (
             SELECT least(min(revision) FILTER (WHERE created_at >= now() - make_interval(secs => $1)),
                          (SELECT max(revision) FROM change)) AS revision FROM oldest
         )
         DELETE FROM change c USING oldest o, kept k WHERE o.revision < k.revision AND c.revision = o.revision AND c.seq = o.seq",
        keep_s,
        at_most
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
