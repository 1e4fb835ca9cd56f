//! Log-in, and the first account of an empty database.

use crate::App;
use crate::auth::password;
use crate::auth::token::LIFETIME;
use crate::config::BootstrapConfig;
use crate::problem::{Kind, Problem, Result};
use crate::wire::auth::{TokenRequest, TokenResponse};
use anyhow::Context;
use iroko_model::Name;
use iroko_store::account;
use iroko_store::authority::{Scope, Standing, Subject, authority};

/// Tells neither whether the account exists nor whether it is disabled.
const WRONG: &str = "the user name or the password is wrong";

/// Checks a password and gives a token. An unknown name takes as long as a wrong password.
pub async fn log_in(app: &App, request: TokenRequest) -> Result<TokenResponse> {
    let mut conn = app.store.connection().await?;
    let found = match request.username.contains('\0') {
        true => None,
        false => account::account_by_username(&mut conn, &request.username).await?,
    };
    // Log-ins take turns at hashing; none of them keeps a connection from others meanwhile.
    drop(conn);
    let stored = found.as_ref().map(|account| account.password_hash.clone());
    let right = app.passwords.verify(request.password, stored).await.map_err(|e| Problem::internal(&e))?;
    let Some(found) = found.filter(|_| right) else {
        return Err(Problem::with(Kind::Unauthorized, WRONG));
    };
    let mut conn = app.store.connection().await?;
    match authority(&mut conn, Subject::User(found.id), Scope::System).await?.standing {
        Standing::Good => {}
        Standing::Disabled => return Err(Problem::with(Kind::Unauthorized, WRONG)),
        Standing::Suspended => {
            return Err(Problem::with(
                Kind::Suspended,
                "your organization is suspended; ask whoever it is a customer of",
            ));
        }
    }
    let token = app.tokens.issue(&found).map_err(|e| Problem::internal(&e))?;
    Ok(TokenResponse { access_token: token, token_type: "Bearer".to_owned(), expires_in_s: LIFETIME.as_secs() })
}

/// Makes the first organization, project and operator, if the database has no account yet.
pub async fn bootstrap(app: &App, config: &BootstrapConfig) -> anyhow::Result<()> {
    let mut tx = app.store.begin().await?;
    if !account::account_none(&mut tx).await? {
        return Ok(());
    }
    password::check(&config.password).context("bootstrap.password")?;
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
