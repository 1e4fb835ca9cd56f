//! The ground of the authorisation test: everybody, and one of each noun for each of them to ask for.

use super::Target;
use crate::world::{Api, KEY, bind, issue, naming, person};
use iroko_model::{OrganizationId, Permission, Permissions, ProjectId, Role};
use iroko_store::authority::Scope;
use iroko_store::role_binding::{Holder, RoleRef, role_binding_insert};
use iroko_store::service_account::service_account_insert;
use iroko_store::{custom_role, organization, project};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// Where somebody's role is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    System,
    Organization,
    Project,
}

/// Somebody with one role.
pub struct Somebody {
    pub name: &'static str,
    /// As in the table.
    pub role: &'static str,
    pub bound: Bound,
    /// An access token, or the API key of a service account.
    pub token: String,
    pub is_program: bool,
}

const PEOPLE: [(&str, &str, Bound); 8] = [
    ("operator", "operator", Bound::System),
    ("overseer", "auditor", Bound::System),
    ("owner", "owner", Bound::Organization),
    ("admin", "admin", Bound::Organization),
    ("auditor", "auditor", Bound::Organization),
    ("member", "member", Bound::Project),
    ("reader", "reader", Bound::Project),
    ("custom", "custom", Bound::Project),
];

/// What the paths of a ground name.
#[derive(Clone)]
pub struct Ids(HashMap<&'static str, String>);

impl Ids {
    /// Names of path parameters, and their ids.
    pub const fn map(&self) -> &HashMap<&'static str, String> {
        &self.0
    }

    pub fn fill(&self, template: &str) -> String {
        let path = self.0.iter().fold(template.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
        assert!(!path.contains('{'), "{path}");
        path
    }

    /// The same, but with a new one of what the operation takes.
    pub async fn with_fresh(&self, api: &Api, operation: &str) -> Self {
        let (noun, sql) = fresh(operation);
        let id = Uuid::now_v7();
        let text = id.to_string();
        let named = [("{new}", &text)].into_iter();
        let known =
            ["{organization_id}", "{project_id}", "{group_id}", "{role_id}", "{user_id}", "{security_group_id}"];
        let known = known.iter().map(|place| (*place, &self.0[place.trim_matches(['{', '}'])]));
        let known: Vec<(&str, String)> = named.chain(known).map(|(place, id)| (place, format!("'{id}'"))).collect();
        let sql = known.iter().fold(sql.to_owned(), |sql, (place, id)| sql.replace(place, id));
        let mut conn = api.store.connection().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *conn).await.unwrap();
        let mut fresh = self.clone();
        fresh.0.insert(noun, id.to_string());
        fresh
    }
}

/// What an operation takes, and how to make one.
fn fresh(operation: &str) -> (&'static str, &'static str) {
    match operation {
        "ssh_key_delete" => (
            "ssh_key_id",
            "INSERT INTO ssh_key (id, project_id, name, public_key, fingerprint) VALUES ({new}, {project_id}, {new}, 'k', 'f')",
        ),
        "security_group_rule_delete" => (
            "rule_id",
            "INSERT INTO security_group_rule (id, project_id, security_group_id, direction, ethertype, protocol, port_first, port_last)
             SELECT {new}, {project_id}, {security_group_id}, 'egress', 'ipv4', 6, count(*), count(*) FROM security_group_rule",
        ),
        "connection_log_delete" => (
            "port_id",
            "WITH p AS (INSERT INTO port (id, project_id, network_id, standalone, mac, tap)
                        SELECT {new}, {project_id}, id, true, ('02' || left(md5({new}), 10))::macaddr, 'ikt' || left(md5({new}), 12)
                        FROM network WHERE project_id = {project_id} LIMIT 1 RETURNING id, project_id)
             INSERT INTO connection_log (port_id, project_id, verdicts, records_per_second, expires_at)
             SELECT id, project_id, '{dropped}', 1, now() FROM p",
        ),
        "user_delete" => (
            "user_id",
            "INSERT INTO account (id, organization_id, username, password_hash) VALUES ({new}, {organization_id}, {new}, 'x')",
        ),
        "group_delete" => {
            ("group_id", "INSERT INTO account_group (id, organization_id, name) VALUES ({new}, {organization_id}, {new})")
        }
        "service_account_delete" => (
            "service_account_id",
            "INSERT INTO service_account (id, organization_id, name) VALUES ({new}, {organization_id}, {new})",
        ),
        "role_delete" => (
            "role_id",
            "INSERT INTO custom_role (id, organization_id, name, permissions) VALUES ({new}, {organization_id}, {new}, '{image.read}')",
        ),
        "enrolment_token_delete" => (
            "enrolment_token_id",
            "INSERT INTO enrolment_token (id, secret_hash, expires_at) VALUES ({new}, {new}::bytea, now())",
        ),
        "flavor_delete" => (
            "flavor_id",
            "INSERT INTO flavor (id, name, vcpus, memory_mib, disk_gib) VALUES ({new}, {new}, 1, 64, 1)",
        ),
        "signing_key_delete" => (
            "kid",
            "INSERT INTO signing_key (kid, state, sealed, created_at, activated_at, retired_at)
             VALUES ({new}, 'retired', '', now(), now(), now())",
        ),
        "host_delete" => ("host_id", "INSERT INTO host (id, name) VALUES ({new}, {new})"),
        "system_role_binding_get" | "system_role_binding_delete" => (
            "role_binding_id",
            "WITH g AS (INSERT INTO account_group (id, organization_id, name) VALUES ({new}, {organization_id}, {new}) RETURNING id)
             INSERT INTO role_binding (id, group_id, role, scope) SELECT id, id, 'auditor', 'system' FROM g",
        ),
        "organization_role_binding_get" | "organization_role_binding_delete" => (
            "role_binding_id",
            "WITH g AS (INSERT INTO account_group (id, organization_id, name) VALUES ({new}, {organization_id}, {new}) RETURNING id)
             INSERT INTO role_binding (id, group_id, custom_role_id, scope, organization_id)
             SELECT id, id, {role_id}, 'organization', {organization_id} FROM g",
        ),
        "project_role_binding_get" | "project_role_binding_delete" => (
            "role_binding_id",
            "WITH g AS (INSERT INTO account_group (id, organization_id, name) VALUES ({new}, {organization_id}, {new}) RETURNING id)
             INSERT INTO role_binding (id, group_id, custom_role_id, scope, project_id)
             SELECT id, id, {role_id}, 'project', {project_id} FROM g",
        ),
        // Take nothing of a ground.
        "session_log_out" | "session_delete_all" => ("slug", "SELECT 1"),
        "group_member_add" | "group_member_remove" => (
            "slug",
            "INSERT INTO account_group_member (group_id, account_id) VALUES ({group_id}, {user_id}) ON CONFLICT DO NOTHING",
        ),
        other => panic!("{other} deletes something that this test cannot make"),
    }
}

pub struct Everybody {
    pub people: Vec<Somebody>,
    pub expired: String,
    pub grounds: Vec<(Target, Ids)>,
}

impl Everybody {
    pub async fn new(api: &Api) -> Self {
        let mut tx = api.store.begin().await.unwrap();
        let (a, b) = (api.organization, api.other_organization);
        let below = organization::organization_insert(&mut tx, Some(a), &naming("below")).await.unwrap();
        let below = below.common.id;
        let mut project = async |text: &str| -> ProjectId {
            project::project_insert(&mut tx, a, &naming(text)).await.unwrap().common.id
        };
        let (beside, suspended) = (project("beside").await, project("suspended").await);
        let allows = Permissions::of(&[Permission::InstanceRead, Permission::InstancePower, Permission::ImageRead]);
        let custom = custom_role::custom_role_insert(&mut tx, a, &naming("watch"), allows).await.unwrap().common;
        let mut people = Vec::new();
        for (name, role, bound) in PEOPLE {
            let account = person(&mut tx, &format!("the-{name}"), a, "no password").await;
            let scopes = match bound {
                Bound::System => vec![Scope::System],
                Bound::Organization => vec![Scope::Organization(a)],
                Bound::Project => vec![Scope::Project(api.project), Scope::Project(suspended)],
            };
            for scope in scopes {
                match role.parse::<Role>() {
                    Ok(role) => bind(&mut tx, &account, role, scope).await,
                    Err(_) => {
                        let (holder, role) = (Holder::User(account.id.as_uuid()), RoleRef::Custom(custom.id.as_uuid()));
                        role_binding_insert(&mut tx, holder, role, scope).await.unwrap().unwrap();
                    }
                }
            }
            let token = issue(api.app(), &mut tx, &account, Duration::ZERO).await;
            people.push(Somebody { name, role, bound, token, is_program: false });
        }
        let mut robots = Vec::new();
        for (name, role, bound, scopes, only) in [
            ("robot", Role::Member, Bound::Project, vec![Scope::Project(api.project), Scope::Project(suspended)], None),
            ("restricted robot", Role::Owner, Bound::Organization, vec![Scope::Organization(a)], Some(allows)),
        ] {
            let robot = service_account_insert(&mut tx, a, &naming(name)).await.unwrap().common.id.as_uuid();
            for scope in scopes {
                let holder = Holder::ServiceAccount(robot);
                role_binding_insert(&mut tx, holder, RoleRef::BuiltIn(role), scope).await.unwrap().unwrap();
            }
            robots.push((name, bound, robot, only));
        }
        let gone = person(&mut tx, "the-late", a, "no password").await;
        bind(&mut tx, &gone, Role::Owner, Scope::Organization(a)).await;
        let expired = issue(api.app(), &mut tx, &gone, Duration::from_secs(3600)).await;
        api.store.commit(tx).await.unwrap();

        let flavor = api.flavor("tiny").await;
        let mine = api.token("maker-a", a, Role::Owner, Scope::Organization(a)).await;
        let theirs = api.token("maker-b", b, Role::Owner, Scope::Organization(b)).await;
        for (name, bound, robot, only) in robots {
            let path = format!("/v1/organizations/{a}/service-accounts/{robot}/api-keys");
            let only: Option<Vec<_>> = only.map(|only| only.iter().map(|permission| permission.as_str()).collect());
            let body = json!({"name": "key", "permissions": only});
            let made = api.call(Method::POST, &path, Some(&mine), Some(body)).await.must(201);
            let token = made["key"].as_str().unwrap().to_owned();
            // What the key leaves of an owner is what the custom role has.
            let role = if only.is_some() { "custom" } else { "member" };
            people.push(Somebody { name, role, bound, token, is_program: true });
        }
        let mut grounds = Vec::new();
        for (target, organization, project, token) in [
            (Target::Own, a, api.project, &mine),
            (Target::OtherProject, a, beside, &mine),
            (Target::OtherOrganization, b, api.other, &theirs),
            (Target::Suspended, below, suspended, &mine),
        ] {
            grounds.push((target, ids(api, &Ground { organization, project, token, flavor: &flavor }).await));
        }
        suspend(api, below.as_uuid(), suspended.as_uuid()).await;
        Self { people, expired, grounds }
    }

    /// After somebody has suspended or resumed something.
    pub async fn settle(&self, api: &Api) {
        let (_, ids) = self.grounds.iter().find(|(target, _)| *target == Target::Suspended).unwrap();
        let id = |name: &str| ids.0[name].parse().unwrap();
        suspend(api, id("organization_id"), id("project_id")).await;
    }
}

/// Suspended are one organization and one project, and nothing else.
async fn suspend(api: &Api, organization: Uuid, project: Uuid) {
    let mut conn = api.store.connection().await.unwrap();
    for (sql, id) in [
        ("UPDATE organization SET suspended_at = CASE WHEN id = $1 THEN now() END", organization),
        ("UPDATE project SET suspended_at = CASE WHEN id = $1 THEN now() END", project),
    ] {
        sqlx::query(sql).bind(id).execute(&mut *conn).await.unwrap();
    }
}

/// Where one of each noun is made, and by whom.
struct Ground<'a> {
    organization: OrganizationId,
    project: ProjectId,
    token: &'a str,
    flavor: &'a str,
}

impl Ground<'_> {
    async fn make(&self, api: &Api, path: &str, body: Value) -> String {
        api.call(Method::POST, path, Some(self.token), Some(body)).await.made()
    }

    async fn in_project(&self, api: &Api, path: &str, body: Value) -> String {
        self.make(api, &format!("/v1/projects/{}/{path}", self.project), body).await
    }

    async fn in_organization(&self, api: &Api, path: &str, body: Value) -> String {
        self.make(api, &format!("/v1/organizations/{}/{path}", self.organization), body).await
    }
}

/// One of each noun. Each is in use where it can be, so that deleting it is refused with 409; ids of what
/// cannot be in use name nothing, so that it is refused with 404.
async fn ids(api: &Api, ground: &Ground<'_>) -> Ids {
    let network = ground.in_project(api, "networks", json!({"name": "n"})).await;
    let subnet = json!({"network_id": network, "name": "s", "cidr": "10.0.0.0/24"});
    let subnet = ground.in_project(api, "subnets", subnet).await;
    let image = ground.in_project(api, "images", json!({"name": "i", "disk_format": "raw"})).await;
    let path = format!("/v1/projects/{}/images/{image}/file", ground.project);
    api.send(api.request(Method::PUT, &path).bearer_auth(ground.token).body("bytes")).await.must(200);
    let mut instances = Vec::new();
    for name in ["kept", "asked"] {
        let body = json!({"name": name, "flavor_id": ground.flavor, "image_id": image, "interfaces": [{"network_id": network}]});
        instances.push(ground.in_project(api, "instances", body).await);
    }
    // Deleted by the test again and again, and kept all the while by a host that says nothing.
    let host = hosted(api, &instances[1]).await;
    let actions = format!("/v1/projects/{}/instances/{}/actions", ground.project, instances[1]);
    let action = api.call(Method::GET, &actions, Some(ground.token), None).await.must(200)["items"][0]["id"].clone();
    let port = format!("/v1/projects/{}/ports?instance_id={}", ground.project, instances[0]);
    let port = api.call(Method::GET, &port, Some(ground.token), None).await.must(200)["items"][0]["id"].clone();
    let log = format!("/v1/projects/{}/ports/{}/connection-log", ground.project, port.as_str().unwrap());
    api.call(Method::PUT, &log, Some(ground.token), Some(json!({"verdicts": ["dropped"]}))).await.must(200);
    let set = ground.in_project(api, "address-sets", json!({"name": "s", "cidrs": ["198.51.100.0/24"]})).await;
    // In use by the port.
    let policy = json!({"name": "q", "network_limits": {"egress_kbit_s": 1000}});
    let policy = ground.in_project(api, "qos-policies", policy).await;
    let at_port = format!("/v1/projects/{}/ports/{}", ground.project, port.as_str().unwrap());
    api.call(Method::PATCH, &at_port, Some(ground.token), Some(json!({"qos_policy_id": policy}))).await.must(200);
    // In use by the default group's rule.
    let groups = format!("/v1/projects/{}/security-groups", ground.project);
    let security_group = ground.make(api, &groups, json!({"name": "g"})).await;
    let default = api.call(Method::GET, &format!("{groups}?name=default"), Some(ground.token), None).await.must(200);
    let at_default = format!("{groups}/{}/rules", default["items"][0]["id"].as_str().unwrap());
    let refers = json!({"direction": "egress", "ethertype": "ipv4", "remote_group_id": security_group});
    ground.make(api, &at_default, refers).await;
    let rule = json!({"direction": "egress", "ethertype": "ipv4", "remote_address_set_id": set});
    let rule = ground.make(api, &format!("{groups}/{security_group}/rules"), rule).await;
    let role = json!({"name": format!("r-{}", ground.project), "permissions": ["image.read"]});
    let role = ground.in_organization(api, "roles", role).await;
    let group = ground.in_organization(api, "groups", json!({"name": ground.project})).await;
    Ids(HashMap::from([
        ("organization_id", ground.organization.to_string()),
        ("project_id", ground.project.to_string()),
        ("slug", "not-found".to_owned()),
        ("flavor_id", ground.flavor.to_owned()),
        ("image_id", image),
        ("instance_id", instances[1].clone()),
        ("action_id", action.as_str().unwrap().to_owned()),
        ("network_id", network),
        ("subnet_id", subnet),
        ("port_id", port.as_str().unwrap().to_owned()),
        ("security_group_id", security_group),
        ("rule_id", rule),
        ("address_set_id", set),
        ("qos_policy_id", policy),
        ("ssh_key_id", ground.in_project(api, "ssh-keys", json!({"name": "ama", "public_key": KEY})).await),
        ("user_id", user(api, ground).await),
        ("group_id", group),
        ("service_account_id", ground.in_organization(api, "service-accounts", json!({"name": ground.project})).await),
        ("role_id", role),
        ("role_binding_id", Uuid::now_v7().to_string()),
        ("api_key_id", Uuid::now_v7().to_string()),
        ("identity_provider_id", Uuid::now_v7().to_string()),
        ("session_id", Uuid::now_v7().to_string()),
        ("kid", "nobody".to_owned()),
        ("enrolment_token_id", Uuid::now_v7().to_string()),
        ("host_id", host),
    ]))
}

async fn user(api: &Api, ground: &Ground<'_>) -> String {
    let username = format!("u-{}", ground.project);
    ground.in_organization(api, "users", json!({"username": username, "password": "a long pass phrase"})).await
}

async fn hosted(api: &Api, instance: &str) -> String {
    let mut conn = api.store.connection().await.unwrap();
    let (host, id) = (Uuid::now_v7(), instance.parse::<Uuid>().unwrap());
    sqlx::query("INSERT INTO host (id, name) VALUES ($1, $2)")
        .bind(host)
        .bind(host.to_string())
        .execute(&mut *conn)
        .await
        .unwrap();
    let housed = "INSERT INTO instance_host (instance_id, project_id, host_id, role, vcpus, memory_mib, disk_gib)
                  SELECT id, project_id, $1, 'home', vcpus, memory_mib, disk_gib FROM instance WHERE id = $2";
    sqlx::query(housed).bind(host).bind(id).execute(&mut *conn).await.unwrap();
    host.to_string()
}
