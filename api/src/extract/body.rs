//! JSON bodies. A body that does not fit names the field, as a JSON pointer.

use crate::problem::{Kind, Problem};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use iroko_model::Invalid;
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
            return Problem::field(pointer(error.path()), Invalid::new("value_form", error.inner().to_string()));
        }
        Problem::with(Kind::BadRequest, format!("the body is not JSON: {}", error.inner()))
    })?;
    reader
        .end()
        .map_err(|error| Problem::with(Kind::BadRequest, format!("the body is not one JSON value: {error}")))?;
    Ok(value)
}

fn pointer(path: &Path) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    };
    path.iter().map(step).collect()
}
