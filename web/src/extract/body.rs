//! JSON bodies. A body that does not fit names the field, as a JSON pointer.

use super::words;
use crate::problem::{Faults, FieldError, Plain, Problem, Rule};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use iroko_model::checked::{self, Unread};
use iroko_wire::fault::Checked;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::{Path, Segment};
use std::collections::HashSet;

/// A body of type `T`.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_bytes(request, state, &["application/json"]).await?;
        parse(&bytes).map(Self)
    }
}

/// A body of type `T` that is looked at as a whole, too: all its faults are told at once.
#[derive(Debug)]
pub struct CheckedJson<T>(pub T);

impl<T: DeserializeOwned + Checked, S: Send + Sync> FromRequest<S> for CheckedJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_bytes(request, state, &["application/json"]).await?;
        parse_with(&bytes, T::check).map(Self)
    }
}

/// The bytes of a body of one of these media types.
pub(super) async fn json_bytes<S: Send + Sync>(request: Request, state: &S, media: &[&str]) -> Result<Bytes, Problem> {
    let sent = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let sent = sent.split(';').next().unwrap_or("").trim();
    if !media.iter().any(|media| sent.eq_ignore_ascii_case(media)) {
        let text = format!("send the body as Content-Type: {}", media.join(" or "));
        return Err(Problem::refuse(Rule::ContentTypeOther, text));
    }
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status().as_u16() {
        413 => Problem::new(Plain::TooLarge),
        _ => Problem::refuse(Rule::BodyBroken, "the body broke off"),
    })
}

/// Reads a body, with all its faults.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    parse_with(bytes, |_: &T, _| {})
}

fn parse_with<T: DeserializeOwned>(bytes: &[u8], whole: impl FnOnce(&T, &mut Faults)) -> Result<T, Problem> {
    // Of a key that stands twice parsers take the first or the last: what was meant cannot be known.
    let mut once = serde_json::Deserializer::from_slice(bytes);
    if let Err(error) = serde_path_to_error::deserialize::<_, Once>(&mut once)
        && error.inner().is_data()
    {
        return Err(Problem::fields(vec![at_field(error.path(), &error.inner().to_string())]));
    }
    let mut is_whole = true;
    let pass = || {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = serde_path_to_error::deserialize(&mut reader)?;
        is_whole = reader.end().is_ok();
        Ok(value)
    };
    let read = read(pass, whole);
    match is_whole {
        true => read,
        false => Err(Problem::refuse(Rule::BodySeveral, "the body is more than one JSON value")),
    }
}

type JsonError = serde_path_to_error::Error<serde_json::Error>;

/// Reads again and again until all faults are known, then looks at the whole.
pub(super) fn read<T>(
    pass: impl FnMut() -> Result<T, JsonError>,
    whole: impl FnOnce(&T, &mut Faults),
) -> Result<T, Problem> {
    let mut faults = Faults::default();
    let unread = match checked::gather(pass, |error, invalid| faults.note(&pointer(error.path()), invalid)) {
        Ok(value) => {
            whole(&value, &mut faults);
            faults.finish()?;
            return Ok(value);
        }
        Err(unread) => unread,
    };
    match unread {
        Unread::Faulty(value) => whole(&value, &mut faults),
        Unread::TooMany => {}
        Unread::Form(error) if error.inner().is_data() => {
            let mut all = faults.into_errors();
            all.push(at_field(error.path(), &error.inner().to_string()));
            return Err(Problem::fields(all));
        }
        Unread::Form(error) => return Err(unreadable(error.inner())),
    }
    Err(faults.into())
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let text = match error.is_eof() {
        true => "the body is not JSON: it ends too early".to_owned(),
        false => format!("the body is not JSON: look at line {}, column {}", error.line(), error.column()),
    };
    Problem::refuse(Rule::BodyNotJson, text)
}

/// Any value in whose objects each key stands once.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("duplicate field `{key}`")));
            }
            seen.insert(key);
            map.next_value::<Once>()?;
        }
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Once, A::Error> {
        while seq.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }
}

fn at_field(path: &Path, serde: &str) -> FieldError {
    let fault = words::fault(serde);
    let place = pointer(path);
    let place = match fault.field {
        // Serde's path of a field that should not be there, or is there twice, ends with it already.
        Some(field) if !place.ends_with(&format!("/{}", escaped(&field))) => format!("{place}/{}", escaped(&field)),
        _ => place,
    };
    FieldError { pointer: place, rule: fault.invalid.rule.into(), detail: fault.invalid.message }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn pointer(path: &Path) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escaped(key)),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    };
    path.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn keys_stand_once_wherever_they_are() {
        let fault = |text: &str| {
            let problem = parse::<BTreeMap<String, serde_json::Value>>(text.as_bytes()).unwrap_err();
            let one = problem.errors()[0].clone();
            (one.pointer, one.rule)
        };
        for (text, pointer) in [
            (r#"{"a": 1, "a": 2}"#, "/a"),
            (r#"{"labels": {"x": "1", "y": "2", "x": "1"}}"#, "/labels/x"),
            (r#"{"list": [{}, {"a/b": null, "a/b": null}]}"#, "/list/1/a~1b"),
        ] {
            assert_eq!(fault(text), (pointer.to_owned(), "field_repeated".to_owned()), "{text}");
        }
        let good = r#"{"a": {"x": 1}, "b": {"x": [1.5, -1, "x", null, true, {"x": 1}]}}"#;
        assert!(parse::<BTreeMap<String, serde_json::Value>>(good.as_bytes()).is_ok());
    }
}
