//! A database for each test, on the cluster that `DATABASE_URL` names.
//!
//! The schema is not made anew for each: a template is made once for each state of `store/migrations`, under a lock, and
//! PostgreSQL copies its files. The database goes when its [`TestDatabase`] does, also when the test fails; what a killed
//! process left goes when the next test begins.

mod growth;

pub use growth::fill;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the schema is.
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/migrations");
/// Begins the names of tests' databases; the number of the process and one of the test follow.
const PREFIX: &str = "iroko_test_";
/// Begins the names of templates.
const TEMPLATE: &str = "iroko_template_";
/// The advisory lock that the maker of a template holds.
const LOCK: i64 = 0x1706_c0de;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database of one test. It is dropped with this.
#[derive(Debug)]
pub struct TestDatabase {
    server: PgConnectOptions,
    name: String,
}

/// A database with the schema, and how to connect to it.
///
/// # Panics
/// Where `DATABASE_URL` names no cluster that answers.
pub async fn database() -> (TestDatabase, PgConnectOptions) {
    let server = server();
    let mut conn = connected(&server).await;
    let migrator = Migrator::new(Path::new(MIGRATIONS)).await.expect("the migrations can be read");
    let template = template_name(&migrator);
    if !exists(&mut conn, &template).await {
        make_template(&mut conn, &server, &migrator, &template).await;
    }
    made(server, conn, &format!("TEMPLATE {template}")).await
}

/// A database with nothing in it, and how to connect to it.
///
/// # Panics
/// As [`database`].
pub async fn empty_database() -> (TestDatabase, PgConnectOptions) {
    let server = server();
    let conn = connected(&server).await;
    made(server, conn, "").await
}

async fn made(server: PgConnectOptions, mut conn: PgConnection, from: &str) -> (TestDatabase, PgConnectOptions) {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    if number == 0 {
        drop_left_over(&mut conn).await;
    }
    let name = format!("{PREFIX}{}_{number}", std::process::id());
    run(&mut conn, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.expect("an old one can be dropped");
    run(&mut conn, format!("CREATE DATABASE {name} {from}")).await.expect("a database can be made");
    let connect = server.clone().database(&name);
    (TestDatabase { server, name }, connect)
}

fn server() -> PgConnectOptions {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL for tests (CONTRIBUTING.md)");
    url.parse().expect("DATABASE_URL is a URL of PostgreSQL")
}

async fn connected(server: &PgConnectOptions) -> PgConnection {
    server.connect().await.expect("the PostgreSQL of DATABASE_URL answers")
}

async fn run(conn: &mut PgConnection, sql: String) -> sqlx::Result<()> {
    conn.execute(AssertSqlSafe(sql)).await.map(drop)
}

/// One name for each state of the migrations.
fn template_name(migrator: &Migrator) -> String {
    let mut hasher = DefaultHasher::new();
    migrator.iter().for_each(|migration| (migration.version, &migration.checksum).hash(&mut hasher));
    format!("{TEMPLATE}{:016x}", hasher.finish())
}

async fn exists(conn: &mut PgConnection, name: &str) -> bool {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name);
    found.fetch_one(conn).await.expect("databases can be listed")
}

/// Makes the template, unless another process has while this one waited for the lock. It gets its name when it is whole.
async fn make_template(conn: &mut PgConnection, server: &PgConnectOptions, migrator: &Migrator, name: &str) {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut *conn).await.expect("the lock comes free");
    if !exists(conn, name).await {
        for old in names(conn, TEMPLATE).await {
            // One that a process with another schema copies right now stays.
            let _ = run(conn, format!("DROP DATABASE IF EXISTS {old}")).await;
        }
        let draft = format!("{name}_draft");
        run(conn, format!("CREATE DATABASE {draft}")).await.expect("a database can be made");
        let mut inside = connected(&server.clone().database(&draft)).await;
        migrator.run(&mut inside).await.expect("the migrations run");
        inside.close().await.expect("the template is closed");
        run(conn, format!("ALTER DATABASE {draft} RENAME TO {name}")).await.expect("nobody knows of the draft");
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK).execute(conn).await.expect("the lock is held");
}

async fn names(conn: &mut PgConnection, prefix: &str) -> Vec<String> {
    let found = sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)").bind(prefix);
    found.fetch_all(conn).await.expect("databases can be listed")
}

/// Drops the databases of processes that are gone.
async fn drop_left_over(conn: &mut PgConnection) {
    for name in names(conn, PREFIX).await {
        let process = name.trim_start_matches(PREFIX).split('_').next().unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            // Another test may be faster.
            let _ = run(conn, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), std::mem::take(&mut self.name));
        // On a thread of its own: the test's runtime may be what unwinds.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut conn = server.connect().await.map_err(std::io::Error::other)?;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                run(&mut conn, sql).await.map_err(std::io::Error::other)
            })
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("a test's database stays until the next test begins");
        }
    }
}
