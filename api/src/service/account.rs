//! Accounts: the actor's projects, and the first account of an empty database.

use crate::App;
use crate::auth::password_policy;
use crate::config::BootstrapConfig;
use crate::extract::Actor;
use crate::problem::Result;
use crate::wire::List;
use crate::wire::project::Project;
use anyhow::Context;
use iroko_model::Name;
use iroko_store::account;

/// The actor's projects.
pub async fn projects(app: &App, actor: &Actor) -> Result<List<Project>> {
    let mut conn = app.store.connection().await?;
    let rows = account::account_projects(&mut conn, actor.claims.sub).await?;
    Ok(List { items: rows.into_iter().map(Project::from).collect(), next_cursor: None })
}

/// Makes the first organization, project and operator, if the database has no account yet.
pub async fn bootstrap(app: &App, config: &BootstrapConfig) -> anyhow::Result<()> {
    let mut tx = app.store.begin().await?;
    if !account::account_none(&mut tx).await? {
        return Ok(());
    }
    password_policy::check(&config.password, &[&config.username, &config.organization])
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
