//! Labels: the caller's own key-value pairs on a resource, for filters.

use crate::{Invalid, checked, text};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Most labels on one resource.
pub const LABELS_MAX: usize = 64;
/// Longest key, in characters.
pub const LABEL_KEY_MAX_CHARS: usize = 63;
/// Longest value, in characters.
pub const LABEL_VALUE_MAX_CHARS: usize = 255;

/// Up to 64 pairs; a key is letters, digits and `-_./`, a value is a text that people can read
/// ([`text::readable`]), in NFC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        checked::deserialize::<BTreeMap<String, String>, _, _>(from, Self::default)
    }
}

impl Labels {
    /// The pairs, by key.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl TryFrom<BTreeMap<String, String>> for Labels {
    type Error = Invalid;

    fn try_from(mut pairs: BTreeMap<String, String>) -> Result<Self, Invalid> {
        if pairs.len() > LABELS_MAX {
            return Err(Invalid::new("labels_too_many", format!("a resource has at most {LABELS_MAX} labels")));
        }
        for (key, value) in &mut pairs {
            let key_ok = (1..=LABEL_KEY_MAX_CHARS).contains(&key.len())
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
            if !key_ok {
                return Err(Invalid::new(
                    "label_key_form",
                    format!("the label key {key:?} is not 1 to {LABEL_KEY_MAX_CHARS} letters, digits or -_./"),
                ));
            }
            *value = text::nfc(value);
            if value.chars().count() > LABEL_VALUE_MAX_CHARS || value.chars().any(char::is_control) {
                return Err(Invalid::new(
                    "label_value_form",
                    format!(
                        "the value of the label {key:?} is longer than {LABEL_VALUE_MAX_CHARS} characters or has control characters"
                    ),
                ));
            }
            *value = text::readable(value)?;
        }
        Ok(Self(pairs))
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_bounds() {
        let one = |k: &str, v: &str| Labels::try_from(BTreeMap::from([(k.to_owned(), v.to_owned())]));
        assert!(one("team/owner", "Trésor public").is_ok());
        assert_eq!(one("", "x").unwrap_err().rule, "label_key_form");
        assert_eq!(one("a b", "x").unwrap_err().rule, "label_key_form");
        assert_eq!(one("a", "\u{7}").unwrap_err().rule, "label_value_form");
        assert_eq!(one("a", "x\u{200b}").unwrap_err().rule, "text_hidden");
        assert_eq!(one("a", "e\u{301}").unwrap().as_map()["a"], "é");
        let many = (0..65).map(|i| (format!("k{i}"), String::new())).collect::<BTreeMap<_, _>>();
        assert_eq!(Labels::try_from(many).unwrap_err().rule, "labels_too_many");
    }
}
