//! `iroko-api`.

use anyhow::Context;
use iroko_api::{config::Config, openapi, server};
use iroko_store::Store;

/// A password hash takes 19 MiB for 20 ms; the C library's allocator would keep one for each thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("openapi") {
        print!("{}", openapi::document_json());
        return Ok(());
    }
    // Of a page of 2 MiB a small process uses a part: with them it takes a quarter more memory and is no faster.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        eprintln!("huge pages stay on, which takes more memory: {error}");
    }
    iroko_daemon::run("iroko-api", |config: Config, shutdown| {
        Box::pin(async move {
            let store =
                Store::connect_when_up(&config.database_url, config.database_connections, config.agent_link.lease_s);
            let Some(store) = shutdown.run_until_cancelled(store).await else { return Ok(()) };
            let store = store.context("connecting to the database (database_url)")?;
            server::serve(config, store, shutdown).await?.task.await?
        })
    })
}
