//! `If-Match` is in the document where it is compared, and only there.

use super::ground::{Everybody, Ids};
use super::table::{Row, TABLE};
use super::{Target, operations};
use crate::world::{Answer, Api};
use iroko_test_database::database;
use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde_json::{Value, json};

/// No thing has had this many changes.
const STALE: &str = "\"999999-0\"";

fn shows(operation: &Value) -> bool {
    operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["name"] == "If-Match")
}

async fn ask(api: &Api, row: &Row, (method, template): (&Method, &str), ids: &Ids, token: &str) -> Answer {
    let request = api.request(method.clone(), &ids.fill(template)).bearer_auth(token).header(IF_MATCH, STALE);
    let request = if *method == Method::PATCH { request.json(&json!({})) } else { request };
    let request = if row.0 == "image_upload" { request.body("bytes") } else { request };
    api.send(request).await
}

/// Shown: a tag that is not the present one gives 412. Not shown: the change is refused (400), whether what it asks
/// for could be done or not; what is wrong about it beside that may be said first.
#[tokio::test]
async fn the_document_shows_what_compares() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let everybody = Everybody::new(&api).await;
    let (_, ids) = everybody.grounds.iter().find(|(target, _)| *target == Target::Own).unwrap();
    let operations = operations();
    let (mut compared, mut refused) = (0, 0);
    for row in TABLE {
        let (_, method, template, operation) = operations.iter().find(|(id, ..)| id == row.0).unwrap();
        if *method == Method::GET {
            assert!(!shows(operation), "{} only reads", row.0);
            continue;
        }
        let may = |role: &str| row.3.split(' ').any(|has| has == role);
        let Some(who) = everybody.people.iter().find(|who| may(who.role) && !who.is_program) else { continue };
        let fresh = if row.4 == 204 { ids.with_fresh(&api, row.0).await } else { ids.clone() };
        let answer = ask(&api, row, (method, template), &fresh, &who.token).await;
        let what = format!("{} as {}: {} {}", row.0, who.name, answer.status, answer.text);
        if shows(operation) {
            assert_eq!(answer.status, 412, "{what}");
            compared += 1;
        } else {
            assert!(answer.status >= 400 && answer.status != 412, "{what}");
            if answer.status == 400 && answer.text.contains("If-Match") {
                refused += 1;
            }
            // Of what would be done for somebody, nothing is done; that it may not be done by this one may be said first.
            assert!(!(200..300).contains(&row.4) || [400, 409].contains(&answer.status), "{what}");
        }
    }
    assert!(compared >= 33, "{compared} only");
    assert!(refused >= 10, "{refused} only");
}
