//! Errors as the caller sees them: RFC 9457 `application/problem+json`, in English or French.
//!
//! What is wrong in particular goes into `detail` and, for fields of the request, into `errors` with JSON pointers. Causes
//! that are not the caller's business go to the log, with the request's id.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use iroko_model::Invalid;
pub use iroko_wire::fault::{Faults, FieldError};
pub use iroko_wire::problem::{Kind, ProblemBody};
use std::time::Duration;

/// When to try again while an instance is being deleted.
const LEAVING_FOR: Duration = Duration::from_secs(2);
/// When to try again while a part of the service does not answer.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(2);

tokio::task_local! {
    /// Language and id of the request being answered.
    pub static REQUEST: RequestContext;
}

/// What a problem needs to know of its request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The id in `X-Request-Id`.
    pub id: String,
    /// French is preferred over English.
    pub french: bool,
}

/// The HTTP status of a kind.
pub fn status_of(kind: Kind) -> StatusCode {
    StatusCode::from_u16(kind.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A problem to answer with.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    challenge: Option<String>,
    rule: Option<&'static str>,
}

/// Shorthand of the handlers.
pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// A problem without further words.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), retry_after: None, challenge: None, rule: None }
    }

    /// A problem with words of its own.
    pub fn with(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: Some(detail.into()), errors: Vec::new(), retry_after: None, challenge: None, rule: None }
    }

    /// A field with a value that breaks a rule.
    pub fn field(pointer: impl Into<String>, invalid: Invalid) -> Self {
        Self::fields(vec![FieldError { pointer: pointer.into(), rule: invalid.rule.into(), detail: invalid.message }])
    }

    /// Several such fields.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self { kind: Kind::Invalid, detail: None, errors, retry_after: None, challenge: None, rule: None }
    }

    /// A field that refers to something that does not exist.
    pub fn missing(pointer: impl Into<String>, what: &str) -> Self {
        Self::field(pointer, Invalid::new("reference_not_found", format!("the project has no {what} with this id")))
    }

    /// Something is still held by an instance that is being deleted, and free in a moment.
    pub fn leaving(what: &str) -> Self {
        let text = format!("{what} is still held by an instance that is being deleted; try again in a moment");
        Self::with(Kind::Conflict, text).retry_after(LEAVING_FOR)
    }

    /// A failure of the service; the cause goes to the log.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %iroko_daemon::chain(error), request_id = %request_id(), "the request failed");
        Self::new(Kind::Internal)
    }

    /// The password was right; send this back with a code.
    pub fn second_factor(challenge: String) -> Self {
        let text = "send challenge and a code of your authenticator to /v1/auth/token/second-factor";
        Self { challenge: Some(challenge), ..Self::with(Kind::SecondFactorRequired, text) }
    }

    /// Names the rule that refuses, where the kind alone says too little.
    pub const fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Says when to try again.
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The fields at fault.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    fn body(self) -> ProblemBody {
        let (slug, status, english, french) = self.kind.row();
        let is_french = is_french();
        ProblemBody {
            r#type: format!("/problems/{slug}"),
            title: if is_french { french } else { english }.to_owned(),
            status,
            rule: self.rule.map_or_else(|| slug.replace('-', "_"), str::to_owned),
            retryable: self.retry_after.is_some() || self.kind.is_retryable(),
            detail: self.detail.map(in_its_language),
            errors: self
                .errors
                .into_iter()
                .map(|error| FieldError { detail: in_its_language(error.detail), ..error })
                .collect(),
            challenge: self.challenge,
            request_id: request_id(),
        }
    }
}

/// A text of the catalogue in the language of the request that is being answered.
pub fn in_its_language(english: String) -> String {
    if is_french() { crate::locale::french(&english).unwrap_or(english) } else { english }
}

fn is_french() -> bool {
    REQUEST.try_with(|request| request.french).unwrap_or(false)
}

/// Id of the request being answered; empty outside one.
pub fn request_id() -> String {
    REQUEST.try_with(|request| request.id.clone()).unwrap_or_default()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = status_of(self.kind);
        let challenge = status == StatusCode::UNAUTHORIZED;
        let unavailable = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(UNAVAILABLE_FOR);
        let retry_after = self.retry_after.or(unavailable);
        let mut response = (status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(if is_french() { "fr" } else { "en" }));
        headers.append(header::VARY, HeaderValue::from_static("accept-language"));
        if challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = retry_after {
            // Whole seconds, rounded up: who comes early is refused again.
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(u64::try_from(after.as_millis().div_ceil(1000).max(1)).unwrap_or(u64::MAX)),
            );
        }
        response
    }
}

/// The one map from the store's errors to HTTP. Callers that can say more (whose name is taken,
/// what is in use) do so before.
impl From<iroko_store::Error> for Problem {
    fn from(error: iroko_store::Error) -> Self {
        use iroko_store::Error as E;
        match &error {
            E::Missing(_) => {
                Self::with(Kind::Conflict, "something the request refers to was deleted meanwhile; look again")
            }
            E::Taken(_) => {
                Self::with(Kind::Conflict, "another resource has this name or value already; choose another")
            }
            E::Changed => {
                Self::with(Kind::PreconditionFailed, "somebody changed it after you read it; get it again, then decide")
            }
            E::NotComparable => {
                Self::with(Kind::BadRequest, "this operation does not compare; send it without If-Match")
            }
            E::InUse(_) => Self::with(Kind::Conflict, "other resources still use it; delete those first"),
            E::AddressTaken(address) => {
                let text = format!(
                    "another port of the network has the address {address}; choose another, or delete that port"
                );
                Self::with(Kind::Conflict, text).rule("address_taken")
            }
            E::MacTaken(mac) => {
                let text = format!(
                    "another port of the network has the MAC address {mac}; choose another, or delete that port"
                );
                Self::with(Kind::Conflict, text).rule("mac_taken")
            }
            E::Exhausted(what) => Self::with(Kind::Exhausted, format!("no free {what} are left")),
            E::Database(_) if error.is_transient() => {
                tracing::warn!(error = %iroko_daemon::chain(&error), request_id = %request_id(), "the database does not answer");
                Self::new(Kind::Unavailable)
            }
            E::Corrupt { .. } | E::Database(_) | E::Migration(_) => Self::internal(&error),
        }
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        Self::fields(faults.into_errors())
    }
}
