//! Names people give to things, and the host names that guests get from them.

use crate::{Invalid, checked, text};
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::props::{EnumeratedProperty, GeneralCategory, GeneralCategoryGroup, Script};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Longest name, in characters.
pub const NAME_MAX_CHARS: usize = 128;
/// Longest label of a host name, in octets (RFC 1123 section 2.1).
pub const HOSTNAME_MAX_OCTETS: usize = 63;

/// A display name: 1 to 128 characters of any script that people can read ([`text::readable`]), in NFC, no space at
/// the ends.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        checked::deserialize::<String, _, _>(from, || Self("name".to_owned()))
    }
}

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let text = text::nfc(&text);
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
        text::readable(&text).map(Self)
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

    /// The host name that an instance called `name` gets: Latin letters as people spell them without their marks
    /// (é, ß, œ, ø: e, ss, oe, o), composed or not; every run of other characters becomes one hyphen; a name with
    /// nothing usable gives `instance`.
    pub fn from_name(name: &Name) -> Self {
        let mut label = String::with_capacity(name.0.len());
        // The compatibility form, for letters that are ligatures or wide.
        for c in DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(name.0.chars()) {
            match spelling(c) {
                Some(letters) => letters.chars().for_each(|letter| label.push(letter.to_ascii_lowercase())),
                None if !label.ends_with('-') => label.push('-'),
                None => {}
            }
        }
        label.truncate(HOSTNAME_MAX_OCTETS);
        let label = label.trim_matches('-');
        Self(if label.is_empty() { "instance".to_owned() } else { label.to_owned() })
    }
}

/// The ASCII letters and digits of a character of a decomposed text; none where it stands for a gap. A mark
/// spells nothing.
fn spelling(c: char) -> Option<&'static str> {
    let letters = any_ascii::any_ascii_char(c);
    if c.is_ascii_alphanumeric() {
        return Some(letters);
    }
    if GeneralCategoryGroup::Mark.contains(GeneralCategory::for_char(c)) {
        return Some("");
    }
    let is_spelt = Script::for_char(c) == Script::Latin && letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_spelt && !letters.is_empty()).then_some(letters)
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct Username(String);

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        checked::deserialize::<String, _, _>(from, || Self("name".to_owned()))
    }
}

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
        let table: [(&str, Option<&str>); 12] = [
            ("web", None),
            ("Archives de l'état civil", None),
            ("", Some("name_empty")),
            (" web", Some("name_padded")),
            ("web ", Some("name_padded")),
            ("a\tb", Some("name_control")),
            (&long, Some("name_too_long")),
            ("\u{202e}gpj.exe", Some("text_hidden")),
            ("\u{3164}", Some("text_hidden")),
            ("a\u{a0}b", Some("text_blank")),
            ("a \u{301}", Some("text_mark")),
            ("a\u{85}b", Some("name_control")),
        ];
        for (text, rule) in table {
            assert_eq!(Name::try_from(text).err().map(|e| e.rule), rule, "{text:?}");
        }
    }

    #[test]
    fn names_are_kept_composed() {
        let name = Name::try_from("E\u{301}conomie").unwrap();
        assert_eq!(name, Name::try_from("Économie").unwrap());
        let decomposed = "e\u{301}".repeat(NAME_MAX_CHARS);
        assert!(Name::try_from(decomposed).is_ok(), "characters are counted as they are kept");
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
        let long = "x".repeat(128);
        let cut = format!("{}-b", "a".repeat(62));
        for (name, hostname) in [
            ("web", "web"),
            ("Web Server 1", "web-server-1"),
            ("Économie & Finances", "economie-finances"),
            ("E\u{301}conomie", "economie"),
            ("cœur", "coeur"),
            ("Straße", "strasse"),
            ("GROẞ", "gross"),
            ("Ÿ-Île", "y-ile"),
            ("Åse Ødegård", "ase-odegard"),
            ("Đường Łódź", "duong-lodz"),
            ("Þór Æsir Niño", "thor-aesir-nino"),
            ("İstanbul ılık Ağrı Şişli", "istanbul-ilik-agri-sisli"),
            ("Ẹ̀kọ́ Yorùbá", "eko-yoruba"),
            ("Eʋegbe ɖɛɔŋ ƒ ɣ", "evegbe-deong-f-g"),
            ("ɓalle ɗe ƙasa", "balle-de-kasa"),
            ("Ţări Čeština Őz ħ ŧ", "tari-cestina-oz-h-t"),
            ("ﬁn ＷＥＢ Ǆ", "fin-web-dz"),
            ("x² ½", "x2-1-2"),
            ("l'état", "l-etat"),
            ("42", "42"),
            ("1e3", "1e3"),
            ("東京", "instance"),
            ("Москва 1", "1"),
            ("🚀 prod", "prod"),
            ("web.example.com", "web-example-com"),
            ("--x--", "x"),
            (long.as_str(), &long[..63]),
            (cut.as_str(), &cut[..62]),
        ] {
            assert_eq!(Hostname::from_name(&Name::try_from(name).unwrap()).as_str(), hostname, "{name}");
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
