//! For probes and other programs: health, keys, and what kinds of problems mean.

use crate::App;
use axum::Json;
use axum::extract::{Path, State};
use iroko_web::problem::{Kind, Plain, Problem, Result, Rule};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(jwks)).routes(routes!(problem))
}

/// Is the process alive?
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "Service", security(()),
    responses((status = 200, description = "It is", body = String, content_type = "text/plain", example = "ok")))]
async fn healthz() -> &'static str {
    "ok"
}

/// Can it serve?
///
/// Asks the database.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "Service", security(()),
    responses((status = 200, description = "It can", body = String, content_type = "text/plain", example = "ok")))]
async fn readyz(State(app): State<App>) -> Result<&'static str> {
    if app.store.is_alive().await {
        Ok("ok")
    } else {
        Err(Problem::refuse(Rule::DatabaseSilent, "the database does not answer"))
    }
}

/// Show the keys that access tokens are signed with
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "Service", security(()),
    responses((status = 200, description = "A JWK set (RFC 7517)", body = Value,
        example = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "abc", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}))))]
async fn jwks(State(app): State<App>) -> Json<Value> {
    Json(app.identity.credentials.ring().jwks())
}

/// Explain a kind of problem
///
/// With the rules that refuse so. `x-iroko-rules` of this document has all of them.
#[utoipa::path(get, path = "/problems/{slug}", operation_id = "problem_get", tag = "Service", security(()),
    params(("slug" = String, Path, description = "The last part of a problem's `type`", example = "not-found")),
    responses((status = 200, description = "What it means", body = Value, example = json!({"type": "/problems/not-found", "status": 404, "title": {"en": "There is no such resource", "fr": "Cette ressource n'existe pas"},
        "rules": [{"rule": "not_found", "about": "There is no such thing, or none that the caller may know of."}]}))))]
async fn problem(Path(slug): Path<String>) -> Result<Json<Value>> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.row().0 == slug).ok_or(Problem::new(Plain::NotFound))?;
    let (slug, status, english, french) = kind.row();
    let rules = Rule::ALL.iter().filter(|rule| rule.kind() == kind && !rule.is_of_agents());
    let rules: Vec<_> = rules.map(|rule| json!({"rule": rule.name(), "about": rule.row().3})).collect();
    let title = json!({"en": english, "fr": french});
    Ok(Json(json!({"type": format!("/problems/{slug}"), "status": status, "title": title, "rules": rules})))
}
