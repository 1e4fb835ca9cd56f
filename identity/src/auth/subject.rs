//! Who acts, and by what they proved it.

use iroko_model::{ApiKeyId, SessionId};
pub use iroko_store::authority::Subject;

/// What the request was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An access token of this session.
    Session(SessionId),
    /// An API key.
    ApiKey(ApiKeyId),
}

impl Credential {
    /// Its id.
    pub const fn id(&self) -> uuid::Uuid {
        match self {
            Self::Session(id) => id.as_uuid(),
            Self::ApiKey(id) => id.as_uuid(),
        }
    }

    /// Kind, as in the audit log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::ApiKey(_) => "api_key",
        }
    }
}
