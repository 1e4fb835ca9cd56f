//! Who gets onto the link: tokens, certificates, and the wrong ones of both.

use super::world::{Agent, config, enrol, session, token, url};
use crate::world::Api;
use iroko_agent_hub::authority::Authority;
use iroko_agent_link::{Identity, IdentityError, Link, LinkError};
use iroko_agent_wire::AgentKind::{self, Compute, Net};
use iroko_store::host;
use iroko_test_database::database;
use reqwest::{Certificate, Client, Method};
use serde_json::json;
use std::path::Path;

async fn refused(api: &Api, kind: AgentKind, host_name: &str, token: &str) -> String {
    match Identity::enrol(&config(api, host_name, Path::new("/nowhere"), Some(token.to_owned())), kind).await {
        Err(IdentityError::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_admits_each_agent_of_one_host_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let token = token(&api, Some("host-1")).await;
    assert!(refused(&api, Net, "host-2", &token).await.contains("another name"));
    assert!(refused(&api, Net, "Host 1", &token).await.contains("host_name_form"));
    // The answer is lost: the agent asks again before its first session, with a new key.
    let lost = enrol(&api, Net, "host-1", &token).await;
    let agent = Agent::enrolled(&api, Net, "host-1", &token, "192.0.2.1").await;
    assert_eq!(lost.host_id, agent.host());
    let old = Link::new(&url(&api), Net, &lost).unwrap();
    assert!(matches!(old.session(&session(Net, "192.0.2.1")).await, Err(LinkError::Refused)));
    assert!(refused(&api, Net, "host-1", &token).await.contains("already enrolled"));
    let compute = Agent::enrolled(&api, Compute, "host-1", &token, "192.0.2.1").await;
    assert_eq!(compute.host(), agent.host());
    let hosts = api.system(Method::GET, "hosts", None).await.must(200);
    assert_eq!(hosts["items"].as_array().unwrap().len(), 1);
    let unknown = format!("iroko-enrol-AAAA-{}", api.app().agents.authority().fingerprint());
    assert!(refused(&api, Net, "host-1", &unknown).await.contains("unknown or has expired"));
    let open = super::world::token(&api, None).await;
    assert!(refused(&api, Net, "host-1", &open).await.contains("another host has this name"));
    let ended = format!("iroko-enrol-BBBB-{}", api.app().agents.authority().fingerprint());
    let mut conn = api.store.connection().await.unwrap();
    let hash = iroko_agent_hub::token_hash(&ended);
    host::enrolment_token_insert(&mut conn, &hash, None, 0.0).await.unwrap();
    assert!(refused(&api, Net, "host-3", &ended).await.contains("expired"));
}

#[tokio::test]
async fn the_authority_is_checked_before_the_secret_is_said() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let right = token(&api, None).await;
    let elsewhere = Authority::load(tempfile::tempdir().unwrap().path()).unwrap();
    let foreign = right.replace(api.app().agents.authority().fingerprint(), elsewhere.fingerprint());
    let answer = Identity::enrol(&config(&api, "host-1", Path::new("/nowhere"), Some(foreign)), Net).await;
    assert!(matches!(answer, Err(IdentityError::Unreachable(_))), "{answer:?}");
    let tokens = api.system(Method::GET, "enrolment-tokens", None).await.must(200);
    assert_eq!(tokens["items"][0]["used_by"], json!([]));
    enrol(&api, Net, "host-1", &right).await;
    let one = format!("enrolment-tokens/{}", tokens["items"][0]["id"].as_str().unwrap());
    let shown = api.system(Method::GET, &one, None).await;
    assert!(!shown.text.contains(&right), "without its secret: {}", shown.text);
    assert_eq!(shown.must(200)["used_by"], json!(["net"]));
}

#[tokio::test]
async fn without_a_certificate_there_is_only_enrolment() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let authority = Certificate::from_pem(api.app().agents.authority().certificate_pem().as_bytes()).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let agent = Agent::pair(&api, "host-1", "192.0.2.1").await.1;
    let report = json!({"agent": "net", "incarnation": 1, "sequence": 1});
    let calls = [
        (Method::GET, "desired?agent=net", None),
        (Method::GET, "images/0198c0de-0000-7000-8000-000000000004", None),
        (Method::POST, "session", Some(json!({"agent": "net", "version": "x"}))),
        (Method::POST, "report", Some(report)),
        (Method::POST, "renew", Some(json!({"csr_pem": "x"}))),
    ];
    for (method, path, body) in calls {
        let request = client.request(method, format!("{}/agent/v1/{path}", url(&api)));
        let request = body.iter().fold(request, |request, body| request.json(body));
        assert_eq!(request.send().await.unwrap().status(), 401, "{path}");
    }
    // Nothing of the REST API is here, and nothing of the link is there.
    let answer = client.get(format!("{}/v1/projects", url(&api))).bearer_auth(&api.member).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    api.call(Method::GET, "/agent/v1/desired?agent=net", Some(&api.operator), None).await.problem("not-found", 404);
    // A certificate of the host's other agent does not speak for this one.
    let as_compute = Link::new(&url(&api), Compute, &agent.identity).unwrap();
    assert!(matches!(as_compute.desired("").await, Err(LinkError::Refused)));
    assert!(matches!(as_compute.session(&session(Compute, "192.0.2.1")).await, Err(LinkError::Refused)));
}

#[tokio::test]
async fn certificates_of_another_authority_are_worth_nothing() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let agent = Agent::pair(&api, "host-1", "192.0.2.1").await.1;
    let elsewhere = Authority::load(tempfile::tempdir().unwrap().path()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let issued = elsewhere.sign(&csr, agent.host(), Net, 1).unwrap();
    let forged = Identity { certificate_pem: issued.certificate_pem, key_pem: key.serialize_pem(), ..agent.identity };
    let link = Link::new(&url(&api), Net, &forged).unwrap();
    assert!(matches!(link.desired("").await, Err(LinkError::Unreachable(_))), "TLS refuses it");
    // Of the right authority, but with a serial number that was never issued to the agent.
    let issued = api.app().agents.authority().sign(&csr, agent.identity.host_id, Net, 1).unwrap();
    let stray = Identity { certificate_pem: issued.certificate_pem, ..forged };
    let link = Link::new(&url(&api), Net, &stray).unwrap();
    assert!(matches!(link.desired("").await, Err(LinkError::Refused)));
}

#[tokio::test]
async fn a_deleted_host_is_refused_at_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    compute.link.desired("").await.unwrap();
    api.system(Method::DELETE, &format!("hosts/{}", net.host()), None).await.must(204);
    // On connections that were open before, too.
    assert!(matches!(compute.link.desired("").await, Err(LinkError::Refused)));
    assert!(matches!(net.link.session(&session(Net, "192.0.2.1")).await, Err(LinkError::Refused)));
    assert!(matches!(net.link.renew(&net.identity, "host-1").await, Err(LinkError::Refused)));
}

#[tokio::test]
async fn renewal_keeps_the_old_certificate_until_the_new_one_is_used() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let agent = Agent::pair(&api, "host-1", "192.0.2.1").await.1;
    let lost = agent.link.renew(&agent.identity, "host-1").await.unwrap();
    let new = agent.link.renew(&agent.identity, "host-1").await.unwrap();
    assert_ne!(new.key_pem, agent.identity.key_pem, "the key is new, too");
    agent.link.desired("").await.expect("the old one holds: the answers may be lost");
    let renewed = Link::new(&url(&api), Net, &new).unwrap();
    renewed.desired("").await.unwrap();
    assert!(matches!(agent.link.desired("").await, Err(LinkError::Refused)), "the new one was used");
    let lost = Link::new(&url(&api), Net, &lost).unwrap();
    assert!(matches!(lost.desired("").await, Err(LinkError::Refused)));
    renewed.desired("").await.unwrap();
}
