//! Values that are checked while they are read.
//!
//! A checked type reads itself by [`deserialize`], and a value that breaks a rule is an ordinary error of the format. Within
//! [`gather`] the reader also learns which rule was broken, and goes on past the faulty value: so that a request is told all
//! its faults at once, without a second copy of each type for what is not checked yet.

use crate::Invalid;
use serde::de::{Deserialize, Deserializer, Error};
use std::cell::RefCell;

/// Faults of one request that are gathered before the reader gives up.
pub const FAULTS_MAX: usize = 64;

thread_local! {
    static READING: RefCell<Option<Reading>> = const { RefCell::new(None) };
}

/// One pass over a request.
#[derive(Debug, Default)]
struct Reading {
    /// Faulty values that earlier passes have told of.
    known: usize,
    /// Faulty values met in this pass.
    met: usize,
    /// The first one that is new.
    fault: Option<Invalid>,
}

/// Reads a checked value. `stand_in` takes the place of a faulty one whose fault is known already; it is never used.
///
/// # Errors
/// Those of the format, and the rule that the value breaks.
pub fn deserialize<'de, Raw, T, D>(from: D, stand_in: impl FnOnce() -> T) -> Result<T, D::Error>
where
    Raw: Deserialize<'de>,
    T: TryFrom<Raw, Error = Invalid>,
    D: Deserializer<'de>,
{
    judge(T::try_from(Raw::deserialize(from)?), stand_in)
}

/// Takes a value that was checked while it was read; see [`deserialize`].
///
/// # Errors
/// The rule that the value breaks, unless that is known already.
pub fn judge<T, E: Error>(checked: Result<T, Invalid>, stand_in: impl FnOnce() -> T) -> Result<T, E> {
    match checked {
        Ok(value) => Ok(value),
        Err(invalid) if is_known(&invalid) => Ok(stand_in()),
        Err(invalid) => Err(E::custom(invalid)),
    }
}

/// True in a pass that has heard of this fault; else notes it.
fn is_known(invalid: &Invalid) -> bool {
    READING.with_borrow_mut(|reading| {
        let Some(reading) = reading else { return false };
        if reading.met < reading.known {
            reading.met += 1;
            return true;
        }
        reading.fault = Some(invalid.clone());
        false
    })
}

/// Reads by `pass` until no further checked value is at fault, and calls `note` for each that is, with the error of the
/// format, which knows the place. `pass` must read the same each time.
///
/// # Errors
/// See [`Unread`].
pub fn gather<T, E>(
    mut pass: impl FnMut() -> Result<T, E>,
    mut note: impl FnMut(&E, Invalid),
) -> Result<T, Unread<T, E>> {
    for known in 0..FAULTS_MAX {
        READING.set(Some(Reading { known, ..Reading::default() }));
        let outcome = pass();
        let fault = READING.take().and_then(|reading| reading.fault);
        match (outcome, fault) {
            (Ok(value), _) if known == 0 => return Ok(value),
            (Ok(value), _) => return Err(Unread::Faulty(value)),
            (Err(error), Some(invalid)) => note(&error, invalid),
            (Err(error), None) => return Err(Unread::Form(error)),
        }
    }
    Err(Unread::TooMany)
}

/// Why a value could not be read.
#[derive(Debug)]
pub enum Unread<T, E> {
    /// All its faults were noted; others stand in for the faulty values, so that what concerns the whole can be looked at,
    /// and nothing else.
    Faulty(T),
    /// More faults than anybody reads were noted.
    TooMany,
    /// Its form is wrong, which was not noted.
    Form(E),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Labels, Name};
    use serde_json::Value;

    #[derive(Debug, serde::Deserialize)]
    struct Sample {
        name: Name,
        #[serde(default)]
        labels: Labels,
        #[serde(default)]
        more: Vec<Name>,
        #[serde(default)]
        number: u8,
    }

    fn faults(text: &str) -> (Vec<&'static str>, Result<Sample, Unread<Sample, String>>) {
        let mut rules = Vec::new();
        let pass = || serde_json::from_str::<Sample>(text).map_err(|error| error.to_string());
        let read = gather(pass, |_, invalid| rules.push(invalid.rule));
        (rules, read)
    }

    #[test]
    fn all_faults_are_gathered() {
        let (rules, read) = faults(r#"{"name": "", "labels": {"a b": "x"}, "more": ["ok", " pad", "x"]}"#);
        assert_eq!(rules, ["name_empty", "label_key_form", "name_padded"]);
        assert!(matches!(read, Err(Unread::Faulty(_))));
        let (rules, read) = faults(r#"{"name": "", "number": "x"}"#);
        assert!(rules == ["name_empty"] && matches!(read, Err(Unread::Form(_))), "a fault of the form ends it");
        let (rules, read) = faults(r#"{"name": "web", "more": ["x"], "number": 7}"#);
        let read = read.unwrap();
        assert!(rules.is_empty() && read.labels == Labels::default());
        assert_eq!((read.name.as_str(), read.more.len(), read.number), ("web", 1, 7));
    }

    #[test]
    fn outside_of_it_a_fault_is_an_error_and_faults_are_bounded() {
        assert!(serde_json::from_str::<Name>("\"\"").unwrap_err().to_string().contains("at least one character"));
        let many = Value::from(vec![""; 1000]).to_string();
        let (rules, read) = faults(&format!(r#"{{"name": "web", "more": {many}}}"#));
        assert!(rules.len() == FAULTS_MAX && matches!(read, Err(Unread::TooMany)));
        assert!(serde_json::from_str::<Name>("\"\"").is_err(), "nothing is left behind");
    }
}
