//! JSON bodies. A body that does not fit names the field, as a JSON pointer.

use super::words;
use crate::problem::{Kind, Problem};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

/// A body of type `T`.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        if !media.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::with(Kind::UnsupportedMediaType, "send the body as Content-Type: application/json"));
        }
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status().as_u16() {
                413 => Problem::new(Kind::TooLarge),
                _ => Problem::with(Kind::BadRequest, "the body broke off"),
            })?;
        parse(&bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        if error.inner().is_data() {
            return at_field(error.path(), &error.inner().to_string());
        }
        let text = match error.inner().is_eof() {
            true => "the body is not JSON: it ends too early".to_owned(),
            false => {
                let (line, column) = (error.inner().line(), error.inner().column());
                format!("the body is not JSON: look at line {line}, column {column}")
            }
        };
        Problem::with(Kind::BadRequest, text)
    })?;
    reader.end().map_err(|_| Problem::with(Kind::BadRequest, "the body is more than one JSON value"))?;
    Ok(value)
}

fn at_field(path: &Path, serde: &str) -> Problem {
    let fault = words::fault(serde);
    let place = pointer(path);
    let place = match fault.field {
        // Serde's path of a field that should not be there, or is there twice, ends with it already.
        Some(field) if !place.ends_with(&format!("/{}", escaped(&field))) => format!("{place}/{}", escaped(&field)),
        _ => place,
    };
    Problem::field(place, fault.invalid)
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
