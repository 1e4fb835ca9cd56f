//! Hosts and the tokens by which they join.

use crate::App;
use crate::service::lease;
use crate::show::Show;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_agent_hub::token_hash;
use iroko_identity::extract::{ListQuery, Patch};
use iroko_identity::resource::{ListOf, naming, shown};
use iroko_model::host::HostState;
use iroko_model::{EnrolmentTokenId, HostId, Invalid};
use iroko_store::host::{Declared, Host as Row, HostChange};
use iroko_store::noun::{self, Within};
use iroko_store::{Wake, host};
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::host::{
    CheckedToken, EnrolmentToken, EnrolmentTokenCreate, Host, HostDeclareDead, HostDeclaredDead, HostSettings,
};
use rand::Rng;
use time::OffsetDateTime;

/// A page of hosts.
pub async fn list(app: &App, listed: &ListOf<Row>) -> Result<List<Host>> {
    let mut tx = app.store.begin().await?;
    let found = noun::page::<Row>(&mut tx, &Within::system(), &listed.0).await?;
    Ok(shown(&listed.0, found, Show::show))
}

/// One host.
pub async fn get(app: &App, id: HostId) -> Result<Host> {
    let mut tx = app.store.begin().await?;
    host::host_get(&mut tx, id).await?.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Changes a host by a merge patch of its settings. A patch that changes nothing writes nothing.
pub async fn update(app: &App, id: HostId, patch: &Patch) -> Result<Host> {
    let mut tx = app.store.begin().await?;
    let row = noun::lock::<Row>(&mut tx, &Within::system(), id).await?.ok_or(Problem::new(Plain::NotFound))?;
    let Some(to) = patch.apply(&settings(&row)?)? else {
        app.store.commit_for(tx, Wake::Nobody).await?;
        return Ok(row.show());
    };
    let state = state(&row, &to)?;
    let change = HostChange { state, description: &to.description, labels: &to.labels };
    let row = host::host_update(&mut tx, id, change).await?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

fn settings(row: &Row) -> Result<HostSettings> {
    let written = naming(&row.common)?;
    Ok(HostSettings { state: row.state.clone(), description: written.description, labels: written.labels })
}

/// The state that is asked for. That a host is dead is said otherwise, and for good.
fn state(row: &Row, to: &HostSettings) -> Result<HostState> {
    let state: HostState = to.state.parse().map_err(|invalid| Problem::field("/state", invalid))?;
    match (row.state == HostState::Dead.as_str(), state == HostState::Dead) {
        (true, false) => {
            let text = "the host was declared dead; delete it, then let it join as a new one";
            Err(Problem::refuse(Rule::HostDead, text))
        }
        (false, true) => {
            let text =
                "a host is declared dead by POST /v1/system/hosts/{host_id}/declare-dead, which asks for its name";
            Err(Problem::field("/state", Invalid::new("host_state_dead", text)))
        }
        _ => Ok(state),
    }
}

/// Forgets a host without instances; its agents are refused from then on.
pub async fn delete(app: &App, id: HostId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    noun::compare::<Row>(&mut tx, &Within::system(), id).await?;
    match host::host_delete(&mut tx, id, lease(app).as_secs_f64()).await {
        Ok(true) => {
            app.store.commit(tx).await?;
            Ok(())
        }
        Ok(false) => Err(Problem::new(Plain::NotFound)),
        Err(iroko_store::Error::InUse(_)) => Err(Problem::refuse(
            Rule::HostInUse,
            "instances are still on the host; delete them first, and disable the host; if it is lost for good, declare it dead",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Takes a host off for good, by the operator's word that it is lost. One that was heard of a moment ago is not.
pub async fn declare_dead(app: &App, id: HostId, request: HostDeclareDead) -> Result<HostDeclaredDead> {
    let mut tx = app.store.begin().await?;
    let row = host::host_get(&mut tx, id).await?.ok_or(Problem::new(Plain::NotFound))?;
    if row.common.name != request.name {
        let text = format!("this is not the name of the host, which is {}; look which one is lost", row.common.name);
        return Err(Problem::field("/name", Invalid::new("host_name_other", text)));
    }
    let heard = [row.agents.compute.seen_at, row.agents.net.seen_at].into_iter().flatten().max();
    if heard.is_some_and(|at| OffsetDateTime::now_utc() - at < lease(app)) {
        let text = "the host was heard of a moment ago; cut its power first, or what runs on it goes on beside what takes its place";
        return Err(Problem::refuse(Rule::HostAlive, text).retry_after(lease(app)));
    }
    let declared = host::host_declare_dead(&mut tx, id).await?;
    let declared = declared.ok_or_else(|| Problem::refuse(Rule::HostDead, "the host is dead already"))?;
    app.store.commit(tx).await?;
    tracing::warn!(host = row.common.name, ?declared, "a host was declared dead");
    let Declared { lost, placed_anew, deleted } = declared;
    Ok(HostDeclaredDead { host: get(app, id).await?, lost, placed_anew, deleted })
}

/// Makes an enrolment token, shown once.
pub async fn token_create(app: &App, request: EnrolmentTokenCreate) -> Result<EnrolmentToken> {
    let CheckedToken { host_name, valid_s } = request.try_into()?;
    let secret: [u8; 32] = rand::rng().random();
    let token =
        format!("iroko-enrol-{}-{}", BASE64_URL_SAFE_NO_PAD.encode(secret), app.agents.authority().fingerprint());
    let mut tx = app.store.begin().await?;
    let row = host::enrolment_token_insert(&mut tx, &token_hash(&token), host_name.as_deref(), valid_s.into()).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(EnrolmentToken { token: Some(token), ..row.show() })
}

/// A page of tokens.
pub async fn token_list(app: &App, query: ListQuery) -> Result<List<EnrolmentToken>> {
    let mut conn = app.store.connection().await?;
    Ok(iroko_web::list(host::enrolment_token_list(&mut conn, query.page).await?, Show::show))
}

/// One token, without its secret.
pub async fn token_get(app: &App, id: EnrolmentTokenId) -> Result<EnrolmentToken> {
    let mut conn = app.store.connection().await?;
    host::enrolment_token_get(&mut conn, id).await?.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Revokes a token.
pub async fn token_delete(app: &App, id: EnrolmentTokenId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if !host::enrolment_token_delete(&mut tx, id).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}
