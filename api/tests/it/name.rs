//! Names, labels and descriptions of all nouns: what people can read, in one form.

use crate::world::{Api, fault};
use iroko_model::Role;
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

/// Every operation of the document that takes a name, with all other fields as in its example.
fn bodies_with_names() -> Vec<(String, Value)> {
    let document: Value = serde_json::from_str(&iroko_api::openapi::document_json()).unwrap();
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(reference) =
            operations["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()
        else {
            continue;
        };
        let schema = &document["components"]["schemas"][reference.rsplit('/').next().unwrap()];
        if schema["properties"].get("name").is_some() {
            found.push((path.clone(), schema["example"].clone()));
        }
    }
    found
}

/// One check for all of them: whoever adds a noun whose names are not checked fails here.
#[tokio::test]
async fn no_noun_takes_a_name_that_nobody_can_read() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let owner = api.token("owner", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let bodies = bodies_with_names();
    assert!(bodies.len() >= 14, "{bodies:?}");
    for (path, body) in bodies {
        let path = path
            .replace("{project_id}", &api.project.to_string())
            .replace("{organization_id}", &api.organization.to_string());
        let token = if path.starts_with("/v1/system/") || path == "/v1/organizations" { &api.operator } else { &owner };
        for (name, rule) in [
            ("\u{202e}gpj.exe", "text_hidden"),
            ("we\u{200b}b", "text_hidden"),
            ("\u{3164}", "text_hidden"),
            ("a\u{a0}b", "text_blank"),
            ("a \u{301}", "text_mark"),
            ("a\u{85}b", "name_control"),
        ] {
            let mut body = body.clone();
            body["name"] = json!(name);
            let answer = api.call(Method::POST, &path, Some(token), Some(body)).await;
            if answer.status == 404 {
                // What stands in the path is looked up first.
                assert!(path.contains('{'), "{path}: {}", answer.json());
                continue;
            }
            let faults = answer.faults();
            assert!(faults.contains(&fault("/name", rule)), "{path} {name:?}: {faults:?}");
        }
    }
}

#[tokio::test]
async fn texts_have_one_form_and_are_found_by_any() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (composed, decomposed) = ("Économie", "E\u{301}conomie");
    let body = json!({"name": decomposed, "labels": {"ministry": decomposed}});
    let made = api.post("networks", body).await.must(201);
    assert_eq!((&made["name"], &made["labels"]["ministry"]), (&json!(composed), &json!(composed)));
    for query in ["name=E%CC%81conomie", "name=%C3%89conomie", "label=ministry=E%CC%81conomie"] {
        assert_eq!(api.get(&format!("networks?{query}")).await.must(200)["items"], json!([made]), "{query}");
    }
    let group = api.post("security-groups", json!({"name": composed, "description": decomposed})).await.must(201);
    assert_eq!(group["description"], composed);
    api.post("security-groups", json!({"name": decomposed})).await.problem("conflict", 409);
    for (field, value) in [("description", json!("a\u{2066}b")), ("labels", json!({"a": "\u{feff}"}))] {
        let mut body = json!({"name": "other"});
        body[field] = value;
        let refused = api.post("security-groups", body).await.fault();
        assert_eq!(refused, fault(&format!("/{field}"), "text_hidden"));
    }
}
