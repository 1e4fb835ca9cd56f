//! What serde finds wrong with a value, in words for people. Its own speak of Rust's types ("expected u8 at line 1
//! column 81"); none of them leaves this module. A form of its texts that is not known here becomes a general one.

use iroko_model::Invalid;

/// Longest part of what a caller sent that is repeated to them, in characters.
const REPEATED_MAX: usize = 80;

/// What is wrong, and the field's name where it is one that the value should or should not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A field right below the place of the error.
    pub field: Option<String>,
    /// Rule and words.
    pub invalid: Invalid,
}

impl Fault {
    fn here(rule: &'static str, text: String) -> Self {
        Self { field: None, invalid: Invalid::new(rule, text) }
    }

    fn at(field: &str, rule: &'static str, text: String) -> Self {
        Self { field: Some(field.to_owned()), invalid: Invalid::new(rule, text) }
    }
}

/// Reads a text of serde.
pub fn fault(serde: &str) -> Fault {
    let text = without_place(serde);
    let parts = |prefix: &str| text.strip_prefix(prefix)?.split_once(", expected ");
    if let Some((found, expected)) = parts("invalid type: ") {
        return Fault::here("value_type", format!("give {}, not {}", wanted(expected), shown(found)));
    }
    if let Some((found, expected)) = parts("invalid value: ") {
        return Fault::here("value_range", format!("give {}, not {}", wanted(expected), shown(found)));
    }
    if let Some((found, expected)) = parts("invalid length ") {
        return Fault::here("value_length", format!("give {}, not one of {found} items", wanted(expected)));
    }
    if let Some(field) = text.strip_prefix("missing field ") {
        let field = field.trim_matches('`');
        return Fault::at(field, "field_missing", "this field is required".to_owned());
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        let field = field.trim_matches('`');
        return Fault::at(field, "field_repeated", "this field is given twice; give it once".to_owned());
    }
    if let Some(rest) = text.strip_prefix("unknown field `") {
        return unknown_field(rest);
    }
    if let Some(rest) = text.strip_prefix("unknown variant `") {
        let (found, known) = rest.split_once('`').unwrap_or((rest, ""));
        let found = repeated(found);
        return Fault::here("value_unknown", format!("\"{found}\" is not known here; give one of {}", names(known)));
    }
    if text.contains("UUID parsing failed") {
        let text = "an id has 32 hexadecimal digits in five groups, such as 0198c0de-0000-7000-8000-000000000001";
        return Fault::here("value_form", text.to_owned());
    }
    Fault::here("value_form", "the value does not have the form that the API's document describes".to_owned())
}

fn unknown_field(rest: &str) -> Fault {
    let (field, known) = rest.split_once('`').unwrap_or((rest, ""));
    let known = names(known);
    let text = match known.is_empty() {
        true => "there is no such field here; leave it out".to_owned(),
        false => format!("there is no such field here; there are {known}"),
    };
    Fault::at(field, "field_unknown", text)
}

/// The names in "..., expected one of `a`, `b`".
fn names(text: &str) -> String {
    let quoted = text.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    quoted.join(", ")
}

/// What a value should be.
fn wanted(expected: &str) -> &'static str {
    let expected = expected.trim();
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "nonzero u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" | "u128" => "a whole number of 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number in the range that the API's document gives",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" | "an array" => "a list",
        "a map" | "map" | "an object" => "an object",
        "null" | "unit" => "null",
        _ if expected.contains("UUID") || expected.contains("uuid") => "an id",
        _ if expected.contains("RFC3339") || expected.contains("RFC 3339") => "a time such as 2026-11-23T08:00:00Z",
        _ if expected.contains("string") && !expected.contains("map") => "a text",
        _ if expected.starts_with("struct") || expected.starts_with("internally tagged") => "an object",
        _ if expected.starts_with("a tuple") || expected.starts_with("tuple") || expected.contains("elements") => {
            "a list"
        }
        _ => "a value of the form that the API's document describes",
    }
}

/// What a value is, as JSON writes it.
fn shown(found: &str) -> String {
    let quoted =
        |text: &str| text.split_once('`').and_then(|(_, rest)| rest.rsplit_once('`')).map(|(in_it, _)| repeated(in_it));
    match found {
        "null" | "unit value" | "Option value" => "null".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        _ if found.starts_with("string ") => repeated(&found["string ".len()..]),
        _ => quoted(found).unwrap_or_else(|| "this".to_owned()),
    }
}

/// The beginning of what a caller sent.
fn repeated(text: &str) -> String {
    match text.char_indices().nth(REPEATED_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Without serde's own "at line 1 column 81".
fn without_place(text: &str) -> &str {
    let is_place = |rest: &str| {
        rest.split_once(" column ").is_some_and(|(line, column)| {
            [line, column].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    match text.rsplit_once(" at line ") {
        Some((before, rest)) if is_place(rest) => before,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Tcp,
        Udp,
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "it is read only")]
    enum Either {
        Number(u8),
        Text(Word),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is read only")]
    struct Sample {
        name: String,
        #[serde(default)]
        small: u8,
        #[serde(default)]
        number: i32,
        #[serde(default)]
        yes: bool,
        #[serde(default)]
        list: Vec<String>,
        #[serde(default)]
        id: Option<uuid::Uuid>,
        #[serde(default)]
        word: Option<Word>,
        #[serde(default)]
        either: Option<Either>,
        #[serde(default, with = "time::serde::rfc3339::option")]
        at: Option<time::OffsetDateTime>,
        #[serde(default)]
        inner: Option<Box<Sample>>,
    }

    #[test]
    fn faults_are_told_in_words_for_people() {
        let told = |mut value: serde_json::Value| {
            value["name"] = value.get("name").cloned().unwrap_or(json!("x"));
            let fault = fault(&serde_json::from_str::<Sample>(&value.to_string()).unwrap_err().to_string());
            (fault.invalid.rule.to_string(), fault.invalid.message)
        };
        let table = [
            (json!({"name": 7}), "value_type", "give a text, not 7"),
            (json!({"name": null}), "value_type", "give a text, not null"),
            (json!({"name": ["a"]}), "value_type", "give a text, not a list"),
            (json!({"name": {"a": 1}}), "value_type", "give a text, not an object"),
            (json!({"small": 256}), "value_range", "give a whole number from 0 to 255, not 256"),
            (json!({"small": -1}), "value_range", "give a whole number from 0 to 255, not -1"),
            (json!({"small": 1.5}), "value_type", "give a whole number from 0 to 255, not 1.5"),
            (json!({"small": "1"}), "value_type", "give a whole number from 0 to 255, not \"1\""),
            (
                json!({"number": 1_u64 << 40}),
                "value_range",
                "give a whole number in the range that the API's document gives, not 1099511627776",
            ),
            (json!({"yes": "true"}), "value_type", "give true or false, not \"true\""),
            (json!({"list": "a"}), "value_type", "give a list, not \"a\""),
            (json!({"id": 1}), "value_type", "give an id, not 1"),
            (json!({"at": 1}), "value_type", "give a time such as 2026-11-23T08:00:00Z, not 1"),
            (json!({"inner": 1}), "value_type", "give an object, not 1"),
            (json!({"word": "icmp"}), "value_unknown", "\"icmp\" is not known here; give one of tcp, udp"),
            (
                json!({"colour": 1}),
                "field_unknown",
                "there is no such field here; there are name, small, number, yes, list, id, word, either, at, inner",
            ),
            (
                json!({"either": 300}),
                "value_form",
                "the value does not have the form that the API's document describes",
            ),
            (
                json!({"id": "x"}),
                "value_form",
                "an id has 32 hexadecimal digits in five groups, such as 0198c0de-0000-7000-8000-000000000001",
            ),
        ];
        for (value, rule, text) in table {
            assert_eq!(told(value.clone()), (rule.to_owned(), text.to_owned()), "{value}");
        }
        let missing = fault(&serde_json::from_str::<Sample>("{}").unwrap_err().to_string());
        assert_eq!((missing.field.as_deref(), missing.invalid.rule), (Some("name"), "field_missing"));
        let twice = fault(&serde_json::from_str::<Sample>(r#"{"name":"a","name":"b"}"#).unwrap_err().to_string());
        assert_eq!((twice.field.as_deref(), twice.invalid.rule), (Some("name"), "field_repeated"));
        let long = told(json!({"small": "é".repeat(1000)})).1;
        assert!(long.chars().count() < 200, "{long}");
    }
}
