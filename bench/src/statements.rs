//! Which statements PostgreSQL spends its time on, as its own extension counts them.

use anyhow::{Context, Result, ensure};
use std::process::Command;

/// What a cluster needs in its configuration for this.
pub const SETTINGS: &str = "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track_planning = on";

/// Begins to count anew.
pub fn reset(url: &str) -> Result<()> {
    psql(url, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()").map(drop)
}

/// Prints the dearest statements since, per machine.
pub fn print(url: &str, machines: usize) -> Result<()> {
    let query = format!(
        "SELECT format('| %s | %s | %s | %s |', round(calls / {machines}.0, 2), round((total_exec_time / {machines})::numeric, 3),
                round((total_plan_time / {machines})::numeric, 3), left(regexp_replace(query, '\\s+', ' ', 'g'), 110))
         FROM pg_stat_statements ORDER BY total_exec_time + total_plan_time DESC LIMIT 30"
    );
    println!("\n| calls | run ms | plan ms | statement, each for one machine |\n| --: | --: | --: | --- |");
    println!("{}", psql(url, &query)?);
    Ok(())
}

fn psql(url: &str, query: &str) -> Result<String> {
    let output = Command::new("psql").args(["-qtAX", "-d", url, "-c", query]).output().context("starting psql")?;
    ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
