//! What the tests stand on: an API that listens, people who have logged in, and short words for calls.

use iroko_agent_hub::config::{AgentLinkConfig, HostCeiling};
use iroko_api::config::{Config, EventConfig, ImageConfig, NetworkConfig};
use iroko_api::server::{Listening, serve};
use iroko_identity::auth::config::{AuthConfig, BootstrapConfig};
use iroko_identity::auth::token::{Claims, ISSUER};
use iroko_identity::layers::rate::RateConfig;
use iroko_model::{Description, InstanceId, Labels, Name, Naming, OrganizationId, ProjectId, Role, Username};
use iroko_store::account::{self, Account};
use iroko_store::authority::{Scope, Subject};
use iroko_store::role_binding::{Holder, RoleRef, role_binding_insert};
use iroko_store::session::{NewSession, session_begin};
use iroko_store::user::NewUser;
use iroko_store::{Filter, PageQuery, Store, Tx, organization, project, user};
use iroko_web::connection::ConnectionConfig;
use iroko_web::problem::Rule;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub const PASSWORD: &str = "a long pass phrase";
/// Where browsers find the API.
pub const ORIGIN: &str = "https://cloud.example";
/// Longest wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ama@lome";

/// An API of its own, in this process.
pub struct Api {
    pub listening: Option<Listening>,
    pub store: Store,
    /// The first organization and its project.
    pub organization: OrganizationId,
    pub project: ProjectId,
    /// A second project, of another organization.
    pub other_organization: OrganizationId,
    pub other: ProjectId,
    /// Tokens: a member of the first project, a member of the second, an operator who is in neither.
    pub member: String,
    pub stranger: String,
    pub operator: String,
    config: Config,
    url: String,
    client: Client,
    shutdown: CancellationToken,
    dir: Arc<TempDir>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn must(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The id of what was made.
    #[track_caller]
    pub fn made(&self) -> String {
        self.must(201)["id"].as_str().unwrap().to_owned()
    }

    /// Every refusal that a test meets can be told in French, and none is in the words of a parser.
    fn has_french(&self) {
        if self.headers.get("content-type").is_none_or(|kind| kind != "application/problem+json")
            || self.headers["content-language"] != "en"
        {
            return;
        }
        for word in [" at line ", "untagged", "invalid type", "expected struct", "expected u", "ParseIntError"] {
            assert!(!self.text.contains(word) || self.text.contains("look at line"), "a parser's words: {}", self.text);
        }
        let body = self.json();
        let rule = Rule::ALL.iter().find(|rule| body["rule"] == rule.name());
        let rule = rule.unwrap_or_else(|| panic!("{} is no rule", body["rule"]));
        assert_eq!(body["type"], format!("/problems/{}", rule.kind().row().0), "{}", self.text);
        assert!(body["retryable"] == true || !rule.is_retryable(), "{}", self.text);
        let faults = body["errors"].as_array().into_iter().flatten();
        for english in faults.map(|fault| &fault["detail"]).chain([&body["detail"]]).filter_map(Value::as_str) {
            assert!(iroko_web::locale::french(english).is_some(), "web/src/locale/fr.po has no French for: {english}");
        }
    }

    /// Checks that this is a problem of the kind, and returns it.
    #[track_caller]
    pub fn problem(&self, slug: &str, status: u16) -> Value {
        let body = self.must(status);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(body["type"], format!("/problems/{slug}"), "{}", self.text);
        assert_eq!(body["status"], status);
        assert_eq!(body["request_id"].as_str(), self.headers["x-request-id"].to_str().ok());
        body
    }

    /// Pointers and rules of a 422.
    #[track_caller]
    pub fn faults(&self) -> Vec<(String, String)> {
        let body = self.problem("invalid", 422);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut faults: Vec<_> =
            body["errors"].as_array().unwrap().iter().map(|e| (text(&e["pointer"]), text(&e["rule"]))).collect();
        faults.sort();
        faults
    }

    /// As [`Self::faults`], for exactly one.
    #[track_caller]
    pub fn fault(&self) -> (String, String) {
        let faults = self.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    }
}

/// A pair to compare a fault with.
pub fn fault(pointer: &str, rule: &str) -> (String, String) {
    (pointer.to_owned(), rule.to_owned())
}

impl Api {
    pub async fn start(connect: &PgConnectOptions) -> Self {
        Self::start_with(connect, |_| {}).await
    }

    pub async fn start_with(connect: &PgConnectOptions, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(connect, dir.path().to_owned());
        change(&mut config);
        let store = connected(&config).await;
        let shutdown = CancellationToken::new();
        let listening = serve(config.clone(), store.clone(), shutdown.clone()).await.unwrap();
        // A process that starts again listens where it did.
        (config.listen, config.agent_link.listen) = (listening.rest, listening.agents);
        let mut tx = store.begin().await.unwrap();
        let ama = account::account_by_username(&mut tx, "admin").await.unwrap().unwrap();
        let project = first_project(&mut tx, &ama).await;
        let (other_organization, other) = second_project(&mut tx).await;
        let organization = ama.organization_id;
        let mut token = async |username: &str, organization, role, scope| {
            let account = person(&mut tx, username, organization, "no password").await;
            bind(&mut tx, &account, role, scope).await;
            issue(&listening.app, &mut tx, &account, Duration::ZERO).await
        };
        let member = token("member", organization, Role::Member, Scope::Project(project)).await;
        let stranger = token("stranger", other_organization, Role::Member, Scope::Project(other)).await;
        let operator = token("operator", organization, Role::Operator, Scope::System).await;
        person(&mut tx, "kofi", other_organization, "no password").await;
        store.commit(tx).await.unwrap();
        Self {
            member,
            stranger,
            operator,
            organization,
            other_organization,
            url: format!("http://{}", listening.rest),
            listening: Some(listening),
            store,
            project,
            other,
            config,
            client: Client::builder().no_proxy().build().unwrap(),
            shutdown,
            dir: Arc::new(dir),
        }
    }

    /// Another process over the same database and state.
    pub async fn twin(&self) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = self.config.clone();
        (config.listen, config.agent_link.listen) = (anywhere, anywhere);
        let (store, shutdown) = (connected(&config).await, CancellationToken::new());
        let listening = serve(config.clone(), store.clone(), shutdown.clone()).await.unwrap();
        (config.listen, config.agent_link.listen) = (listening.rest, listening.agents);
        Self {
            member: self.member.clone(),
            stranger: self.stranger.clone(),
            operator: self.operator.clone(),
            organization: self.organization,
            other_organization: self.other_organization,
            url: format!("http://{}", listening.rest),
            listening: Some(listening),
            store,
            project: self.project,
            other: self.other,
            config,
            client: self.client.clone(),
            shutdown,
            dir: self.dir.clone(),
        }
    }

    /// Ends the process as SIGTERM would, and waits until it has.
    pub async fn stop(&mut self) {
        self.shutdown.cancel();
        let Some(listening) = self.listening.take() else { return };
        let ended = tokio::time::timeout(PATIENCE, listening.task).await;
        ended.expect("the API did not end").unwrap().unwrap();
    }

    /// Starts it again, over the same database and state.
    pub async fn start_again(&mut self) {
        self.shutdown = CancellationToken::new();
        self.store = connected(&self.config).await;
        self.listening = Some(serve(self.config.clone(), self.store.clone(), self.shutdown.clone()).await.unwrap());
    }

    pub fn app(&self) -> &iroko_api::App {
        &self.listening.as_ref().expect("it runs").app
    }

    pub fn listening(&self) -> &Listening {
        self.listening.as_ref().expect("it runs")
    }

    /// What monitoring reads.
    pub async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.listening().metrics.expect("configured"));
        let answer = self.client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }

    pub fn agents(&self) -> SocketAddr {
        self.config.agent_link.listen
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let answer = Answer { status, headers, text: answer.text().await.unwrap() };
        answer.has_french();
        answer
    }

    pub async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request).await
    }

    /// A path of the first project.
    pub fn at(&self, path: &str) -> String {
        format!("/v1/projects/{}/{path}", self.project)
    }

    /// Calls as the member, in the first project.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, &self.at(path), Some(&self.member), None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, &self.at(path), Some(&self.member), Some(body)).await
    }

    /// A call without body, such as `instances/ID/stop`.
    pub async fn act(&self, path: &str) -> Answer {
        self.call(Method::POST, &self.at(path), Some(&self.member), None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, &self.at(path), Some(&self.member), None).await
    }

    /// Makes somebody with a role, and logs them in.
    pub async fn token(&self, username: &str, organization: OrganizationId, role: Role, scope: Scope) -> String {
        let mut tx = self.store.begin().await.unwrap();
        let account = person(&mut tx, username, organization, "no password").await;
        bind(&mut tx, &account, role, scope).await;
        let token = issue(self.app(), &mut tx, &account, Duration::ZERO).await;
        self.store.commit(tx).await.unwrap();
        token
    }

    /// Calls as the operator.
    pub async fn system(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call(method, &format!("/v1/system/{path}"), Some(&self.operator), body).await
    }

    pub async fn upload(&self, image: &str, bytes: impl Into<reqwest::Body>) -> Answer {
        let path = self.at(&format!("images/{image}/file"));
        self.send(self.request(Method::PUT, &path).bearer_auth(&self.member).body(bytes)).await
    }

    /// A flavor of 1 vCPU, 64 MiB and 1 GiB.
    pub async fn flavor(&self, name: &str) -> String {
        let body = json!({"name": name, "vcpus": 1, "memory_mib": 64, "disk_gib": 1});
        self.system(Method::POST, "flavors", Some(body)).await.made()
    }

    /// An image whose bytes are there.
    pub async fn image(&self) -> String {
        let id = self.post("images", json!({"name": "tiny", "disk_format": "raw"})).await.made();
        self.upload(&id, vec![7u8; 4096]).await.must(200);
        id
    }

    /// A network with one subnet of the range.
    pub async fn network(&self, cidr: &str) -> String {
        let id = self.post("networks", json!({"name": "net"})).await.made();
        self.post("subnets", json!({"network_id": id, "name": "sub", "cidr": cidr})).await.made();
        id
    }

    /// What [`Self::instance`] needs.
    pub async fn ground(&self, cidr: &str) -> Ground {
        Ground { flavor: self.flavor("tiny").await, image: self.image().await, network: self.network(cidr).await }
    }

    pub async fn instance(&self, ground: &Ground) -> InstanceId {
        self.post("instances", ground.request("vm")).await.made().parse().unwrap()
    }
}

impl Drop for Api {
    /// Ends the process and its sessions with the database, so that the database can be dropped.
    fn drop(&mut self) {
        self.shutdown.cancel();
        let url = self.config.database_url.clone();
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(end_sessions(&url)).map_err(std::io::Error::other)
        });
        match ended.join() {
            Ok(Ok(())) => {}
            other => eprintln!("the test's sessions were not ended: {other:?}"),
        }
    }
}

async fn end_sessions(url: &str) -> Result<(), sqlx::Error> {
    let mut conn = PgConnectOptions::from_str(url)?.connect().await?;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(others).execute(&mut conn).await?;
    conn.close().await
}

/// Flavor, image and network of instances.
pub struct Ground {
    pub flavor: String,
    pub image: String,
    pub network: String,
}

impl Ground {
    /// A request for an instance with one interface.
    pub fn request(&self, name: &str) -> Value {
        json!({"name": name, "flavor_id": self.flavor, "image_id": self.image,
            "interfaces": [{"network_id": self.network}]})
    }
}

fn config(connect: &PgConnectOptions, state_dir: PathBuf) -> Config {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        listen: anywhere,
        metrics_listen: Some(anywhere),
        database_url: connect.to_url_lossy().to_string(),
        database_connections: 12,
        state_dir,
        agent_link: AgentLinkConfig {
            listen: anywhere,
            names: vec!["127.0.0.1".into()],
            lease_s: 20,
            certificate_days: 30,
            connection: ConnectionConfig::of_agents(),
            host_most: HostCeiling::default(),
        },
        bootstrap: BootstrapConfig {
            organization: "default".into(),
            project: "default".into(),
            username: "admin".into(),
            password: PASSWORD.into(),
        },
        auth: AuthConfig { cookie_origins: vec![ORIGIN.into()], ..AuthConfig::default() },
        rate: RateConfig {
            caller_per_minute: 1_000_000,
            address_per_minute: 1_000_000,
            refusals_recorded_per_minute: 1_000_000,
        },
        audit_log_name: "iroko/test".into(),
        network: NetworkConfig::default(),
        image: ImageConfig::default(),
        event: EventConfig::default(),
        connection: ConnectionConfig::default(),
    }
}

async fn connected(config: &Config) -> Store {
    Store::connect(&config.database_url, config.database_connections).await.unwrap()
}

async fn first_project(tx: &mut Tx, account: &Account) -> ProjectId {
    let page = PageQuery { limit: 1, after: None };
    let found = project::project_list_of(tx, Subject::User(account.id), page, &Filter::default()).await.unwrap();
    found.items[0].common.id
}

async fn second_project(tx: &mut Tx) -> (OrganizationId, ProjectId) {
    let naming = naming("second");
    let organization = organization::organization_insert(tx, None, &naming).await.unwrap().common.id;
    (organization, project::project_insert(tx, organization, &naming).await.unwrap().common.id)
}

/// What is written on something of this name.
pub fn naming(name: &str) -> Naming {
    Naming { name: Name::try_from(name).unwrap(), description: Description::default(), labels: Labels::default() }
}

/// Somebody without roles.
pub async fn person(tx: &mut Tx, username: &str, organization_id: OrganizationId, hash: &str) -> Account {
    let name = Username::try_from(username.to_owned()).unwrap();
    let new = NewUser {
        organization_id,
        username: &name,
        description: &Description::default(),
        password_hash: hash,
        labels: &Labels::default(),
    };
    let row = user::user_insert(tx, &new).await.unwrap();
    Account { id: row.common.id, organization_id, username: username.to_owned() }
}

/// An access token of a new session, without the time that a password takes, as of `ago`.
pub async fn issue(app: &iroko_api::App, tx: &mut Tx, account: &Account, ago: Duration) -> String {
    let now = app.identity.credentials.clock.now();
    let session = NewSession {
        account_id: account.id,
        method: "password",
        carrier: "token",
        source: [127, 0, 0, 1].into(),
        user_agent: None,
        now,
        idle_expires_at: now + time::Duration::days(1),
        expires_at: now + time::Duration::days(1),
    };
    let sid = session_begin(tx, &session, uuid::Uuid::now_v7().as_bytes()).await.unwrap().id;
    let iat = (now - ago).unix_timestamp();
    let (iss, username) = (ISSUER.to_owned(), account.username.clone());
    let claims = Claims { iss, sub: account.id, sid, username, org: account.organization_id, iat, exp: iat + 900 };
    app.identity.credentials.ring().issue(&claims).unwrap()
}

/// Gives somebody a role.
pub async fn bind(tx: &mut Tx, account: &Account, role: Role, scope: Scope) {
    let holder = Holder::User(account.id.as_uuid());
    role_binding_insert(tx, holder, RoleRef::BuiltIn(role), scope).await.unwrap().unwrap();
}

/// Waits until `look` says something, bounded; prints what was last seen.
pub async fn eventually<T, F: Future<Output = Result<T, String>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < until, "{what}: last seen {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A header with this value, for comparisons.
pub fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}
