//! The fields of a request that are at fault. All of them are gathered, so that the caller learns them at once.

use iroko_model::Invalid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// Gathers the faults of a request, so that the caller learns all of them at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// One field that is at fault.
    pub fn one(pointer: &str, invalid: Invalid) -> Self {
        let mut faults = Self::default();
        faults.note(pointer, invalid);
        faults
    }

    /// The fields at fault.
    pub fn into_errors(self) -> Vec<FieldError> {
        self.0
    }

    /// Takes the value of a checked field, or notes its fault.
    pub fn take<T>(&mut self, pointer: &str, checked: Result<T, Invalid>) -> Option<T> {
        checked.map_err(|invalid| self.note(pointer, invalid)).ok()
    }

    /// Adds those of a part.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Notes a fault.
    pub fn note(&mut self, pointer: &str, invalid: Invalid) {
        self.0.push(FieldError { pointer: pointer.into(), rule: invalid.rule.into(), detail: invalid.message });
    }

    /// The problem, if any fault was noted.
    pub fn finish(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The value, if no fault was noted.
    pub fn finish_with<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

/// A request whose fields are checked while it is read.
pub trait Checked {
    /// Notes what is at fault with several fields together. A field that is at fault by itself is another value here, and
    /// its fault is known.
    fn check(&self, faults: &mut Faults) {
        let _ = faults;
    }
}
