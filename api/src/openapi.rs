//! The OpenAPI document: generated from the routes, completed by rules that hold for all of them
//! ([`iroko_web::openapi`]), so that no handler repeats what every operation can answer.

use crate::App;
use crate::routes;
use iroko_identity::Identity;
use iroko_web::openapi::complete_all;
use iroko_wire::problem::ProblemBody;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Iroko", version = "1", license(name = "Apache-2.0", identifier = "Apache-2.0"),
        description = "Virtual machines and networks for tenants, hosts for operators.\n\n\
            Log in with `POST /v1/auth/token` and send the token as `Authorization: Bearer TOKEN`. Errors are RFC 9457 problems; \
            their `type` is a path of this API that explains it. Lists come in pages: send `next_cursor` back as `cursor`. \
            What takes long appears at once and shows how far it is in `status` and `status_reason`."),
    security(("bearer" = [])),
    components(schemas(ProblemBody))
)]
struct Base;

/// Routes by the state they need, and the document of all.
pub fn build() -> (axum::Router<Identity>, axum::Router<App>, OpenApi) {
    let identity = OpenApiRouter::with_openapi(Base::openapi()).merge(iroko_identity::routes::router());
    let (identity, mut document) = identity.split_for_parts();
    let (nouns, more) = routes::router().split_for_parts();
    document.merge(more);
    complete_all(&mut document);
    (identity, nouns, document)
}

/// The document as the repository keeps it.
pub fn document_json() -> String {
    let (_, _, document) = build();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use std::path::Path;

    fn document() -> Value {
        serde_json::from_str(&super::document_json()).unwrap()
    }

    fn operations(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let each = |(path, item): (&String, &Value)| {
            let path = path.clone();
            item.as_object().unwrap().iter().map(move |(m, op)| (format!("{m} {path}"), op.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(each).collect()
    }

    #[test]
    fn the_document_in_the_repository_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/iroko-v1.json");
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == super::document_json(), "openapi/iroko-v1.json is not what the code says; run `make openapi`");
    }

    #[test]
    fn every_operation_is_complete() {
        let document = document();
        for (name, operation) in operations(&document) {
            assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{name}: summary");
            assert!(operation["operationId"].is_string() && operation["tags"][0].is_string(), "{name}: id and tag");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{name}: {} is not described", parameter["name"]);
            }
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("500") && responses.contains_key("503"), "{name}: errors");
            if name.contains("/v1/") {
                assert!(responses.contains_key("401"), "{name}: 401");
            }
            assert!(responses.keys().any(|status| status.starts_with(['2', '3'])), "{name}: success");
            for (status, response) in responses {
                for (media, content) in response["content"].as_object().into_iter().flatten() {
                    assert!(content.get("schema").is_some(), "{name} {status} {media}: schema");
                }
            }
        }
    }

    #[test]
    fn every_body_has_an_example() {
        let document = document();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let is_part = ["Interface", "InterfaceCreate", "FieldError", "Amounts", "MyRole"].contains(&name.as_str())
                || name.starts_with("List_")
                || name.ends_with("List")
                || name == "BTreeMap";
            assert!(is_part || !schema["example"].is_null() || !schema["examples"].is_null(), "{name} has no example");
        }
    }
}
