//! Hosts and the tokens by which they join.

use crate::App;
use crate::extract::ListQuery;
use crate::problem::{Kind, Problem, Result};
use crate::wire::List;
use crate::wire::host::{CheckedToken, EnrolmentToken, EnrolmentTokenCreate, Host, HostUpdate};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_model::{EnrolmentTokenId, HostId};
use iroko_store::{Wake, host};
use rand::Rng;
use sha2::{Digest, Sha256};
use std::time::Duration;

fn lease(app: &App) -> Duration {
    Duration::from_secs(app.config.agent_link.lease_s)
}

/// A page of hosts.
pub async fn list(app: &App, query: ListQuery) -> Result<List<Host>> {
    let mut conn = app.store.connection().await?;
    let page = host::host_list(&mut conn, query.page, &query.filter).await?;
    Ok(List::of(page, |row| Host::of(row, lease(app))))
}

/// One host.
pub async fn get(app: &App, id: HostId) -> Result<Host> {
    let mut conn = app.store.connection().await?;
    let row = host::host_get(&mut conn, id).await?;
    row.map(|row| Host::of(row, lease(app))).ok_or(Problem::new(Kind::NotFound))
}

/// Enables or disables a host.
pub async fn update(app: &App, id: HostId, request: HostUpdate) -> Result<Host> {
    let state = request.state.parse().map_err(|invalid| Problem::field("/state", invalid))?;
    let mut tx = app.store.begin().await?;
    if !host::host_set_state(&mut tx, id, state).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    app.store.commit(tx).await?;
    get(app, id).await
}

/// Forgets a host without instances; its agents are refused from then on.
pub async fn delete(app: &App, id: HostId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    match host::host_delete(&mut tx, id).await {
        Ok(true) => {
            app.store.commit_for(tx, Wake::Nobody).await?;
            Ok(())
        }
        Ok(false) => Err(Problem::new(Kind::NotFound)),
        Err(iroko_store::Error::InUse(_)) => Err(Problem::with(
            Kind::Conflict,
            "instances are still on the host; delete them first, and disable the host",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Makes an enrolment token, shown once.
pub async fn token_create(app: &App, request: EnrolmentTokenCreate) -> Result<EnrolmentToken> {
    let CheckedToken { host_name, valid_s } = request.try_into()?;
    let secret: [u8; 32] = rand::rng().random();
    let token = format!("iroko-enrol-{}-{}", BASE64_URL_SAFE_NO_PAD.encode(secret), app.authority.fingerprint());
    let mut tx = app.store.begin().await?;
    let row = host::enrolment_token_insert(&mut tx, &token_hash(&token), host_name.as_deref(), valid_s.into()).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(EnrolmentToken { token: Some(token), ..row.into() })
}

/// What is stored of a token.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A page of tokens.
pub async fn token_list(app: &App, query: ListQuery) -> Result<List<EnrolmentToken>> {
    let mut conn = app.store.connection().await?;
    Ok(List::of(host::enrolment_token_list(&mut conn, query.page).await?, EnrolmentToken::from))
}

/// Revokes a token.
pub async fn token_delete(app: &App, id: EnrolmentTokenId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if !host::enrolment_token_delete(&mut tx, id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}
