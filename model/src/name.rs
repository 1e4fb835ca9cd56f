//! Names people give to things, and the host names that guests get from them.

use crate::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name, in characters.
pub const NAME_MAX_CHARS: usize = 128;
/// Longest label of a host name, in octets (RFC 1123 section 2.1).
pub const HOSTNAME_MAX_OCTETS: usize = 63;

/// A display name: 1 to 128 characters of any script, no control characters, no space at the ends.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new("name_empty", "a name needs at least one character"));
        }
        if text.chars().count() > NAME_MAX_CHARS {
            return Err(Invalid::new("name_too_long", format!("a name has at most {NAME_MAX_CHARS} characters")));
        }
        if text.trim() != text {
            return Err(Invalid::new("name_padded", "a name does not start or end with white space"));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::new("name_control", "a name has no control characters (tab, line end, NUL)"));
        }
        Ok(Self(text))
    }
}

impl TryFrom<&str> for Name {
    type Error = Invalid;
    fn try_from(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A single DNS label: lower case letters, digits and inner hyphens, 1 to 63 octets (RFC 1123).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hostname(String);

impl Hostname {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host name that a machine called `name` gets: Latin accents lose their marks, every other
    /// run of foreign characters becomes one hyphen; a name with nothing usable gives `instance`.
    pub fn from_name(name: &Name) -> Self {
        let mut label = String::with_capacity(name.0.len());
        for c in name.0.chars() {
            match plain_letter(c) {
                Some(letters) => label.push_str(letters),
                None if c.is_ascii_alphanumeric() => label.push(c.to_ascii_lowercase()),
                None if !label.ends_with('-') => label.push('-'),
                None => {}
            }
        }
        label.truncate(HOSTNAME_MAX_OCTETS);
        let label = label.trim_matches('-');
        Self(if label.is_empty() { "instance".to_owned() } else { label.to_owned() })
    }
}

/// The ASCII spelling of the accented letters of French, Portuguese and German, else `None`.
fn plain_letter(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'â' | 'ä' | 'á' | 'ã' | 'À' | 'Â' | 'Ä' | 'Á' | 'Ã' => "a",
        'ç' | 'Ç' => "c",
        'é' | 'è' | 'ê' | 'ë' | 'É' | 'È' | 'Ê' | 'Ë' => "e",
        'î' | 'ï' | 'í' | 'Î' | 'Ï' | 'Í' => "i",
        'ñ' | 'Ñ' => "n",
        'ô' | 'ö' | 'ó' | 'õ' | 'Ô' | 'Ö' | 'Ó' | 'Õ' => "o",
        'ù' | 'û' | 'ü' | 'ú' | 'Ù' | 'Û' | 'Ü' | 'Ú' => "u",
        'œ' | 'Œ' => "oe",
        'æ' | 'Æ' => "ae",
        _ => return None,
    })
}

impl TryFrom<String> for Hostname {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let fits = (1..=HOSTNAME_MAX_OCTETS).contains(&text.len());
        let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits && inner && !text.starts_with('-') && !text.ends_with('-') {
            return Ok(Self(text));
        }
        Err(Invalid::new("hostname_form", "a host name is 1 to 63 lower case letters, digits and inner hyphens"))
    }
}

impl From<Hostname> for String {
    fn from(hostname: Hostname) -> String {
        hostname.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Longest log-in name, in characters.
pub const USERNAME_MAX_CHARS: usize = 64;

/// A log-in name: lower case letters, digits and `. _ - @ +`, so that no two look alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

impl Username {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Username {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-@+".contains(&b));
        if plain && (1..=USERNAME_MAX_CHARS).contains(&text.len()) {
            return Ok(Self(text));
        }
        Err(Invalid::new(
            "username_form",
            format!("a user name is 1 to {USERNAME_MAX_CHARS} lower case letters, digits and . _ - @ +"),
        ))
    }
}

impl From<Username> for String {
    fn from(username: Username) -> String {
        username.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_refused_for_a_reason() {
        let long = "x".repeat(129);
        let table: [(&str, Option<&str>); 7] = [
            ("web", None),
            ("Archives de l'état civil", None),
            ("", Some("name_empty")),
            (" web", Some("name_padded")),
            ("web ", Some("name_padded")),
            ("a\tb", Some("name_control")),
            (&long, Some("name_too_long")),
        ];
        for (text, rule) in table {
            assert_eq!(Name::try_from(text).err().map(|e| e.rule), rule, "{text:?}");
        }
    }

    #[test]
    fn usernames_cannot_be_mistaken() {
        for (text, right) in [
            ("ama", true),
            ("ama.k+ops@finances.tg", true),
            ("", false),
            ("Ama", false),
            ("аma", false),
            ("a b", false),
        ] {
            assert_eq!(Username::try_from(text.to_owned()).is_ok(), right, "{text:?}");
        }
        assert!(Username::try_from("x".repeat(65)).is_err());
    }

    #[test]
    fn hostnames_come_from_names() {
        for (name, hostname) in [
            ("web", "web"),
            ("Web Server 1", "web-server-1"),
            ("Économie & Finances", "economie-finances"),
            ("cœur", "coeur"),
            ("東京", "instance"),
            ("--x--", "x"),
        ] {
            assert_eq!(Hostname::from_name(&Name::try_from(name).unwrap()).as_str(), hostname);
        }
    }

    proptest! {
        #[test]
        fn any_name_gives_a_valid_hostname(text in "\\PC{1,128}") {
            prop_assume!(Name::try_from(text.as_str()).is_ok());
            let hostname = Hostname::from_name(&Name::try_from(text.as_str()).unwrap());
            prop_assert!(Hostname::try_from(hostname.as_str().to_owned()).is_ok());
        }
    }
}
