//! Errors as the caller sees them: RFC 9457 `application/problem+json`, in English or French.
//!
//! A [`Kind`] is one row of a table: its slug (the stable `type` path, served by the API itself), its
//! HTTP status, its title in both languages. What is wrong in particular goes into `detail` and, for
//! fields of the request, into `errors` with JSON pointers. Causes that are not the caller's business
//! go to the log, with the request's id.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use iroko_model::Invalid;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// When to try again while an instance is being deleted.
const LEAVING_FOR: Duration = Duration::from_secs(2);
/// When to try again while a part of the service does not answer.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(2);

tokio::task_local! {
    /// Language and id of the request being answered.
    pub(crate) static REQUEST: RequestContext;
}

/// What a problem needs to know of its request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The id in `X-Request-Id`.
    pub id: String,
    /// French is preferred over English.
    pub french: bool,
}

/// Kinds of problems: what a client program can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be read.
    BadRequest,
    /// No or no valid credentials.
    Unauthorized,
    /// The caller may see the thing, but not do this with it.
    Forbidden,
    /// The project or an organization above it is suspended.
    Suspended,
    /// A quota has no room for it.
    QuotaExceeded,
    /// The password was right; a code of the second factor is needed too.
    SecondFactorRequired,
    /// A person has not logged in yet at their identity provider.
    AuthorizationPending,
    /// There is no such thing, or none the caller may know of.
    NotFound,
    /// The method is not offered here.
    MethodNotAllowed,
    /// The state of the thing forbids it now.
    Conflict,
    /// The thing is no longer as the caller has seen it.
    PreconditionFailed,
    /// The body is larger than allowed.
    TooLarge,
    /// The body is of another media type.
    UnsupportedMediaType,
    /// Fields have unacceptable values.
    Invalid,
    /// Something is used up.
    Exhausted,
    /// Too much was asked in a short time; wait.
    TooManyRequests,
    /// A fault of the service.
    Internal,
    /// A part of the service does not answer; try again.
    Unavailable,
    /// The request took too long.
    Timeout,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 19] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::SecondFactorRequired,
        Self::Forbidden,
        Self::Suspended,
        Self::QuotaExceeded,
        Self::AuthorizationPending,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::Exhausted,
        Self::TooManyRequests,
        Self::Internal,
        Self::Unavailable,
        Self::Timeout,
    ];

    /// Slug, status, English title, French title.
    pub const fn row(self) -> (&'static str, u16, &'static str, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", 400, "The request cannot be read", "La requête est illisible"),
            Self::Unauthorized => {
                ("unauthorized", 401, "Valid credentials are needed", "Des identifiants valides sont requis")
            }
            Self::Forbidden => ("forbidden", 403, "A permission is missing", "Une autorisation manque"),
            Self::Suspended => (
                "suspended",
                403,
                "The project or its organization is suspended",
                "Le projet ou son organisation est suspendu",
            ),
            Self::QuotaExceeded => ("quota-exceeded", 409, "A quota has no room for it", "Un quota est épuisé"),
            Self::SecondFactorRequired => (
                "second-factor-required",
                401,
                "A code of the second factor is needed",
                "Un code du second facteur est requis",
            ),
            Self::AuthorizationPending => (
                "authorization-pending",
                400,
                "The person has not logged in yet",
                "La personne ne s'est pas encore connectée",
            ),
            Self::NotFound => ("not-found", 404, "There is no such resource", "Cette ressource n'existe pas"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", 405, "The method is not offered here", "Cette méthode n'est pas proposée ici")
            }
            Self::Conflict => {
                ("conflict", 409, "The state of the resource forbids this", "L'état de la ressource ne le permet pas")
            }
            Self::PreconditionFailed => {
                ("precondition-failed", 412, "The resource has changed meanwhile", "La ressource a changé entre-temps")
            }
            Self::TooLarge => ("too-large", 413, "The body is too large", "Le corps de la requête est trop grand"),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                415,
                "The body is of another media type",
                "Le corps est d'un autre type de média",
            ),
            Self::Invalid => {
                ("invalid", 422, "Some values cannot be accepted", "Certaines valeurs ne sont pas acceptables")
            }
            Self::Exhausted => ("exhausted", 409, "Nothing is left to give", "Il ne reste rien à attribuer"),
            Self::TooManyRequests => {
                ("too-many-requests", 429, "Too much was asked in a short time", "Trop de demandes en peu de temps")
            }
            Self::Internal => ("internal", 500, "The service has failed", "Le service a échoué"),
            Self::Unavailable => {
                ("unavailable", 503, "The service cannot answer now", "Le service ne peut pas répondre pour l'instant")
            }
            Self::Timeout => ("timeout", 504, "The request took too long", "La requête a duré trop longtemps"),
        }
    }

    /// True where the service could not say, so that asking again may help.
    pub const fn is_of_service(self) -> bool {
        matches!(self, Self::Internal | Self::Unavailable | Self::Timeout)
    }

    /// HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The body of a problem.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "type": "/problems/invalid", "title": "Some values cannot be accepted", "status": 422,
    "detail": "1 value cannot be accepted",
    "errors": [{"pointer": "/name", "rule": "name_empty", "detail": "a name needs at least one character"}],
    "request_id": "0198c0de-0000-7000-8000-000000000001"}))]
pub struct ProblemBody {
    /// Stable path that names and explains the kind of problem.
    pub r#type: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong and what to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The fields of the request that are at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// With `second-factor-required`: send it with a code to `/v1/auth/token/second-factor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// Names this request in the operator's log.
    pub request_id: String,
}

/// A field of the request that is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or the name of a query parameter.
    pub pointer: String,
    /// Stable identifier of the broken rule.
    pub rule: String,
    /// What is wrong and what to change.
    pub detail: String,
}

/// A problem to answer with.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    challenge: Option<String>,
}

/// Shorthand of the handlers.
pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// A problem without further words.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), retry_after: None, challenge: None }
    }

    /// A problem with words of its own.
    pub fn with(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: Some(detail.into()), errors: Vec::new(), retry_after: None, challenge: None }
    }

    /// A field with a value that breaks a rule.
    pub fn field(pointer: impl Into<String>, invalid: Invalid) -> Self {
        Self::fields(vec![FieldError { pointer: pointer.into(), rule: invalid.rule.into(), detail: invalid.message }])
    }

    /// Several such fields.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self { kind: Kind::Invalid, detail: None, errors, retry_after: None, challenge: None }
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
        let told = |english: String| match is_french {
            true => crate::locale::french(&english).unwrap_or(english),
            false => english,
        };
        ProblemBody {
            r#type: format!("/problems/{slug}"),
            title: if is_french { french } else { english }.to_owned(),
            status,
            detail: self.detail.map(told),
            errors: self.errors.into_iter().map(|error| FieldError { detail: told(error.detail), ..error }).collect(),
            challenge: self.challenge,
            request_id: request_id(),
        }
    }
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
        let status = self.kind.status();
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
            E::Exhausted(what) => Self::with(Kind::Exhausted, format!("no free {what} are left")),
            E::Database(_) if error.is_transient() => {
                tracing::warn!(error = %iroko_daemon::chain(&error), request_id = %request_id(), "the database does not answer");
                Self::new(Kind::Unavailable)
            }
            E::Corrupt { .. } | E::Database(_) | E::Migration(_) => Self::internal(&error),
        }
    }
}

/// Gathers the faults of a request, so that the caller learns all of them at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Takes the value of a checked field, or notes its fault.
    pub fn take<T>(&mut self, pointer: &str, checked: std::result::Result<T, Invalid>) -> Option<T> {
        checked.map_err(|invalid| self.note(pointer, invalid)).ok()
    }

    /// Notes a fault.
    pub fn note(&mut self, pointer: &str, invalid: Invalid) {
        self.0.push(FieldError { pointer: pointer.into(), rule: invalid.rule.into(), detail: invalid.message });
    }

    /// The problem, if any fault was noted.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::fields(self.0)) }
    }

    /// For a value that is there unless a fault was noted.
    pub fn finish_with<T>(self, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| Problem::fields(self.0))
    }
}
