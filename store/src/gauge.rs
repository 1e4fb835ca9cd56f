//! What there is now, as numbers for the operator's monitoring. Each is counted when it is asked for: whoever asks often keeps
//! the answer for a while.

use crate::conn::Conn;
use crate::error::Result;
use sqlx::FromRow;

/// How many hosts are in a state.
#[derive(Debug, Clone, FromRow)]
pub struct HostCount {
    /// `enabled`, `disabled` or `dead`.
    pub state: String,
    /// Both agents were heard of within the lease.
    pub reachable: bool,
    /// How many.
    pub hosts: i64,
}

/// Hosts by state.
pub async fn gauge_hosts(conn: &mut Conn) -> Result<Vec<HostCount>> {
    let counts = sqlx::query_as(
        "SELECT state, reachable, count(*) AS hosts
         FROM (SELECT h.state, 2 = (SELECT count(*) FROM host_agent a WHERE a.host_id = h.id AND a.seen_at > now() - host_lease()) AS reachable
               FROM host h) AS h
         GROUP BY 1, 2",
    );
    Ok(counts.fetch_all(conn).await?)
}

/// How many instances are in a status.
#[derive(Debug, Clone, FromRow)]
pub struct InstanceCount {
    /// The status.
    pub status: String,
    /// How many.
    pub instances: i64,
}

/// Instances by status.
pub async fn gauge_instances(conn: &mut Conn) -> Result<Vec<InstanceCount>> {
    let counts = sqlx::query_as("SELECT status, count(*) AS instances FROM cloud_instance GROUP BY status");
    Ok(counts.fetch_all(conn).await?)
}

/// What a reader of the outbox has not read.
#[derive(Debug, Clone, Copy)]
pub struct Unread {
    /// Changes from its revision on.
    pub changes: i64,
    /// Age of the oldest of them, in seconds.
    pub oldest_s: f64,
}

/// What a reader that has read all below `revision` has before it.
pub async fn gauge_unread(conn: &mut Conn, revision: i64) -> Result<Unread> {
    Ok(sqlx::query_as!(
        Unread,
        r#"SELECT count(*) AS "changes!", coalesce(extract(epoch FROM now() - min(created_at)), 0)::double precision AS "oldest_s!"
           FROM change WHERE revision >= $1"#,
        revision
    )
    .fetch_one(conn)
    .await?)
}
