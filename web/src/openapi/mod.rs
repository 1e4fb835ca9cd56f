//! The OpenAPI document: generated from the routes, completed by rules that hold for all of them, so
//! that no handler repeats what every operation can answer.

mod compare;
pub mod patch;
mod shape;

pub use compare::IfMatch;

use crate::layers::context::{Named, Operations};
use crate::problem::{Kind, ProblemBody, Rule};
use axum::http::Method;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Required, ResponseBuilder};

/// Adds to each operation what every operation can answer, and the scheme of its credentials.
pub fn complete_all(document: &mut OpenApi) {
    let schemes = &mut document.components.get_or_insert_default().security_schemes;
    for (name, scheme) in schemes_of_credentials() {
        schemes.insert(name.to_owned(), RefOr::T(scheme));
    }
    for (path, item) in &mut document.paths.paths {
        let operations = [
            (&mut item.get, Nature::Reads),
            (&mut item.post, Nature::Asks),
            (&mut item.put, Nature::Writes),
            (&mut item.patch, Nature::Writes),
            (&mut item.delete, Nature::Deletes),
        ];
        for (operation, nature) in operations {
            if let Some(operation) = operation {
                parameters(path, operation);
                complete(path, operation, nature);
                answers(operation, nature);
            }
        }
    }
    document.extensions =
        Some(utoipa::openapi::extensions::Extensions::builder().add("x-iroko-rules", rules()).build());
    patch::patches(document);
    shape::shape(document);
}

/// By what callers are known: a token, or the cookie of a browser beside what its page says.
fn schemes_of_credentials() -> [(&'static str, SecurityScheme); 3] {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("An access token or an API key. Beside it a cookie counts for nothing.".to_owned());
    let cookie = "The session of a browser, from `POST /v1/auth/sessions`. Without TLS (laboratories) it is named `iroko_session`. \
                  Requests whose `Origin` or `Sec-Fetch-Site` names another origin are refused.";
    let own_page = "Always `cookie`. Requests with the cookie that change something need it, and an `Origin` or \
                    `Sec-Fetch-Site` of this cloud, which browsers add by themselves. Those that read do not.";
    let key = |name, about| ApiKeyValue::with_description(name, about);
    [
        ("bearer", SecurityScheme::Http(bearer)),
        ("session_cookie", SecurityScheme::ApiKey(ApiKey::Cookie(key("__Host-iroko_session", cookie)))),
        ("own_page", SecurityScheme::ApiKey(ApiKey::Header(key("X-Iroko-Session", own_page)))),
    ]
}

/// The rules that refuse requests, by their words.
fn rules() -> serde_json::Value {
    let row = |rule: &Rule| {
        let (name, kind, passes, about) = rule.row();
        let (slug, status, ..) = kind.row();
        let row = serde_json::json!({"type": format!("/problems/{slug}"), "status": status, "retryable": passes, "description": about});
        (name.to_owned(), row)
    };
    Rule::ALL.iter().filter(|rule| !rule.is_of_agents()).map(row).collect::<serde_json::Map<_, _>>().into()
}

/// The operations by method and path template.
pub fn operations(document: &OpenApi) -> Operations {
    let mut operations = Operations::new();
    for (path, item) in &document.paths.paths {
        let all = [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::PATCH, &item.patch),
            (Method::DELETE, &item.delete),
        ];
        for (method, operation) in all {
            let Some(operation) = operation else { continue };
            let Some(id) = operation.operation_id.clone() else { continue };
            operations.insert((method, path.clone()), Named { id, query: query_of(operation) });
        }
    }
    operations
}

/// Names of the query parameters of an operation.
fn query_of(operation: &Operation) -> Vec<String> {
    let is_query = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => Some(parameter.name.clone()),
        _ => None,
    };
    operation.parameters.iter().flatten().filter_map(is_query).collect()
}

/// The parameters of a path, whatever the handler says of them: each is an id, but those of [`PARAMETERS`].
fn parameters(path: &str, operation: &mut Operation) {
    let all = operation.parameters.get_or_insert_default();
    let named = |all: &[RefOr<Parameter>], name: &str| {
        all.iter().any(
            |known| matches!(known, RefOr::T(known) if known.name == name && known.parameter_in == ParameterIn::Path),
        )
    };
    let names = path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    let missing: Vec<&str> = names.filter(|name| !named(all, name)).collect();
    let made = missing.into_iter().map(|name| {
        let about = PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, about)| (*about).to_owned());
        let about = about.unwrap_or_else(|| format!("The {}", name.trim_end_matches("_id").replace('_', " ")));
        let uuid = SchemaFormat::KnownFormat(KnownFormat::Uuid);
        let schema = Object::builder().schema_type(Type::String).format(Some(uuid)).build();
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        RefOr::T(parameter.description(Some(about)).schema(Some(schema)).build())
    });
    let made: Vec<_> = made.collect();
    all.splice(0..0, made);
}

/// What ids in paths name, where their name does not say it.
const PARAMETERS: [(&str, &str); 3] =
    [("qos_policy_id", "The QoS policy"), ("ssh_key_id", "The SSH key"), ("api_key_id", "The API key")];

/// The header fields of answers.
fn answers(operation: &mut Operation, nature: Nature) {
    let id = ("X-Request-Id", "Names this request in the operator's log.");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let fields = match (status.as_str(), nature) {
            ("200", Nature::Reads | Nature::Writes) => {
                vec![id, ("ETag", "What is shown, for `If-Match` and `If-None-Match`.")]
            }
            ("201", _) => {
                vec![id, ("ETag", "What is shown, for `If-Match`."), ("Location", "The path of what was made.")]
            }
            ("202", _) => vec![
                id,
                ("ETag", "What is shown, for `If-Match`."),
                ("Location", "The path of the action that follows what was asked for, where there is one."),
            ],
            ("429" | "503", _) => vec![id, ("Retry-After", "Seconds to wait before the next try.")],
            _ => vec![id],
        };
        for (name, about) in fields {
            let text = Object::builder().schema_type(Type::String).build();
            let header = HeaderBuilder::new().schema(Some(text)).description(Some(about)).build();
            response.headers.insert(name.to_owned(), RefOr::T(header));
        }
    }
}

/// What an operation does to what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Reads,
    /// POST: what must not happen twice takes an idempotency key.
    Asks,
    Writes,
    Deletes,
}

/// Adds the problems that an operation can answer with by its nature.
fn complete(path: &str, operation: &mut Operation, nature: Nature) {
    let writes = matches!(nature, Nature::Asks | Nature::Writes);
    let takes_key = nature == Nature::Asks && path.starts_with("/v1/") && !path.starts_with("/v1/auth/");
    let compares = compare::shows(operation);
    // An operation that does not compare refuses `If-Match`.
    let refuses = nature != Nature::Reads && path.starts_with("/v1/");
    describe_key(operation, takes_key);
    let is_public = operation.security.as_ref().is_some_and(|s| s.iter().all(|r| *r == Default::default()));
    let has_query =
        operation.parameters.iter().flatten().any(|p| matches!(p, RefOr::T(p) if p.parameter_in == ParameterIn::Query));
    let has_body = operation.request_body.is_some();
    let is_project = path.contains("{project_id}") || path.contains("{organization_id}");
    let kinds = [
        (has_query || has_body || refuses, Kind::BadRequest),
        (!is_public || path.starts_with("/v1/auth/"), Kind::Unauthorized),
        (!is_public || path.starts_with("/v1/auth/"), Kind::Forbidden),
        (!is_public || path.contains('{'), Kind::NotFound),
        (
            writes && !is_public || !writes && path.contains('{') && is_project || path.starts_with("/v1/system"),
            Kind::Conflict,
        ),
        (has_body, Kind::TooLarge),
        (has_body, Kind::UnsupportedMediaType),
        // No operation has a query parameter that it does not name.
        (true, Kind::Invalid),
        (path.starts_with("/v1/"), Kind::TooManyRequests),
        (compares, Kind::PreconditionFailed),
        (true, Kind::Internal),
        (true, Kind::Unavailable),
        (true, Kind::Timeout),
    ];
    for (_, kind) in kinds.into_iter().filter(|(applies, _)| *applies) {
        let (slug, status, title, _) = kind.row();
        let Some(rule) = Rule::ALL.iter().find(|rule| rule.kind() == kind) else { continue };
        let schema = Ref::from_schema_name(ProblemBody::name());
        let mut content = Content::new(Some(RefOr::Ref(schema)));
        content.example = Some(serde_json::json!({
            "type": format!("/problems/{slug}"), "title": title, "status": status,
            "rule": rule.name(), "retryable": rule.is_retryable(),
            "request_id": "0198c0de-0000-7000-8000-000000000001"
        }));
        let response = ResponseBuilder::new().description(title).content("application/problem+json", content).build();
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
    }
}

/// The header field by which a request is carried out once.
fn describe_key(operation: &mut Operation, takes_key: bool) {
    if takes_key {
        let about = "Names this request: sent again with the same key it is not carried out again, and gives the first answer. Kept for a day.";
        operation.parameters.get_or_insert_default().push(RefOr::T(header("Idempotency-Key", about)));
    }
}

/// A header field that a request may have.
fn header(name: &str, about: &str) -> Parameter {
    let text = Object::builder().schema_type(Type::String).build();
    let field = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    field.description(Some(about)).schema(Some(text)).build()
}
