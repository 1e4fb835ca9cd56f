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
            Log in with `POST /v1/auth/token` and send the token as `Authorization: Bearer TOKEN`; a page in a browser logs in with \
            `POST /v1/auth/sessions` and holds a cookie instead. Errors are RFC 9457 problems; \
            their `type` is a path of this API that explains it. Lists come in pages: send `next_cursor` back as `cursor`. \
            What takes long appears at once and shows how far it is in `status` and `status_reason`."),
    servers((url = "/", description = "The service that gave this document")),
    tags(
        (name = "Service", description = "Whether the service lives and is ready, its public keys, and what each kind of problem means."),
        (name = "Log-in", description = "Tokens, sessions, passwords and the second factor of the person who calls."),
        (name = "Identity providers", description = "OpenID Connect providers by which the people of an organization log in."),
        (name = "Signing keys", description = "Keys that sign the access tokens of this cloud; for operators."),
        (name = "Organizations", description = "Customers, one below another. An organization owns projects and people."),
        (name = "Projects", description = "What instances and networks belong to. A project belongs to an organization."),
        (name = "Users", description = "People of an organization, who log in with a password or by an identity provider."),
        (name = "Groups", description = "Groups of users; a role that is given to a group is a role of each member."),
        (name = "Service accounts", description = "Programs of an organization, which call with API keys."),
        (name = "Roles", description = "Sets of permissions, built-in or an organization's own, and to whom they are given where."),
        (name = "Quotas", description = "How much an organization or a project may have, and how much it has."),
        (name = "Audit", description = "Who did what and when, in a log that can be verified."),
        (name = "Events", description = "What happens to the things of a project, as a stream."),
        (name = "Flavors", description = "Sizes of instances: processors, memory, disk and network limits."),
        (name = "Images", description = "Disks that instances start from."),
        (name = "SSH keys", description = "Public keys that instances let in."),
        (name = "Instances", description = "Virtual machines: their life, their console and the actions on them."),
        (name = "Networks", description = "Private networks of a project, each a layer 2 segment of its own."),
        (name = "Subnets", description = "Ranges of addresses of a network, with DHCP and DNS."),
        (name = "Ports", description = "Where an instance is attached to a network: addresses, security groups, statistics and connection log."),
        (name = "Security groups", description = "Which packets ports let in and out."),
        (name = "Address sets", description = "Named ranges of addresses that rules of security groups refer to."),
        (name = "QoS policies", description = "How much ports may carry."),
        (name = "Hosts", description = "Computers that instances run on, their enrolment and what was found on them; for operators.")),
    security(("bearer" = []), ("session_cookie" = [], "own_page" = [])),
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
    use std::collections::BTreeSet;
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
                || name.ends_with("List");
            assert!(is_part || !schema["example"].is_null() || !schema["examples"].is_null(), "{name} has no example");
        }
    }

    #[test]
    fn each_tag_says_what_it_is() {
        let document = document();
        let told: BTreeSet<&str> =
            document["tags"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
        let operations = operations(&document);
        let used: BTreeSet<&str> = operations.iter().filter_map(|(_, op)| op["tags"][0].as_str()).collect();
        assert_eq!(told, used);
        assert_eq!(document["servers"][0]["url"], "/");
    }

    /// Fields that are words by their name, in schemas and in queries.
    const WORDS: [&str; 16] = [
        "status",
        "state",
        "kind",
        "verb",
        "method",
        "direction",
        "verdict",
        "verdicts",
        "reason",
        "outcome",
        "role",
        "permissions",
        "disk_format",
        "architecture",
        "on_guest_shutdown",
        "token_type",
    ];
    /// Words that are numbers or another's: the status of HTTP, a secret of OpenID Connect.
    const OTHER: [(&str, &str); 2] = [("ProblemBody", "status"), ("OidcCallback", "state")];

    #[test]
    fn what_is_one_of_several_words_is_an_enumeration() {
        let document = document();
        let mut found = 0;
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                let is_word = WORDS.contains(&&**field) || field == "ethertype" && schema["type"] == "string";
                if is_word && !OTHER.contains(&(name, field)) {
                    assert!(has_words(&document, schema), "{name}.{field} is not an enumeration: {schema}");
                    found += 1;
                }
            }
        }
        for (name, operation) in operations(&document) {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "query" && parameter["name"].as_str().is_some_and(|name| WORDS.contains(&name)) {
                    assert!(has_words(&document, &parameter["schema"]), "{name}: {parameter}");
                    found += 1;
                }
            }
        }
        assert!(found > 35, "{found} fields only");
    }

    /// True where a schema, or that of its items, lists words.
    fn has_words(document: &Value, schema: &Value) -> bool {
        let named = schema["$ref"].as_str().and_then(|to| document.pointer(to.trim_start_matches('#')));
        let schema = named.unwrap_or(schema);
        let any = |schemas: &Value| schemas.as_array().is_some_and(|all| all.iter().any(|s| has_words(document, s)));
        schema["enum"].is_array()
            || schema["items"].is_object() && has_words(document, &schema["items"])
            || any(&schema["oneOf"])
    }

    #[test]
    fn names_of_schemas_are_of_the_field() {
        let document = document();
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()) && name != "BTreeMap", "{name}");
        }
    }
}
