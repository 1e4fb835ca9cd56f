//! Log-in by a real OpenID provider, which the tests start: both flows, and what must be refused.

use crate::session::{holds, text};
use crate::session_cookie::{OWN, ask, given};
use crate::world::{Answer, Api, fault};
use iroko_test_database::database;
use reqwest::{Client, Method, Url, redirect};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

const REDIRECT: &str = "http://localhost:9/login";

/// The provider, in a process of its own; it ends with its standard input.
struct Provider {
    issuer: String,
    client: Client,
    _process: Child,
}

impl Provider {
    /// `None` where its package is not installed.
    async fn start() -> Option<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc");
        if !dir.join("node_modules/oidc-provider").exists() {
            println!("skipped: the OpenID provider is not installed; run lab/install.sh test");
            return None;
        }
        let mut command = Command::new("node");
        command.arg("provider.mjs").current_dir(dir).kill_on_drop(true);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("the provider has ended");
            if let Some(port) = line.strip_prefix("port ") {
                break port.to_owned();
            }
        };
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Some(Self { issuer: format!("http://127.0.0.1:{port}"), client, _process: process })
    }

    async fn control(&self, wish: Value) {
        let request = self.client.post(format!("{}/control", self.issuer)).json(&wish);
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// The person who logs in from now on.
    async fn person(&self, name: &str, groups: &[&str]) {
        let claims = json!({"preferred_username": name, "groups": groups});
        self.control(json!({"person": format!("id-of-{name}"), "claims": claims})).await;
    }
}

/// A browser, as far as it matters: cookies, and redirects one by one.
struct Browser<'a> {
    provider: &'a Provider,
    cookies: HashMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(provider: &'a Provider) -> Self {
        Self { provider, cookies: HashMap::new() }
    }

    /// One request; where it leads to, and the page.
    async fn step(&mut self, url: &str, form: Option<&[(String, String)]>) -> (Option<Url>, String) {
        let request = match form {
            Some(form) => self.provider.client.post(url).form(form),
            None => self.provider.client.get(url),
        };
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let next = location.map(|to| answer.url().join(&to).unwrap());
        (next, answer.text().await.unwrap())
    }

    /// Follows redirects until the page of the portal, or one that shows something.
    async fn follow(&mut self, url: &str, form: Option<&[(String, String)]>) -> Result<Url, String> {
        let (mut next, mut page) = self.step(url, form).await;
        for _ in 0..10 {
            match next {
                None => return Err(page),
                Some(url) if url.as_str().starts_with(REDIRECT) => return Ok(url),
                Some(url) => (next, page) = self.step(url.as_str(), None).await,
            }
        }
        panic!("redirects go round: {page}");
    }
}

/// Hidden fields of the form on a page.
fn fields(page: &str) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split(&format!("{name}=\"")).nth(1)?;
        Some(rest.split('"').next()?.to_owned())
    };
    let inputs = page.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    inputs.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))).collect()
}

/// The API, a provider in its first organization, two groups of it.
struct World {
    api: Api,
    provider: Provider,
    organization: Uuid,
    id: String,
    groups: [Uuid; 2],
    settings: Value,
}

impl World {
    async fn start(connect: &PgConnectOptions) -> Option<Self> {
        let provider = Provider::start().await?;
        let change = |config: &mut iroko_api::config::Config| {
            config.auth.oidc_networks = vec!["127.0.0.0/8".parse().unwrap()];
            config.auth.oidc_plain_http = true;
        };
        let api = Api::start_with(connect, change).await;
        let organization: Uuid = sqlx::query_scalar("SELECT id FROM organization WHERE name = 'default'")
            .fetch_one(api.store.pool())
            .await
            .unwrap();
        let groups = [Uuid::now_v7(), Uuid::now_v7()];
        for (group, name) in groups.iter().zip(["admins", "staff"]) {
            let made = sqlx::query("INSERT INTO account_group (id, organization_id, name) VALUES ($1, $2, $3)");
            made.bind(group).bind(organization).bind(name).execute(api.store.pool()).await.unwrap();
        }
        let rule = |value: &str, group: Uuid| json!({"claim": "groups", "value": value, "group_id": group});
        let settings = json!({"name": "id", "issuer": provider.issuer, "client_id": "iroko",
            "client_secret": "a secret: of & theirs = + %", "scopes": ["profile", "groups"], "redirect_uris": [REDIRECT],
            "username_prefix": "dgi/", "rules": [rule("cloud-admins", groups[0]), rule("everybody", groups[1])]});
        let path = format!("/v1/organizations/{organization}/identity-providers");
        let made =
            api.call(Method::POST, &path, Some(&crate::api_key::owner(&api).await), Some(settings.clone())).await;
        let id = made.made();
        assert!(!made.text.contains("theirs"), "the secret is never shown: {}", made.text);
        Some(Self { api, provider, organization, id, groups, settings })
    }

    async fn set(&self, changes: Value) -> Answer {
        let mut settings = self.settings.clone();
        for (name, value) in changes.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let path = format!("/v1/organizations/{}/identity-providers/{}", self.organization, self.id);
        self.api.call(Method::PUT, &path, Some(&crate::api_key::owner(&self.api).await), Some(settings)).await
    }

    async fn post(&self, rest: &str, cookie: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.api.request(Method::POST, &format!("/v1/auth/oidc/{}/{rest}", self.id));
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("other=x; {cookie}"));
        }
        self.api.send(body.iter().fold(request, |request, body| request.json(body))).await
    }

    /// Where the browser is sent, and the cookie that it gets.
    async fn begin(&self) -> (Url, String) {
        let url = format!("http://{}/v1/auth/oidc/{}/start", self.api.listening.as_ref().unwrap().rest, self.id);
        let request = self.provider.client.get(url).query(&[("redirect_uri", REDIRECT)]);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let cookie = header("set-cookie");
        assert!(cookie.contains("; HttpOnly; SameSite=Lax") && cookie.contains("Path=/v1/auth/oidc;"), "{cookie}");
        (header("location").parse().unwrap(), cookie.split(';').next().unwrap().to_owned())
    }

    /// The person logs in at the provider; what the portal's page is called with.
    async fn log_in_at(&self, location: &Url) -> Value {
        let back = Browser::new(&self.provider).follow(location.as_str(), None).await;
        let back = back.unwrap_or_else(|page| panic!("the provider shows {page}"));
        let query: HashMap<_, _> = back.query_pairs().into_owned().collect();
        json!({"code": query["code"], "state": query["state"], "iss": query["iss"]})
    }

    /// A whole log-in in a browser.
    async fn log_in(&self) -> Answer {
        let (location, cookie) = self.begin().await;
        let body = self.log_in_at(&location).await;
        self.post("callback", Some(&cookie), Some(body)).await
    }

    async fn groups_of(&self, username: &str) -> Vec<Uuid> {
        let groups = "SELECT group_id FROM account_group_member m JOIN account a ON a.id = m.account_id
            WHERE username = $1 ORDER BY group_id";
        sqlx::query_scalar(groups).bind(username).fetch_all(self.api.store.pool()).await.unwrap()
    }
}

#[tokio::test]
async fn a_browser_logs_in_and_groups_follow_the_claims() {
    let (_database, connect) = database().await;
    let Some(world) = World::start(&connect).await else { return };
    world.provider.person("ama", &["cloud-admins", "everybody"]).await;
    let tokens = world.log_in().await.must(200);
    assert_eq!(holds(&world.api, &tokens).await, 200);
    assert_eq!(world.groups_of("dgi/ama").await, world.groups);
    let sessions = world.api.call(Method::GET, "/v1/auth/sessions", Some(text(&tokens, "access_token")), None).await;
    assert_eq!(text(&sessions.must(200)["items"][0], "method"), "oidc");
    // No password was ever made: none opens it, none can be set.
    let body = json!({"username": "dgi/ama", "password": "no password at all"});
    world.api.call(Method::POST, "/v1/auth/token", None, Some(body)).await.problem("unauthorized", 401);
    let body = json!({"current_password": "x", "new_password": "quite another phrase"});
    let token = Some(text(&tokens, "access_token"));
    world.api.call(Method::POST, "/v1/auth/password", token, Some(body)).await.problem("conflict", 409);

    // Put out of a group there, they are out of it here at the next log-in; other groups stay.
    let other = Uuid::now_v7();
    let own = "WITH made AS (INSERT INTO account_group (id, organization_id, name) VALUES ($1, $2, 'own') RETURNING id)
        INSERT INTO account_group_member (group_id, account_id) SELECT $1, id FROM account WHERE username = 'dgi/ama'";
    sqlx::query(own).bind(other).bind(world.organization).execute(world.api.store.pool()).await.unwrap();
    world.provider.person("ama", &["everybody"]).await;
    world.log_in().await.must(200);
    assert_eq!(world.groups_of("dgi/ama").await, [world.groups[1], other]);
    let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM account WHERE username LIKE 'dgi/%'")
        .fetch_one(world.api.store.pool())
        .await
        .unwrap();
    assert_eq!(accounts, 1, "the second log-in finds the account of the first");
    // The provider signs with a key that we have never seen.
    world.provider.control(json!({"rotate": true})).await;
    let rotated = crate::world::eventually("the new key is looked for", async || match world.log_in().await {
        answer if answer.status == 200 => Ok(answer.json()),
        answer => Err(answer.text),
    });
    assert_eq!(holds(&world.api, &rotated.await).await, 200);
}

#[tokio::test]
async fn a_browser_that_comes_back_gets_a_cookie() {
    let (_database, connect) = database().await;
    let Some(world) = World::start(&connect).await else { return };
    world.provider.person("ama", &["cloud-admins"]).await;
    let (location, flow) = world.begin().await;
    let body = world.log_in_at(&location).await;
    let path = format!("/v1/auth/oidc/{}/session", world.id);
    let post = async |fields: &[(&str, &str)]| {
        let fields = [fields, &[("cookie", &*flow)]].concat();
        ask(&world.api, None, Method::POST, &path, &fields, Some(body.clone())).await
    };
    post(&[]).await.problem("foreign-page", 403);
    let begun = post(&OWN).await;
    let session = begun.must(201);
    assert_eq!((text(&session, "method"), text(&session, "carrier")), ("oidc", "cookie"));
    let me = ask(&world.api, given(&begun).as_deref(), Method::GET, "/v1/auth/me", &[], None).await.must(200);
    assert_eq!(me["name"], "dgi/ama");
    post(&OWN).await.problem("unauthorized", 401);
}

#[tokio::test]
async fn what_was_not_begun_here_is_refused() {
    let (_database, connect) = database().await;
    let Some(world) = World::start(&connect).await else { return };
    world.provider.person("kofi", &[]).await;
    let (location, cookie) = world.begin().await;
    let body = world.log_in_at(&location).await;
    let with = |name: &str, value: &str| {
        let mut changed = body.clone();
        changed[name] = json!(value);
        changed
    };
    // Another state, another browser, no browser, another provider: the code stays unused.
    let (_, other) = world.begin().await;
    for (cookie, body) in [
        (Some(&*cookie), with("state", "other")),
        (Some(&other), body.clone()),
        (None, body.clone()),
        (Some("iroko_oidc=nonsense"), body.clone()),
        (Some(&cookie), with("iss", "https://other.example")),
        (Some(&cookie), with("code", "nonsense")),
    ] {
        world.post("callback", cookie, Some(body)).await.problem("unauthorized", 401);
    }
    world.post("callback", Some(&cookie), Some(body.clone())).await.must(200);
    world.post("callback", Some(&cookie), Some(body)).await.problem("unauthorized", 401);
    // A token that was asked for with another nonce.
    let (mut location, cookie) = world.begin().await;
    let pairs: Vec<_> = location.query_pairs().into_owned().filter(|(name, _)| name != "nonce").collect();
    location.query_pairs_mut().clear().extend_pairs(pairs).append_pair("nonce", "other");
    let body = world.log_in_at(&location).await;
    world.post("callback", Some(&cookie), Some(body)).await.problem("unauthorized", 401);
    // Too late.
    let (location, cookie) = world.begin().await;
    let body = world.log_in_at(&location).await;
    world.api.app().identity.credentials.clock.advance(time::Duration::minutes(10));
    world.post("callback", Some(&cookie), Some(body)).await.problem("unauthorized", 401);
    // A page that the owner has not named.
    let path = format!("/v1/auth/oidc/{}/start?redirect_uri=https://evil.example/", world.id);
    let answer = world.api.call(Method::GET, &path, None, None).await;
    assert_eq!(answer.fault(), fault("redirect_uri", "redirect_unknown"));
}

#[tokio::test]
async fn the_owner_says_who_may_log_in() {
    let (_database, connect) = database().await;
    let Some(world) = World::start(&connect).await else { return };
    world.provider.person("ama", &["everybody"]).await;
    world.set(json!({"rule_required": true, "client_secret": null})).await.must(200);
    world.log_in().await.must(200);
    world.provider.person("yao", &["nothing that counts"]).await;
    world.log_in().await.problem("unauthorized", 401);
    // A name that somebody has is nobody else's.
    world.provider.person("admin", &["everybody"]).await;
    world.set(json!({"username_prefix": ""})).await.must(200);
    world.log_in().await.problem("conflict", 409);
    world.provider.person("ama", &["everybody"]).await;
    sqlx::query("UPDATE account SET disabled_at = now() WHERE username = 'dgi/ama'")
        .execute(world.api.store.pool())
        .await
        .unwrap();
    world.log_in().await.problem("unauthorized", 401);
    let path = format!("/v1/organizations/{}/identity-providers/{}", world.organization, world.id);
    world
        .api
        .call(Method::DELETE, &path, Some(&crate::api_key::owner(&world.api).await), None)
        .await
        .problem("conflict", 409);
    world.set(json!({"is_disabled": true})).await.must(200);
    world.post("device", None, None).await.problem("not-found", 404);
    let stranger = json!([{"claim": "groups", "value": "x", "group_id": Uuid::now_v7()}]);
    assert_eq!(world.set(json!({"rules": stranger})).await.fault(), fault("/rules/0/group_id", "reference_not_found"));
}

#[tokio::test]
async fn a_device_logs_in() {
    let (_database, connect) = database().await;
    let Some(world) = World::start(&connect).await else { return };
    world.provider.person("afi", &["cloud-admins"]).await;
    let begun = world.post("device", None, None).await.must(200);
    let ask =
        async || world.post("device/token", None, Some(json!({"device_token": text(&begun, "device_token")}))).await;
    let pending = ask().await;
    pending.problem("authorization-pending", 400);
    assert_eq!(pending.headers["retry-after"], begun["interval_s"].to_string());
    // The person types the code, agrees and logs in.
    let mut browser = Browser::new(&world.provider);
    let page = browser.follow(text(&begun, "verification_uri_complete"), None).await.unwrap_err();
    let form = fields(&page);
    let verify = text(&begun, "verification_uri");
    let page = browser.follow(verify, Some(&form)).await.unwrap_err();
    let form = fields(&page);
    assert!(form.contains(&("confirm".to_owned(), "yes".to_owned())), "{page}");
    let page = browser.follow(verify, Some(&form)).await.unwrap_err();
    let tokens = ask().await;
    assert_eq!(tokens.status, 200, "{} after {page}", tokens.text);
    assert_eq!(holds(&world.api, &tokens.json()).await, 200);
    assert_eq!(world.groups_of("dgi/afi").await, [world.groups[0]]);
    ask().await.problem("unauthorized", 401);
    let nonsense = json!({"device_token": "nonsense"});
    world.post("device/token", None, Some(nonsense)).await.problem("unauthorized", 401);
}

#[tokio::test]
async fn private_addresses_are_not_asked() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let organization: Uuid = sqlx::query_scalar("SELECT id FROM organization WHERE name = 'default'")
        .fetch_one(api.store.pool())
        .await
        .unwrap();
    let path = format!("/v1/organizations/{organization}/identity-providers");
    let create = async |issuer: &str| {
        let body = json!({"name": issuer, "issuer": issuer, "client_id": "x"});
        api.call(Method::POST, &path, Some(&crate::api_key::owner(&api).await), Some(body)).await
    };
    for issuer in ["http://id.example", "https://169.254.169.254", "https://10.0.0.1/x", "https://[::1]/", "nonsense"] {
        assert_eq!(create(issuer).await.fault(), fault("/issuer", "issuer_form"), "{issuer}");
    }
    // A name is known by its address only when it is asked.
    let id = create("https://localhost").await.made();
    api.call(Method::POST, &format!("/v1/auth/oidc/{id}/device"), None, None).await.problem("conflict", 409);
}

/// Whoever runs a provider can be anybody it vouches for, in any group its rules name.
#[tokio::test]
async fn a_provider_gives_nothing_that_its_owner_has_not() {
    let (_database, connect) = database().await;
    let Some(world) = World::start(&connect).await else { return };
    world.provider.person("ama", &["everybody"]).await;
    world.log_in().await.must(200);
    let pool = world.api.store.pool();
    let bind = async |group: Uuid| {
        let made = "INSERT INTO role_binding (id, group_id, role, scope) VALUES ($1, $1, 'operator', 'system')";
        sqlx::query(made).bind(group).execute(pool).await.unwrap();
    };
    // A group that no rule names may have more than the owner; not so one that a rule shall name.
    let operators = Uuid::now_v7();
    let made = "INSERT INTO account_group (id, organization_id, name) VALUES ($1, $2, 'operators')";
    sqlx::query(made).bind(operators).bind(world.organization).execute(pool).await.unwrap();
    bind(operators).await;
    world.set(json!({"scopes": ["profile"]})).await.must(200);
    let rules = json!({"rules": [{"claim": "groups", "value": "x", "group_id": operators}]});
    let refused = world.set(rules.clone()).await.problem("forbidden", 403);
    assert!(refused["detail"].as_str().unwrap().contains("role_binding.create"), "{refused}");
    let path = format!("/v1/organizations/{}/identity-providers", world.organization);
    let mut second = world.settings.clone();
    (second["name"], second["rules"]) = (json!("second"), rules["rules"].clone());
    let owner = crate::api_key::owner(&world.api).await;
    world.api.call(Method::POST, &path, Some(&owner), Some(second)).await.problem("forbidden", 403);
    // Nor may the owner change the provider of people who have more.
    bind(world.groups[1]).await;
    world.set(json!({"rules": []})).await.problem("forbidden", 403);
}

#[tokio::test]
async fn a_portal_lists_the_providers_of_an_organization() {
    let (_database, connect) = database().await;
    let Some(world) = World::start(&connect).await else { return };
    let offered = async |organization: Uuid| {
        let path = format!("/v1/auth/oidc?organization_id={organization}");
        world.api.call(Method::GET, &path, None, None).await.must(200)
    };
    assert_eq!(offered(world.organization).await, json!({"items": [{"id": world.id, "name": "id"}]}));
    assert_eq!(offered(Uuid::now_v7()).await, json!({"items": []}));
    world.set(json!({"is_disabled": true})).await.must(200);
    assert_eq!(offered(world.organization).await, json!({"items": []}));
    let missing = world.api.call(Method::GET, "/v1/auth/oidc", None, None).await;
    assert_eq!(missing.fault(), crate::world::fault("organization_id", "field_missing"));
}
