//! `iroko-api`.

use anyhow::Context;
use iroko_api::{config::Config, openapi, server};
use iroko_store::Store;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("openapi") {
        print!("{}", openapi::document_json());
        return Ok(());
    }
    iroko_daemon::run("iroko-api", |config: Config, shutdown| {
        Box::pin(async move {
            let store = Store::connect(&config.database_url, config.database_connections);
            let store = store.await.context("connecting to the database (database_url)")?;
            server::serve(config, store, shutdown).await?.task.await?
        })
    })
}
