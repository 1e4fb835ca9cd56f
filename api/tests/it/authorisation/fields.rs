//! Fields that are missing, unknown or of another type are told apart, each at its own place, by every operation with a body.

use super::ground::Everybody;
use super::table::{Place, TABLE};
use super::{Reach, Target, operations, reach};
use crate::session_cookie::OWN;
use crate::world::{Api, fault};
use iroko_test_database::database;
use serde_json::{Map, Value, json};

/// What a reference in the document leads to, or the schema itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let to = schema["$ref"].as_str().map(|to| to.trim_start_matches('#'));
    to.map_or(schema, |to| document.pointer(to).unwrap_or_else(|| panic!("{to} is not in the document")))
}

/// True where an object may stand there.
fn takes_object(document: &Value, schema: &Value) -> bool {
    let schema = resolved(document, schema);
    let is =
        |value: &Value| *value == "object" || value.as_array().is_some_and(|all| all.iter().any(|t| t == "object"));
    let parts = ["oneOf", "anyOf", "allOf"].iter().filter_map(|name| schema[*name].as_array()).flatten();
    is(&schema["type"]) || parts.into_iter().any(|part| takes_object(document, part))
}

/// Bodies with one fault each, and where and what it is.
fn faulty(document: &Value, schema: &Value) -> Vec<(Value, String, &'static str)> {
    let example = match schema["example"].as_object() {
        Some(example) => example.clone(),
        None => schema["examples"][0].as_object().cloned().unwrap_or_default(),
    };
    let with = |name: &str, value: Value| {
        let mut body = example.clone();
        body.insert(name.to_owned(), value);
        Value::Object(body)
    };
    let mut bodies = vec![(with("no_such_field", json!(1)), "no_such_field".to_owned(), "field_unknown")];
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let body: Map<_, _> = example.clone().into_iter().filter(|(name, _)| name != required).collect();
        bodies.push((Value::Object(body), required.to_owned(), "field_missing"));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let wrong = if takes_object(document, property) { json!(7) } else { json!({"x": 1}) };
        bodies.push((with(name, wrong), name.clone(), "value_type"));
    }
    bodies
}

#[tokio::test]
async fn missing_unknown_and_mistyped_fields_are_three_rules() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let everybody = Everybody::new(&api).await;
    let (_, ids) = everybody.grounds.iter().find(|(target, _)| *target == Target::Own).unwrap();
    let document: Value = serde_json::from_str(&iroko_api::openapi::document_json()).unwrap();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (id, method, template, operation) in operations() {
        let content = operation["requestBody"]["content"].as_object();
        let Some((_, body)) = content.and_then(|content| content.iter().find(|(media, _)| media.ends_with("json")))
        else {
            continue;
        };
        let row = TABLE.iter().find(|row| row.0 == id).unwrap();
        let may = |role: &str| row.3.split(' ').any(|has| has == role) || row.1 == Place::Login;
        let reaches = |bound| reach(bound, row.1, Target::Own) == Reach::Full;
        let who = everybody.people.iter().find(|who| may(who.role) && !who.is_program && reaches(who.bound));
        for (body, field, rule) in faulty(&document, resolved(&document, &body["schema"])) {
            let request =
                OWN.iter().fold(api.request(method.clone(), &ids.fill(&template)), |request, (name, value)| {
                    request.header(*name, *value)
                });
            let request = who.iter().fold(request, |request, who| request.bearer_auth(&who.token));
            let answer = api.send(request.json(&body)).await;
            let wanted = fault(&format!("/{field}"), rule);
            if answer.status != 422 || !answer.faults().contains(&wanted) {
                wrong.push(format!("{id}: {wanted:?}: {} {}", answer.status, answer.text));
            }
            asked += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 250, "{asked} only");
}
