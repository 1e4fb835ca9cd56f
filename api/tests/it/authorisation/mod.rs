//! Every operation of the OpenAPI document, asked by everybody everywhere. An operation that is not in the
//! [table] fails the test: whoever adds an endpoint says there who may use it.
//!
//! ```text
//!   system ─┬─ A ─┬─ own project, other project, suspended project
//!           │     └─ suspended organization
//!           └─ B ─── project of another organization
//! ```
//! Bound on the system: operator, overseer (an auditor). On A: owner, admin, auditor. On the own and the
//! suspended project: member, reader, somebody with a custom role, and a service account that is a member. A key
//! of another service account, an owner of A, is restricted to what the custom role has.

mod compare;
mod fields;
pub mod ground;
mod table;

use crate::world::{Answer, Api};
use ground::{Bound, Everybody, Ids, Somebody};
use iroko_test_database::database;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use table::{Place, Row, TABLE, WHILE_SUSPENDED};

/// What is a person's own, and not there for programs.
const PERSONAL: [&str; 4] = ["session_", "password_", "totp_", "recovery_code"];

/// On whose ground an operation is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Own,
    OtherProject,
    OtherOrganization,
    Suspended,
}

/// What a role of somebody comes to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// All of it.
    Full,
    /// It was bound above what is suspended: what one needs to look and to settle things.
    FromAbove,
    /// It was bound on what is suspended: nothing, until it is resumed.
    Void,
    /// It holds below where the operation asks: the thing may be known.
    Below,
    /// Nothing.
    None,
}

fn reach(bound: Bound, place: Place, target: Target) -> Reach {
    use Bound as B;
    use Target as T;
    match (place, bound, target) {
        (Place::Public | Place::Page | Place::Login, ..) => Reach::Full,
        (Place::System, B::System, _) => Reach::Full,
        (Place::System, ..) => Reach::None,
        (Place::Project | Place::Organization, B::System, T::Suspended) => Reach::FromAbove,
        (_, B::System, _) => Reach::Full,
        (_, _, T::OtherOrganization) => Reach::None,
        (Place::Project | Place::Organization, B::Organization, T::Suspended) => Reach::FromAbove,
        (Place::AboveOrganization, B::Organization, T::Own | T::OtherProject) => Reach::Below,
        (_, B::Organization, _) => Reach::Full,
        (Place::Organization | Place::AboveOrganization, B::Project, _) => Reach::None,
        (_, B::Project, T::OtherProject) => Reach::None,
        (Place::Project, B::Project, T::Own) => Reach::Full,
        (Place::Project, B::Project, T::Suspended) => Reach::Void,
        (Place::AboveProject, B::Project, _) => Reach::Below,
    }
}

/// Status and kind of problem that somebody must get.
fn expected(row: &Row, who: &Somebody, target: Target) -> (u16, Option<&'static str>) {
    let (operation, place, permission, roles, right) = *row;
    // The body is read first, where there is one.
    let is_personal = PERSONAL.iter().any(|noun| operation.starts_with(noun)) && right != 422;
    if place == Place::Login && who.is_program && is_personal {
        return (404, Some("not-found"));
    }
    if place == Place::Page {
        return (right, Some("foreign-page"));
    }
    if matches!(place, Place::Public | Place::Login) {
        return (right, None);
    }
    let has = roles.split(' ').any(|role| role == who.role);
    let stays = permission.ends_with(".read") || WHILE_SUSPENDED.contains(&permission);
    match reach(who.bound, place, target) {
        // Whoever has anything is told what, also that all of it is void.
        Reach::Full | Reach::FromAbove | Reach::Void if permission.is_empty() => (right, None),
        // Everybody here belongs to it, and would lock themselves out.
        Reach::Full if has && row.0 == "organization_suspend" && target == Target::Own => (409, Some("conflict")),
        Reach::None => (404, Some("not-found")),
        Reach::Full if has => (right, None),
        Reach::FromAbove if has && stays => (right, None),
        Reach::FromAbove | Reach::Void if has => (403, Some("suspended")),
        Reach::Full | Reach::FromAbove | Reach::Void | Reach::Below => (403, Some("forbidden")),
    }
}

/// The operations of the document: id, method, path, permission and place told.
fn operations() -> Vec<(String, Method, String, Value)> {
    let document: Value = serde_json::from_str(&iroko_api::openapi::document_json()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            operations.push((
                operation["operationId"].as_str().unwrap().to_owned(),
                method,
                path.clone(),
                operation.clone(),
            ));
        }
    }
    operations
}

/// The document says of each operation what the table says.
#[test]
fn the_document_tells_what_is_asked() {
    let operations = operations();
    let known: BTreeSet<_> = TABLE.iter().map(|row| row.0).collect();
    let offered: BTreeSet<_> = operations.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(known.len(), TABLE.len(), "a row for each, and no two");
    assert_eq!(known, offered, "the table must have every operation of the document, and no other");
    for (id, place, permission, ..) in TABLE {
        let (.., operation) = operations.iter().find(|(offered, ..)| offered == id).unwrap();
        let told = &operation["x-iroko-permission"];
        let told = (told["name"].as_str(), told["scope"].as_str());
        let wanted = match place {
            _ if permission.is_empty() => (None, None),
            Place::Public | Place::Page | Place::Login => (None, None),
            Place::Project => (Some(*permission), Some("project")),
            Place::Organization => (Some(*permission), Some("organization")),
            Place::AboveProject | Place::AboveOrganization => (Some(*permission), Some("above")),
            Place::System => (Some(*permission), Some("system")),
        };
        assert_eq!(told, wanted, "{id}");
        let of_its_own = match place {
            Place::Public => json!([{}]),
            Place::Page => json!([{"own_page": []}]),
            _ => Value::Null,
        };
        assert_eq!(operation["security"], of_its_own, "{id}");
    }
}

async fn ask(api: &Api, row: &Row, method: &Method, template: &str, ids: &Ids, token: Option<&str>) -> Answer {
    let mut path = ids.fill(template);
    if row.0 == "session_delete_all" {
        path += "?keep_current=true";
    }
    match row.0 {
        "oidc_start" => path += "?redirect_uri=x",
        "oidc_list" => path += &ids.fill("?organization_id={organization_id}"),
        _ => {}
    }
    let request = api.request(method.clone(), &path);
    let request = token.into_iter().fold(request, RequestBuilder::bearer_auth);
    let request = match (row.0, row.4) {
        ("image_upload", _) => request.body("bytes"),
        // A stream that is allowed would never end.
        ("event_list" | "organization_event_list" | "system_event_list", _) => request.header("last-event-id", "?"),
        // No field of this name: refused, but not before it was asked who calls.
        (_, 422) => request.json(&json!({"no such field": 1})),
        _ => request,
    };
    api.send(request).await
}

fn check(row: &Row, answer: &Answer, wanted: (u16, Option<&str>), who: &str) {
    assert_eq!(answer.status, wanted.0, "{} as {who}: {}", row.0, answer.text);
    if let Some(slug) = wanted.1 {
        answer.problem(slug, wanted.0);
    }
    if wanted.1 == Some("forbidden") {
        assert!(answer.text.contains(row.2), "{}: names {}: {}", row.0, row.2, answer.text);
    }
}

#[tokio::test]
async fn every_operation_asks_who_calls() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let everybody = Everybody::new(&api).await;
    let operations = operations();
    let mut asked = 0;
    for row in TABLE {
        let (_, method, template, _) = operations.iter().find(|(id, ..)| id == row.0).unwrap();
        for (target, ids) in &everybody.grounds {
            let by_path = template.contains("{project_id}") || template.contains("{organization_id}");
            let by_project = template.contains("{project_id}");
            if !by_path && *target != Target::Own || !by_project && *target == Target::OtherProject {
                continue;
            }
            for token in [None, Some("eyJhbGciOiJub25lIn0.e30."), Some(&*everybody.expired)] {
                let wanted = match row.1 {
                    Place::Public => (row.4, None),
                    Place::Page => (row.4, Some("foreign-page")),
                    _ => (401, Some("unauthorized")),
                };
                check(row, &ask(&api, row, method, template, ids, token).await, wanted, "nobody");
            }
            for who in &everybody.people {
                let wanted = expected(row, who, *target);
                // What will really be gone is made for this one, and bindings on the scope of the operation.
                let is_new = wanted.0 == 204 || row.0.ends_with("role_binding_get");
                let fresh = if is_new { ids.with_fresh(&api, row.0).await } else { ids.clone() };
                let answer = ask(&api, row, method, template, &fresh, Some(&who.token)).await;
                check(row, &answer, wanted, &format!("{} on {target:?}", who.name));
                asked += 1;
            }
        }
        if row.2.ends_with(".suspend") {
            everybody.settle(&api).await;
        }
    }
    assert!(asked > 1500, "{asked} requests only");
}
