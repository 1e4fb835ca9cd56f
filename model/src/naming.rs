//! What people write on every noun: a name, what it is for, labels.

use crate::{Invalid, Labels, Name, checked, text};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Longest description, in characters.
pub const DESCRIPTION_MAX_CHARS: usize = 255;

/// What something is for: one line of at most 255 characters that people can read ([`text::readable`]), in NFC; may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Description(String);

impl Description {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Description {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let text = text::nfc(&text);
        if text.chars().count() > DESCRIPTION_MAX_CHARS || text.chars().any(char::is_control) {
            let what = format!("a description is one line of at most {DESCRIPTION_MAX_CHARS} characters");
            return Err(Invalid::new("description_form", what));
        }
        text::readable(&text).map(Self)
    }
}

impl<'de> Deserialize<'de> for Description {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        checked::deserialize::<String, _, _>(from, Self::default)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What people write on a noun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: Description,
    /// Labels.
    pub labels: Labels,
}
