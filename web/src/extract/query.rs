//! Query parameters. Which ones there are stands in the operation's document ([`crate::layers::query`]); a value that
//! does not fit names its parameter.

use super::words;
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::value::{MapDeserializer, StringDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use std::str::FromStr;

/// The query's parameters.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or("")).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs =
        form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), Value(value.into_owned())));
    let pairs = MapDeserializer::<_, serde::de::value::Error>::new(pairs);
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let place = error.path().to_string();
        let fault = words::fault(&error.inner().to_string());
        let place = fault.field.unwrap_or(if place == "." { String::new() } else { place });
        Problem::field(place, fault.invalid)
    })
}

/// The text of a parameter, read as what it should be.
struct Value(String);

impl IntoDeserializer<'_> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

type Error = serde::de::value::Error;

impl Value {
    fn read<N: FromStr>(&self, expected: &'static str) -> Result<N, Error> {
        // In serde's own form, which `words` puts into words for people.
        self.0.parse().map_err(|_| Error::custom(format!("invalid type: string {:?}, expected {expected}", self.0)))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $name:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.read($name)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value {
    type Error = Error;

    numbers! {
        deserialize_bool visit_bool "a boolean";
        deserialize_u8 visit_u8 "u8";
        deserialize_u16 visit_u16 "u16";
        deserialize_u32 visit_u32 "u32";
        deserialize_u64 visit_u64 "u64";
        deserialize_i32 visit_i32 "i32";
        deserialize_i64 visit_i64 "i64";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text: StringDeserializer<Error> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // A text that its type does not take, an id mostly: what serde says of it is the type's own.
        let shown = format!("{:?}", self.0);
        let expected = Expected(&visitor).to_string();
        visitor.visit_string(self.0).map_err(|error: Error| {
            let is_told = error.to_string().contains(", expected ");
            if is_told { error } else { Error::custom(format!("invalid type: string {shown}, expected {expected}")) }
        })
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// What a visitor expects, as a text.
struct Expected<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> std::fmt::Display for Expected<'_, V> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use uuid::Uuid;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        limit: Option<i32>,
        name: Option<String>,
        all: bool,
        id: Option<Uuid>,
    }

    #[test]
    fn parameters_are_read_or_named() {
        let read: Sample = parse("limit=5&name=a%20b&all=true&id=0198c0de-0000-7000-8000-000000000001").unwrap();
        assert_eq!((read.limit, read.name.as_deref(), read.all), (Some(5), Some("a b"), true));
        assert!(read.id.is_some());
        assert_eq!(parse::<Sample>("").unwrap(), Sample::default());
        let words = |query: &str| {
            let told = serde_json::to_value(parse::<Sample>(query).unwrap_err().errors()).unwrap();
            (told[0]["pointer"].as_str().unwrap().to_owned(), told[0]["detail"].as_str().unwrap().to_owned())
        };
        for (query, pointer, text) in [
            ("limit=1e2", "limit", "give a whole number in the range that the API's document gives, not \"1e2\""),
            ("limit=", "limit", "give a whole number in the range that the API's document gives, not \"\""),
            ("all=1", "all", "give true or false, not \"1\""),
            ("id=x", "id", "give an id, not \"x\""),
        ] {
            assert_eq!(words(query), (pointer.to_owned(), text.to_owned()), "{query}");
        }
    }
}
