//! Errors as the caller sees them: RFC 9457 `application/problem+json`.
//!
//! A [`Kind`] is one row of a table: its slug (the stable `type` path, which the API itself serves), its HTTP status, its title
//! in English and in French.

use crate::fault::FieldError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    /// A browser sent the cookie of a session, but perhaps not for a page of this cloud.
    ForeignPage,
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
    pub const ALL: [Self; 20] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::SecondFactorRequired,
        Self::Forbidden,
        Self::Suspended,
        Self::ForeignPage,
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
            Self::ForeignPage => (
                "foreign-page",
                403,
                "A page of another site may have made the request",
                "Une page d'un autre site a pu faire cette requête",
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

    /// True where the same request may succeed later without a change.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::TooManyRequests | Self::AuthorizationPending) || self.is_of_service()
    }

    /// True where the service could not say, so that asking again may help.
    pub const fn is_of_service(self) -> bool {
        matches!(self, Self::Internal | Self::Unavailable | Self::Timeout)
    }
}

/// The body of a problem.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "type": "/problems/invalid", "title": "Some values cannot be accepted", "status": 422, "rule": "invalid", "retryable": false,
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
    /// Which rule refused it: a stable word for programs. `x-iroko-rules` of this document has them all, `type` explains those of
    /// its kind.
    pub rule: String,
    /// The same request may succeed later without a change.
    pub retryable: bool,
    /// What is wrong and what to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The fields of the request that are at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// With `second-factor-required`: send it with a code to `/v1/auth/token/second-factor` or `/v1/auth/sessions/second-factor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// Names this request in the operator's log.
    pub request_id: String,
}
