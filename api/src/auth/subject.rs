//! Who acts, and by what they proved it.

use iroko_model::{ApiKeyId, ServiceAccountId, SessionId, UserId};

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A person.
    User(UserId),
    /// A program.
    ServiceAccount(ServiceAccountId),
}

/// What the request was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An access token of this session.
    Session(SessionId),
    /// An API key.
    ApiKey(ApiKeyId),
}

impl Credential {
    /// Kind, as in the audit log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::ApiKey(_) => "api_key",
        }
    }
}
