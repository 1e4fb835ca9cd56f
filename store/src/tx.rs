//! The pool and its transactions.

use crate::conn::Conn;
use crate::error::Result;
use crate::wake::{Listening, Signals, Wake, Waker};
use iroko_model::{OrganizationId, ProjectId};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, Postgres, SqlSafeStr};
use std::str::FromStr;
use std::time::Duration;

/// Longest wait for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Waits for a database that is not up.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// A transaction that idles longer is cut off: it would hold back the outbox of everybody. What is
/// worked on fits in memory and is found by key: an index costs little, and compiling never pays.
const SESSION_SETTINGS: [(&str, &str); 5] = [
    ("statement_timeout", "15s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("lock_timeout", "10s"),
    ("random_page_cost", "1.1"),
    ("jit", "off"),
];

/// Silence after which a host counts as unreachable, in seconds, unless it is configured.
pub const LEASE_S: u64 = 20;

const PLAN_ONCE: &str = "SET LOCAL plan_cache_mode = force_generic_plan";

/// A handle on the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    waker: Waker,
    listening: Listening,
}

/// What a tenant's transaction is bound to.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// One project, and what it owns.
    Project(ProjectId),
    /// One organization: its people and its list of projects, but nothing that a project owns.
    Organization(OrganizationId),
}

impl From<ProjectId> for Bound {
    fn from(id: ProjectId) -> Self {
        Self::Project(id)
    }
}

impl From<OrganizationId> for Bound {
    fn from(id: OrganizationId) -> Self {
        Self::Organization(id)
    }
}

/// Binds a transaction of an organization to one right below it, that it has just made.
pub async fn bind_below(conn: &mut Conn, id: OrganizationId) -> Result<()> {
    sqlx::query!("SELECT set_config('iroko.organization_id', $1, true)", id.to_string()).fetch_one(conn).await?;
    Ok(())
}

/// A transaction. Dropped without [`Store::commit`] it is rolled back.
pub type Tx = sqlx::Transaction<'static, Postgres>;

impl Store {
    /// Connects to the database at `url` with at most `connections` connections. The first
    /// connection is made at once, so that a wrong URL is told at the start.
    pub async fn connect(url: &str, connections: u32) -> Result<Self> {
        Self::connect_with(url, connections, LEASE_S).await
    }

    /// As [`Store::connect`], with the silence after which a host counts as unreachable (`host_lease()` in SQL).
    async fn connect_with(url: &str, connections: u32, lease_s: u64) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.options(SESSION_SETTINGS).application_name("iroko");
        let options = options.options([("iroko.lease_s", lease_s)]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Self::from_pool(pool))
    }

    /// As [`Store::connect`], but waits for a database that is not up yet, as after a power loss: whoever asks
    /// first must not have to be started again. Each failure is logged. What waiting cannot mend (a wrong
    /// user, no such database) is an error at once. `lease_s`: silence after which a host counts as unreachable, in seconds.
    pub async fn connect_when_up(url: &str, connections: u32, lease_s: u64) -> Result<Self> {
        let mut wait = FIRST_WAIT;
        loop {
            match Self::connect_with(url, connections, lease_s).await {
                Err(error) if error.is_transient() => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(error = cause, "the database is not up; waiting for it (database_url)");
                }
                outcome => return outcome,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// A store over a pool made elsewhere (tests).
    pub fn from_pool(pool: PgPool) -> Self {
        Self { waker: Waker::spawn(pool.clone()), listening: Listening::default(), pool }
    }

    /// Brings the schema up to this release. One that is newer already stays as it is: migrations only add, so that a
    /// process of the release before can start again in the middle of an upgrade.
    pub async fn migrate(&self) -> Result<()> {
        Ok(sqlx::migrate!("./migrations").set_ignore_missing(true).run(&self.pool).await?)
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Tx> {
        self.begin_with("BEGIN".to_owned()).await
    }

    /// Begins a transaction whose statements are planned once a connection, without a look at what they are
    /// asked for: for those that run all the time and find what they touch by key. By itself PostgreSQL plans a
    /// statement with a list of keys anew each time, which takes longer than to run it.
    pub async fn begin_planned(&self) -> Result<Tx> {
        self.begin_with(format!("BEGIN; {PLAN_ONCE}")).await
    }

    /// [`Store::begin_bound`] and [`Store::begin_planned`] in one.
    pub async fn begin_bound_planned(&self, to: impl Into<Bound>) -> Result<Tx> {
        self.begin_with(format!("{}; {PLAN_ONCE}", bound(to.into()))).await
    }

    /// Begins in a task of its own, which ends even where the caller goes away in the middle: sqlx would put
    /// the connection back into the pool with the transaction open, and its tenant's role on, for whoever
    /// comes next.
    async fn begin_with(&self, statement: String) -> Result<Tx> {
        let conn = self.pool.acquire().await?;
        let begun = tokio::spawn(Tx::begin(conn, Some(AssertSqlSafe(statement).into_sql_str())));
        Ok(begun.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
    }

    /// Begins a transaction of a tenant, in one round trip: bound to one project or one organization, as a
    /// role that row-level security holds for. Whatever runs in it sees and changes nothing of others
    /// (migration 0010, docs/adr/0007).
    pub async fn begin_bound(&self, to: impl Into<Bound>) -> Result<Tx> {
        self.begin_with(bound(to.into())).await
    }

    /// Commits, then tells everybody who waits to look again.
    pub async fn commit(&self, tx: Tx) -> Result<()> {
        self.commit_for(tx, Wake::All).await
    }

    /// Commits, then tells those whom it concerns to look again.
    ///
    /// Within a [request](crate::request) that changes something, its audit record is part of what is committed.
    pub async fn commit_for(&self, mut tx: Tx, whom: Wake) -> Result<()> {
        crate::request::settle(&mut tx).await?;
        tx.commit().await?;
        self.waker.wake(whom);
        Ok(())
    }

    /// Commits bookkeeping that is not what the request asked for: nobody waits for it, nothing is recorded.
    pub async fn commit_aside(&self, tx: Tx) -> Result<()> {
        Ok(tx.commit().await?)
    }

    /// Commits a question to a host, of which nothing that is wanted changes, and wakes whoever passes it on: a read may ask so.
    pub async fn commit_question(&self, tx: Tx, whom: Wake) -> Result<()> {
        self.commit_aside(tx).await?;
        self.waker.wake(whom);
        Ok(())
    }

    /// Signals of this and every other process that something was committed that concerns `of`. All who wait in this
    /// process share one connection.
    pub async fn signals(&self, of: Wake) -> Result<Signals> {
        self.listening.subscribe(&self.pool, of).await
    }

    /// True where the database answers.
    pub async fn is_alive(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.pool).await.is_ok()
    }

    /// A pooled connection for single statements outside a transaction.
    pub async fn connection(&self) -> Result<Connection> {
        Ok(self.pool.acquire().await?)
    }

    /// How many connections of the pool are open, and how many of them nobody uses now.
    pub fn pool_use(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// The pool, for this crate's tests.
    #[doc(hidden)]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// What begins a tenant's transaction.
fn bound(to: Bound) -> String {
    let (setting, id) = match to {
        Bound::Project(id) => ("iroko.project_id", id.as_uuid()),
        Bound::Organization(id) => ("iroko.organization_id", id.as_uuid()),
    };
    // An id is hexadecimal digits and hyphens: nothing of a caller's text is in here.
    format!("BEGIN; SET LOCAL ROLE iroko_tenant; SET LOCAL {setting} = '{id}'")
}

/// A pooled connection.
pub type Connection = sqlx::pool::PoolConnection<Postgres>;
