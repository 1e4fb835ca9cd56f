//! The one error of this crate: a value that breaks a rule.

/// A value that cannot be accepted, and why, in words for the person who sent it.
///
/// `rule` is a stable identifier (`name_too_long`) by which a translation or a test can find the
/// message; `message` is the English text and says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// Stable identifier of the broken rule, in snake case.
    pub rule: &'static str,
    /// What is wrong and what to change.
    pub message: String,
}

impl Invalid {
    /// Makes an error from the rule that was broken and the text for the caller.
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into() }
    }
}
