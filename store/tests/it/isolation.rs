//! The second wall: a transaction that is bound to one tenant sees and changes nothing of another, whatever
//! the statements in it say. None of these asks a policy; that is the bug they play.

use crate::world::{World, name, naming, room, size};
use iroko_model::port::PortLimits;
use iroko_model::{Labels, OrganizationId, Permission, Permissions, ProjectId, Role, Username};
use iroko_store::authority::Scope;
use iroko_store::noun::{self, Listing, Noun, Within};
use iroko_store::role_binding::{Holder, RoleRef, role_binding_insert};
use iroko_store::{
    Bound, Error, Filter, PageQuery, Tx, account, address_set, custom_role, group, image, instance, network,
    organization, port, project, qos_policy, security_group, security_group_rule, service_account, ssh_key, subnet,
    user,
};
use iroko_test_database::database;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnectOptions;
use std::collections::BTreeMap;
use uuid::Uuid;

const ALL: PageQuery = PageQuery { limit: 100, after: None };

/// Two tenants with one of everything: ids of the second's things, by table.
struct Two {
    first: World,
    second: World,
    organization: OrganizationId,
    ids: BTreeMap<&'static str, Uuid>,
}

async fn two(connect: &PgConnectOptions) -> Two {
    let first = World::new(connect, 4).await;
    let (mut ids, mut worlds) = (BTreeMap::new(), Vec::new());
    let mut tx = first.begin().await;
    let other = account::bootstrap(&mut tx, &name("second"), &name("second"), "kofi", "hash").await.unwrap();
    let organization = project::project_get(&mut tx, other).await.unwrap().unwrap().organization_id.into();
    first.commit(tx).await;
    for project in [first.project, other] {
        let world = World { store: first.store.clone(), project, image: crate::world::an_image(&first, project).await };
        ids = everything(&world).await;
        worlds.push(world);
    }
    let second = worlds.pop().unwrap();
    Two { first: worlds.pop().unwrap(), second, organization, ids }
}

async fn everything(world: &World) -> BTreeMap<&'static str, Uuid> {
    let network = world.network(&["10.0.0.0/24"]).await;
    let instance = world.instance(size(1), &[network]).await;
    let host = world.host(&format!("host-{}", world.project), room(4)).await;
    world.place(instance, host).await;
    let gone = world.instance(size(1), &[]).await;
    let mut tx = world.begin().await;
    assert!(instance::instance_delete(&mut tx, world.project, gone).await.unwrap());
    let labels = Labels::default();
    let (port, ..) = world.port(&mut tx, network).await.unwrap();
    let key = ssh_key::ssh_key_insert(&mut tx, world.project, &naming("k"), &line(), "print".to_owned()).await.unwrap();
    let org =
        OrganizationId::from(project::project_get(&mut tx, world.project).await.unwrap().unwrap().organization_id);
    let username = Username::try_from(format!("u-{}", world.project)).unwrap();
    let person = user::user_insert(&mut tx, org, &username, "hash", &labels).await.unwrap().id;
    let group = group::group_insert(&mut tx, org, &naming("g")).await.unwrap().common.id.as_uuid();
    assert!(group::group_member_add(&mut tx, org, group.into(), person.into()).await.unwrap());
    let robot = service_account::service_account_insert(&mut tx, org, &naming("s")).await.unwrap().common.id.as_uuid();
    let allows = Permissions::of(&[Permission::ImageRead]);
    let role = custom_role::custom_role_insert(&mut tx, org, &name("r"), allows, &labels).await.unwrap().id;
    for scope in [Scope::Organization(org), Scope::Project(world.project)] {
        role_binding_insert(&mut tx, Holder::Group(group), RoleRef::Custom(role), scope).await.unwrap().unwrap();
    }
    let ranges = vec!["198.51.100.0/24".parse().unwrap()];
    let set = address_set::address_set_insert(&mut tx, world.project, &naming("s"), ranges).await.unwrap().common.id;
    let limits = PortLimits { egress_kbit_s: Some(1000), ..PortLimits::default() };
    let policy = qos_policy::qos_policy_insert(&mut tx, world.project, &naming("q"), limits).await.unwrap().common.id;
    let security_group = world.default_group(&mut tx).await;
    let console = "INSERT INTO console (instance_id, tail) VALUES ($1, 'secret')";
    sqlx::query(console).bind(instance.as_uuid()).execute(&mut *tx).await.unwrap();
    let listing = Listing::of(ALL);
    let subnets = noun::page::<subnet::Subnet>(&mut tx, &Within::project(world.project), &listing).await.unwrap().0;
    let subnet = subnets.items[0].common.id.as_uuid();
    world.commit(tx).await;
    BTreeMap::from([
        ("image", world.image.as_uuid()),
        ("ssh_key", key.common.id.as_uuid()),
        ("network", network.as_uuid()),
        ("subnet", subnet),
        ("port", port.as_uuid()),
        ("security_group", security_group),
        ("address_set", set.as_uuid()),
        ("qos_policy", policy.as_uuid()),
        ("instance", instance.as_uuid()),
        ("project", world.project.as_uuid()),
        ("account", person),
        ("account_group", group),
        ("service_account", robot),
        ("custom_role", role),
        ("organization", org.as_uuid()),
    ])
}

async fn bound(world: &World, to: impl Into<Bound>) -> Tx {
    world.store.begin_bound(to).await.unwrap()
}

/// Tables, each with the ways its rows are told apart by tenant, as the owner sees them.
const TABLES: [(&str, &str); 26] = [
    ("image", "project_id = $1"),
    ("ssh_key", "project_id = $1"),
    ("network", "project_id = $1"),
    ("subnet", "project_id = $1"),
    ("port", "project_id = $1"),
    ("instance", "project_id = $1"),
    ("instance_history", "project_id = $1"),
    ("instance_host", "project_id = $1"),
    ("port_host", "project_id = $1"),
    ("security_group", "project_id = $1"),
    ("security_group_rule", "project_id = $1"),
    ("address_set", "project_id = $1"),
    ("qos_policy", "project_id = $1"),
    ("port_security_group", "project_id = $1"),
    ("ip_allocation", "network_id IN (SELECT id FROM network WHERE project_id = $1)"),
    ("console", "instance_id IN (SELECT id FROM instance WHERE project_id = $1)"),
    ("host_agent", "host_id IN (SELECT host_id FROM instance_host WHERE project_id = $1)"),
    ("project", "id = $1 OR organization_id = $2"),
    ("role_binding", "project_id = $1 OR organization_id = $2"),
    ("account", "organization_id = $2"),
    ("account_group", "organization_id = $2"),
    ("account_group_member", "group_id IN (SELECT id FROM account_group WHERE organization_id = $2)"),
    ("service_account", "organization_id = $2"),
    ("custom_role", "organization_id = $2"),
    ("organization", "id = $2"),
    ("change", "false"),
];

async fn text_of(tx: &mut Tx, sql: String, project: Uuid, organization: Uuid) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(AssertSqlSafe(sql)).bind(project).bind(organization).fetch_all(&mut **tx).await
}

/// Rows of a tenant, as the owner of the tables sees them.
async fn owned(two: &Two, project: ProjectId, organization: Uuid) -> BTreeMap<&'static str, Vec<String>> {
    let mut tx = two.first.begin().await;
    let mut rows = BTreeMap::new();
    for (table, whose) in TABLES {
        let columns = if table == "host_agent" { "(host_id, kind, seen_at)" } else { "t" };
        let sql = format!(
            "SELECT {columns}::text FROM {table} AS t WHERE ({whose}) AND $1 IS NOT NULL AND $2 IS NOT NULL ORDER BY 1"
        );
        rows.insert(table, text_of(&mut tx, sql, project.as_uuid(), organization).await.unwrap());
    }
    rows
}

#[tokio::test]
async fn statements_without_where_see_and_change_only_their_own() {
    let (_database, connect) = database().await;
    let two = two(&connect).await;
    let mut conn = two.first.store.connection().await.unwrap();
    let mine = project::project_get(&mut conn, two.first.project).await.unwrap().unwrap().organization_id;
    drop(conn);
    let (project, theirs) = (two.first.project, two.organization.as_uuid());
    let before = owned(&two, two.second.project, theirs).await;
    assert!(before.iter().all(|(table, rows)| *table == "change" || !rows.is_empty()), "{before:#?}");
    for to in [Bound::from(project), Bound::from(OrganizationId::from(mine))] {
        for (table, _) in TABLES {
            let columns = if table == "host_agent" { "(host_id, kind, seen_at)" } else { "t" };
            let mut tx = bound(&two.first, to).await;
            let seen = text_of(
                &mut tx,
                format!("SELECT {columns}::text FROM {table} AS t WHERE $1 IS NOT NULL AND $2 IS NOT NULL"),
                mine,
                mine,
            )
            .await;
            drop(tx);
            let secrets = &before[table];
            match seen {
                Ok(seen) => {
                    assert!(seen.iter().all(|row| !secrets.contains(row)), "{table}, bound to {to:?}: {seen:#?}")
                }
                Err(error) => assert!(error.to_string().contains("permission denied"), "{table}: {error}"),
            }
            for statement in
                [format!("DELETE FROM {table}"), format!("UPDATE {table} SET labels = '{{\"stolen\": \"1\"}}'")]
            {
                let mut tx = bound(&two.first, to).await;
                // In the way of some deletions stand foreign keys, of some statements missing grants and columns.
                if sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await.is_ok() {
                    two.first.store.commit(tx).await.unwrap();
                }
            }
        }
    }
    assert_eq!(owned(&two, two.second.project, theirs).await, before);
    let mine = owned(&two, project, mine).await;
    assert!(
        mine["ssh_key"].is_empty() && mine["custom_role"].iter().all(|row| row.contains("stolen")),
        "its own it may: {mine:#?}"
    );
}

#[tokio::test]
async fn store_functions_with_ids_of_others_find_nothing() {
    let (_database, connect) = database().await;
    let two = two(&connect).await;
    let (theirs, org) = (two.second.project, two.organization);
    let id = |table: &str| two.ids[table];
    let before = owned(&two, theirs, org.as_uuid()).await;
    let mut tx = bound(&two.first, two.first.project).await;
    assert!(instance::instance_get(&mut tx, theirs, id("instance").into()).await.unwrap().is_none());
    assert!(
        noun::page::<instance::Instance>(&mut tx, &Within::project(theirs), &Listing::of(ALL))
            .await
            .unwrap()
            .0
            .items
            .is_empty()
    );
    assert!(instance::instance_user_data(&mut tx, theirs, id("instance").into()).await.unwrap().is_none());
    assert!(!instance::instance_delete(&mut tx, theirs, id("instance").into()).await.unwrap());
    assert!(!instance::instance_reboot(&mut tx, theirs, id("instance").into()).await.unwrap());
    assert!(iroko_store::console::console_get(&mut tx, id("instance").into()).await.unwrap().is_none());
    assert!(!iroko_store::console::console_want(&mut tx, id("instance").into()).await.unwrap());
    nothing::<image::Image>(&mut tx, theirs, id("image")).await;
    assert!(!image::image_upload_begin(&mut tx, id("image").into(), Uuid::now_v7(), 60.0).await.unwrap());
    nothing::<network::Network>(&mut tx, theirs, id("network")).await;
    nothing::<subnet::Subnet>(&mut tx, theirs, id("subnet")).await;
    nothing::<ssh_key::SshKey>(&mut tx, theirs, id("ssh_key")).await;
    nothing::<security_group::SecurityGroup>(&mut tx, theirs, id("security_group")).await;
    nothing::<address_set::AddressSet>(&mut tx, theirs, id("address_set")).await;
    nothing::<qos_policy::QosPolicy>(&mut tx, theirs, id("qos_policy")).await;
    assert!(subnet::pools_of_networks(&mut tx, theirs, &[id("network")]).await.unwrap().is_empty());
    assert!(port::port_get(&mut tx, theirs, id("port").into()).await.unwrap().is_none());
    assert!(!port::port_lock(&mut tx, theirs, id("port").into()).await.unwrap());
    let group = id("security_group").into();
    assert!(security_group::security_group_get(&mut tx, theirs, group).await.unwrap().is_none());
    assert!(security_group_rule::security_group_touch(&mut tx, theirs, group, &[]).await.unwrap().is_none());
    assert!(security_group::security_groups_known(&mut tx, theirs, &[group.as_uuid()]).await.unwrap().is_empty());
    assert!(project::project_get(&mut tx, theirs).await.unwrap().is_none());
    assert!(organization::organization_get(&mut tx, org).await.unwrap().is_none());
    two.first.commit(tx).await;
    let mine = project::project_get(&mut two.first.store.connection().await.unwrap(), two.first.project).await;
    let mine = OrganizationId::from(mine.unwrap().unwrap().organization_id);
    let mut tx = bound(&two.first, mine).await;
    assert!(user::user_get(&mut tx, org, id("account").into()).await.unwrap().is_none());
    assert!(user::user_update(&mut tx, org, id("account").into(), Some(true), None).await.unwrap().is_none());
    assert!(!group::group_member_add(&mut tx, org, id("account_group").into(), id("account").into()).await.unwrap());
    assert!(
        group::group_members(&mut tx, org, id("account_group").into(), ALL, &Filter::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    for within in [Within::organization(org), Within::system()] {
        let robot = id("service_account").into();
        assert!(!noun::delete::<service_account::ServiceAccount>(&mut tx, &within, robot).await.unwrap());
        assert!(!noun::delete::<group::Group>(&mut tx, &within, id("account_group").into()).await.unwrap());
    }
    assert!(custom_role::custom_role_get(&mut tx, org, id("custom_role").into()).await.unwrap().is_none());
    assert!(
        noun::page::<instance::Instance>(&mut tx, &Within::project(two.first.project), &Listing::of(ALL))
            .await
            .unwrap()
            .0
            .items
            .is_empty()
    );
    two.first.commit(tx).await;
    // What is new cannot be put into another's hands.
    let labels = Labels::default();
    let mut tx = bound(&two.first, two.first.project).await;
    let planted = ssh_key::ssh_key_insert(&mut tx, theirs, &naming("planted"), &line(), "print".to_owned()).await;
    assert!(matches!(planted, Err(Error::Database(_))), "{planted:?}");
    let mut tx = bound(&two.first, mine).await;
    let (holder, role) = (Holder::User(id("account")), RoleRef::BuiltIn(Role::Owner));
    let planted = role_binding_insert(&mut tx, holder, role, Scope::Organization(org)).await;
    assert!(matches!(planted, Err(Error::Database(_))), "{planted:?}");
    let mut tx = bound(&two.first, mine).await;
    let planted = project::project_insert(&mut tx, org, &name("planted"), &labels).await;
    assert!(matches!(planted, Err(Error::Database(_))), "{planted:?}");
    assert_eq!(owned(&two, theirs, org.as_uuid()).await, before);
}

#[tokio::test]
async fn a_bound_transaction_makes_what_needs_the_whole_cloud() {
    let (_database, connect) = database().await;
    let two = two(&connect).await;
    // All but one VNI are taken, some by others: the last one is found by a bound transaction.
    let mut tx = two.first.begin().await;
    let taken: Vec<i32> = sqlx::query_scalar("SELECT vni FROM network").fetch_all(&mut *tx).await.unwrap();
    let vnis = 200_000..=200_003;
    for (index, project_id) in [two.second.project, two.second.project, two.first.project].into_iter().enumerate() {
        let vni = 200_000 + u32::try_from(index).unwrap();
        let vnis = vni..=vni;
        let new = network::NewNetwork { project_id, naming: &naming("n"), mtu: 1450, vnis };
        network::network_insert(&mut tx, &new).await.unwrap();
    }
    two.first.commit(tx).await;
    assert!(taken.iter().all(|vni| !(200_000..=200_003).contains(vni)));
    let mut tx = bound(&two.first, two.first.project).await;
    let new = network::NewNetwork { project_id: two.first.project, naming: &naming("last"), mtu: 1450, vnis };
    assert_eq!(network::network_insert(&mut tx, &new).await.unwrap().vni, 200_003);
    assert!(matches!(network::network_insert(&mut tx, &new).await, Err(Error::Exhausted(_))));
    two.first.commit(tx).await;
    // The bound role and settings end with the transaction.
    let mut conn = two.first.store.connection().await.unwrap();
    let who: (String, Option<String>) =
        sqlx::query_as("SELECT current_user::text, current_setting('iroko.project_id', true)")
            .fetch_one(&mut *conn)
            .await
            .unwrap();
    let (role, bound_to) = who;
    assert!(role != "iroko_tenant" && bound_to.is_none_or(|id| id.is_empty()), "{role}");
}

/// A new table is behind the wall, or out of reach.
#[tokio::test]
async fn every_table_of_tenants_has_a_policy() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    let sql = "
        SELECT c.relname::text, c.relrowsecurity,
               EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polroles = ARRAY['iroko_tenant'::regrole::oid]),
               has_any_column_privilege('iroko_tenant', c.oid, 'SELECT, INSERT, UPDATE')
                   OR has_table_privilege('iroko_tenant', c.oid, 'DELETE, TRUNCATE'),
               EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped
                       AND a.attname IN ('project_id', 'organization_id'))
        FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1";
    let tables: Vec<(String, bool, bool, bool, bool)> =
        sqlx::query_as(sql).fetch_all(world.store.pool()).await.unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for (table, is_on, has_policy, is_reachable, is_of_tenant) in tables {
        let is_behind = is_on && has_policy;
        assert!(is_behind || !is_of_tenant, "{table} has a tenant's column and no policy for iroko_tenant");
        assert!(is_behind || !is_reachable || table == "flavor", "{table} can be reached without a policy");
    }
    let rights: (bool, bool, bool) =
        sqlx::query_as("SELECT rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = 'iroko_tenant'")
            .fetch_one(world.store.pool())
            .await
            .unwrap();
    assert_eq!(rights, (false, false, false));
}

/// A caller who goes away in the middle of `BEGIN` (a client that hangs up, a timeout) leaves nothing of its
/// transaction on the connection, that the next caller gets.
#[tokio::test]
async fn a_transaction_given_up_while_it_begins_leaves_nothing_behind() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 1).await;
    for polls in 0..200 {
        let mut begin = Box::pin(world.store.begin_bound(world.project));
        for _ in 0..polls % 8 {
            if futures::poll!(&mut begin).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begin);
        let mut conn = world.store.connection().await.unwrap();
        // A simple query: outside a transaction it begins its own, at the time of the statement.
        let ask = "SELECT current_user::text, coalesce(current_setting('iroko.project_id', true), ''),
                          (now() < statement_timestamp())::text";
        let row = sqlx::raw_sql(ask).fetch_one(&mut *conn).await.unwrap();
        let left: (String, String, String) = sqlx::FromRow::from_row(&row).unwrap();
        assert_ne!(left.0, "iroko_tenant", "after {polls} polls");
        assert_eq!((left.1.as_str(), left.2.as_str()), ("", "false"), "after {polls} polls");
    }
}

/// Whoever asks for a row of another project, in whatever way, gets and does nothing.
async fn nothing<N: Noun>(tx: &mut Tx, theirs: ProjectId, id: Uuid) {
    for within in [Within::project(theirs), Within::system()] {
        assert!(noun::get::<N>(tx, &within, id.into()).await.unwrap().is_none(), "{}", N::TABLE);
        assert!(noun::lock::<N>(tx, &within, id.into()).await.unwrap().is_none(), "{}", N::TABLE);
        assert!(!noun::delete::<N>(tx, &within, id.into()).await.unwrap(), "{}", N::TABLE);
        let page = noun::page::<N>(tx, &within, &Listing::of(ALL)).await.unwrap().0;
        assert!(page.items.iter().all(|row| row.common().id.into() != id), "{}", N::TABLE);
    }
}

fn line() -> iroko_model::ssh_key::PublicKey {
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl x".to_owned();
    line.try_into().unwrap()
}
