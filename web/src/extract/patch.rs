//! Merge patches (RFC 7396): what is absent stays, null takes away, anything else takes the place of what there was.

use super::body::{self, json_bytes};
use crate::problem::{Problem, Rule};
use axum::extract::{FromRequest, Request};
use iroko_wire::fault::Checked;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Media types of a merge patch.
const MEDIA: [&str; 2] = ["application/merge-patch+json", "application/json"];

/// A merge patch of an object.
#[derive(Debug, Clone)]
pub struct Patch(Map<String, Value>);

impl Patch {
    /// A patch from an object.
    pub const fn of(changes: Map<String, Value>) -> Self {
        Self(changes)
    }

    /// The settings with the patch over them, read and checked as a whole; `None` where nothing differs.
    ///
    /// # Errors
    /// The fields of the result that are at fault, as of a body.
    pub fn apply<T: Serialize + DeserializeOwned + Checked>(&self, settings: &T) -> Result<Option<T>, Problem> {
        let before = serde_json::to_value(settings).map_err(|error| Problem::internal(&error))?;
        let mut after = before.clone();
        merge(&mut after, &Value::Object(self.0.clone()));
        if after == before {
            return Ok(None);
        }
        body::read(|| serde_path_to_error::deserialize(after.clone()), T::check).map(Some)
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, change) in changes {
        match change {
            Value::Null => drop(target.remove(key)),
            change => merge(target.entry(key).or_insert(Value::Null), change),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Patch {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_bytes(request, state, &MEDIA).await?;
        match body::parse::<Value>(&bytes)? {
            Value::Object(changes) => Ok(Self(changes)),
            _ => Err(Problem::refuse(Rule::PatchNotObject, "a merge patch is an object with the fields that change")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_model::{Labels, Name};
    use serde::Deserialize;
    use serde_json::json;

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, result, "{target} {patch}");
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: Name,
        #[serde(default)]
        labels: Labels,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u8>,
    }

    impl Checked for Settings {}

    #[test]
    fn what_comes_out_is_checked_as_a_whole() {
        let settings =
            || serde_json::from_value::<Settings>(json!({"name": "a", "labels": {"x": "1"}, "size": 3})).unwrap();
        let apply = |patch: Value| Patch(patch.as_object().unwrap().clone()).apply(&settings());
        assert_eq!(apply(json!({"name": "a", "labels": {}})).unwrap(), None, "nothing differs");
        let after = apply(json!({"labels": {"y": "2", "x": null}, "size": null})).unwrap().unwrap();
        assert_eq!(serde_json::to_value(after).unwrap(), json!({"name": "a", "labels": {"y": "2"}}));
        let faults = |patch| {
            let problem = apply(patch).unwrap_err();
            problem.errors().iter().map(|fault| (fault.pointer.clone(), fault.rule.clone())).collect::<Vec<_>>()
        };
        let one = |pointer: &str, rule: &str| (pointer.to_owned(), rule.to_owned());
        assert_eq!(faults(json!({"name": null})), [one("/name", "field_missing")]);
        assert_eq!(faults(json!({"colour": 1})), [one("/colour", "field_unknown")]);
        let several = faults(json!({"name": "", "labels": {"a b": "x"}, "size": 300}));
        assert_eq!(
            several,
            [one("/labels", "label_key_form"), one("/name", "name_empty"), one("/size", "value_range")]
        );
    }
}
