//! A database in which much is, and much was: to show that what is done costs what it changes.

use crate::run;
use sqlx::PgConnection;

/// What fills the database; `$1` is how many instances there are.
const FILL: &str = include_str!("growth.sql");

/// Fills a database with a cloud of so many instances. Takes seconds.
///
/// # Panics
/// Where the schema is another one.
pub async fn fill(conn: &mut PgConnection, instances: u32) {
    let sql = FILL.replace("$1", &instances.to_string());
    let whole = format!("SET session_replication_role = replica; {sql}; SET session_replication_role = origin");
    run(conn, whole).await.expect("the cloud can be filled");
    run(conn, "VACUUM ANALYZE".to_owned()).await.expect("it can be analysed");
}
