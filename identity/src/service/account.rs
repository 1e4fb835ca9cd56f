//! The first account of an empty database.

use crate::Identity;
use crate::auth::config::BootstrapConfig;
use anyhow::Context;
use iroko_model::Name;
use iroko_store::account;

/// Makes the first organization, project and operator, if the database has no account yet.
pub async fn bootstrap(app: &Identity, config: &BootstrapConfig) -> anyhow::Result<()> {
    let mut tx = app.store.begin().await?;
    if !account::account_none(&mut tx).await? {
        return Ok(());
    }
    iroko_model::password::check(&config.password, &[&config.username, &config.organization])
        .context("bootstrap.password")?;
    let organization = Name::try_from(config.organization.as_str()).context("bootstrap.organization")?;
    let project = Name::try_from(config.project.as_str()).context("bootstrap.project")?;
    let hash = app.passwords.hash(config.password.clone()).await?;
    match account::bootstrap(&mut tx, &organization, &project, &config.username, &hash).await {
        Ok(project) => {
            app.store.commit(tx).await?;
            tracing::info!(%project, username = config.username, "made the first operator and project");
            Ok(())
        }
        // Another API process was faster.
        Err(iroko_store::Error::Taken(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
