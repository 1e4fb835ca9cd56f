//! `iroko-scheduler`.

use anyhow::Context;
use iroko_scheduler::Config;
use iroko_store::Store;

fn main() -> anyhow::Result<()> {
    iroko_daemon::run("iroko-scheduler", |config: Config, shutdown| {
        Box::pin(async move {
            let store = Store::connect_when_up(&config.database_url, config.database_connections, config.lease_s);
            let Some(store) = shutdown.run_until_cancelled(store).await else { return Ok(()) };
            let store = store.context("connecting to the database (database_url)")?;
            iroko_scheduler::run(store, config.lease_s, shutdown).await;
            Ok(())
        })
    })
}
