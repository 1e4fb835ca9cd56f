//! What is done costs what it changes: not what is there, and not what ever was there.
//!
//! Each statement of the hot paths is run in a cloud of 25,000 instances, 100,000 deleted ones, 1,000 hosts and 2,000
//! networks, and PostgreSQL says which rows it read for it. None scans a table that grows; none reads more than a bound.

use crate::world::{World, name, naming};
use iroko_agent_wire::{AgentKind, InstanceObservation, PortObservation, Report};
use iroko_model::host::Architecture;
use iroko_model::instance::{ObservedState, OnGuestShutdown, Power};
use iroko_model::port::{PortLimits, PortState};
use iroko_model::{FlavorId, HostId, Hostname, InstanceId, NetworkId, PortId, ProjectId};
use iroko_store::desired::{self, Instances, Ports};
use iroko_store::flavor::Size;
use iroko_store::instance::{self, NewInstance, NewNic};
use iroko_store::noun::{self, Listing, Within};
use iroko_store::port::{self, PortFilter};
use iroko_store::{PageQuery, Tx, change, event, network, placement, report, subnet};
use iroko_test_database::{database, fill};
use sqlx::Connection;
use sqlx::postgres::PgConnectOptions;
use std::collections::BTreeMap;
use uuid::Uuid;

const INSTANCES: u32 = 25_000;
/// Rows that a scan may read: of tables that do not grow, such as roles and projects of a test.
const SCAN_MOST: i64 = 200;
const PAGE: PageQuery = PageQuery { after: None, limit: 100 };

/// The n-th of a kind, as `growth.sql` names it.
fn id(kind: u32, n: u32) -> Uuid {
    format!("{kind:08x}-0000-7000-8000-{n:012x}").parse().unwrap()
}

fn project() -> ProjectId {
    id(2, 0).into()
}

/// Rows read so far by scans and by index, of each table. Of the session: what was read since is the difference.
async fn rows_read(tx: &mut Tx) -> BTreeMap<String, (i64, i64)> {
    let sql =
        "SELECT relname::text, coalesce(seq_tup_read, 0), coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables";
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(sql).fetch_all(&mut **tx).await.unwrap();
    rows.into_iter().map(|(table, scanned, found)| (table, (scanned, found))).collect()
}

/// What was wrong with the cost of each statement.
#[derive(Default)]
struct Costs(Vec<String>);

impl Costs {
    fn note(
        &mut self,
        what: &str,
        most: i64,
        before: &BTreeMap<String, (i64, i64)>,
        after: &BTreeMap<String, (i64, i64)>,
    ) {
        let mut all = 0;
        for (table, (scanned, found)) in after {
            let (scanned_before, found_before) = before.get(table).copied().unwrap_or_default();
            let (scanned, found) = (scanned - scanned_before, found - found_before);
            if scanned > SCAN_MOST {
                self.0.push(format!("{what} scans {scanned} rows of {table}"));
            }
            all += scanned + found;
        }
        eprintln!("{what}: {all} rows");
        if all > most {
            self.0.push(format!("{what} reads {all} rows, more than {most}"));
        }
    }
}

/// Runs a call in a transaction, notes what it read, and rolls it back.
macro_rules! costs {
    ($costs:ident, $most:expr, $what:expr, $begun:expr, |$tx:ident| $call:expr) => {{
        let mut tx = $begun;
        let before = rows_read(&mut tx).await;
        let $tx = &mut tx;
        let done = $call;
        let after = rows_read(&mut tx).await;
        $costs.note($what, $most, &before, &after);
        done
    }};
}

async fn cloud(connect: &PgConnectOptions) -> World {
    let world = World::new(connect, 4).await;
    let mut conn = sqlx::PgConnection::connect_with(connect).await.unwrap();
    fill(&mut conn, INSTANCES).await;
    world
}

async fn make(tx: &mut Tx) -> InstanceId {
    let (new_id, network) = (InstanceId::new(), NetworkId::from(id(6, 0)));
    let flavor = FlavorId::from(id(3, 0));
    let networks = [network.as_uuid()];
    let parts =
        instance::instance_parts(tx, project(), (flavor, id(4, 0).into()), &[], &networks, &[], &[]).await.unwrap();
    let new = NewInstance {
        id: new_id,
        project_id: project(),
        naming: &naming("vm"),
        hostname: &Hostname::from_name(&name("vm")),
        flavor_id: flavor,
        size: Size { vcpus: 1, memory_mib: 64, disk_gib: 1, limits: PortLimits::default() },
        image_id: id(4, 0).into(),
        architecture: Architecture::X86_64,
        ssh_keys: &[],
        ssh_key_ids: &[],
        user_data: None,
        user_data_is_base64: false,
        on_guest_shutdown: OnGuestShutdown::StayOff,
    };
    let nic = NewNic {
        fixed: port::Fixed::default(),
        network_id: network,
        index: 0,
        subnets: &parts.networks[&network.as_uuid()],
        security_groups: parts.default_group.as_slice(),
        qos_policy: None,
    };
    instance::instance_make(tx, &new, &[nic]).await.unwrap();
    new_id
}

/// A report of the first host's agent about all that is on it: 25 instances and 25 ports.
fn report(agent: AgentKind) -> Report {
    let on_host = (0..INSTANCES).step_by(1000);
    let (state, compute) = (ObservedState::Running, agent == AgentKind::Compute);
    let instance = |n| InstanceObservation::new(id(8, n).into(), 1, state);
    let port = |n| PortObservation { id: PortId::from(id(9, n)), generation: 1, state: PortState::Ready, reason: None };
    Report {
        agent,
        incarnation: 1,
        sequence: 1,
        instances: on_host.clone().filter(|_| compute).map(instance).collect(),
        ports: on_host.filter(|_| !compute).map(port).collect(),
        consoles: vec![],
        orphans: vec![],
        disk: None,
    }
}

#[tokio::test]
async fn no_statement_of_the_hot_paths_costs_what_is_there() {
    let (_database, connect) = database().await;
    let world = cloud(&connect).await;
    let store = &world.store;
    let mut costs = Costs::default();
    let one = InstanceId::from(id(8, 100));
    let hosts: Vec<Uuid> = (0..20).map(|n| id(5, n)).collect();
    let host = HostId::from(hosts[0]);

    // What tenants ask.
    for begun in ["as planned", "planned once"] {
        let begin = async || match begun {
            "as planned" => store.begin_bound(project()).await.unwrap(),
            _ => store.begin_bound_planned(project()).await.unwrap(),
        };
        costs!(costs, 100, &format!("instance_get {begun}"), begin().await, |tx| {
            instance::instance_get(tx, project(), one).await.unwrap().unwrap()
        });
        costs!(costs, 100, &format!("instance_history_get {begun}"), begin().await, |tx| {
            instance::instance_history_get(tx, project(), id(10, 50_000).into()).await.unwrap().unwrap()
        });
        costs!(costs, 200, &format!("instance_make {begun}"), begin().await, |tx| make(tx).await);
        costs!(costs, 100, &format!("instance_set_power {begun}"), begin().await, |tx| {
            assert!(instance::instance_set_power(tx, project(), one, Power::Stopped).await.unwrap());
        });
        costs!(costs, 100, &format!("instance_delete {begun}"), begin().await, |tx| {
            assert!(instance::instance_delete(tx, project(), one).await.unwrap());
        });
    }
    let deep = PageQuery { after: Some(id(8, 20_000)), ..PAGE };
    for (what, page) in [("the first page", PAGE), ("a deep page", deep)] {
        costs!(costs, 1500, &format!("instance_list, {what}"), store.begin_bound(project()).await.unwrap(), |tx| {
            let (page, _) =
                noun::page::<instance::Instance>(tx, &Within::project(project()), &Listing::of(page)).await.unwrap();
            assert_eq!(page.items.len(), 100);
        });
    }
    costs!(costs, 1500, "port_list", store.begin_bound(project()).await.unwrap(), |tx| {
        assert_eq!(port::port_list(tx, project(), PAGE, &PortFilter::default()).await.unwrap().items.len(), 100);
    });
    costs!(costs, 500, "network_list", store.begin_bound(project()).await.unwrap(), |tx| {
        let page = noun::page::<network::Network>(tx, &Within::project(project()), &Listing::of(PAGE)).await.unwrap();
        assert_eq!(page.0.items.len(), 100);
    });
    costs!(costs, 500, "subnet_list", store.begin_bound(project()).await.unwrap(), |tx| {
        noun::page::<subnet::Subnet>(tx, &Within::project(project()), &Listing::of(PAGE)).await.unwrap()
    });

    // What the scheduler does, but for its view of all hosts, which is one scan a second at most.
    costs!(costs, 200, "placement_claim", store.begin_planned().await.unwrap(), |tx| {
        placement::placement_claim(tx, 256).await.unwrap()
    });
    let mut tx = store.begin_planned().await.unwrap();
    let new = make(&mut tx).await;
    costs!(costs, 200, "placement_commit", tx, |tx| {
        assert_eq!(placement::placement_commit(tx, &[(new, host)]).await.unwrap(), [new]);
    });
    costs!(costs, 200, "placement_take_back", store.begin_planned().await.unwrap(), |tx| {
        placement::placement_take_back(tx, 3, 100).await.unwrap()
    });

    // What agents report, and what they are sent.
    for agent in [AgentKind::Compute, AgentKind::Net] {
        let told = report(agent);
        costs!(costs, 500, &format!("a report of {agent:?}"), store.begin_planned().await.unwrap(), |tx| {
            assert_eq!(report::reports_accept(tx, &[(host, &told)]).await.unwrap().0, [true]);
        });
    }
    let (instances, ports) = ([one.as_uuid()], [id(9, 100)]);
    costs!(costs, 100, "instance_specs", store.begin_planned().await.unwrap(), |tx| {
        assert_eq!(desired::instance_specs(tx, Instances::Ids(&instances)).await.unwrap().len(), 1);
    });
    costs!(costs, 400, "instance_specs of a host", store.begin_planned().await.unwrap(), |tx| {
        assert_eq!(desired::instance_specs(tx, Instances::OfHost(host)).await.unwrap().len(), 25);
    });
    costs!(costs, 100, "bound_ports", store.begin_planned().await.unwrap(), |tx| {
        assert_eq!(desired::bound_ports(tx, Ports::Ids(&ports)).await.unwrap().len(), 1);
    });
    let now = i64::MAX;
    costs!(costs, 2500, "needs of 20 hosts", store.begin_planned().await.unwrap(), |tx| {
        desired::needs(tx, &hosts, &[], now).await.unwrap()
    });
    costs!(costs, 1000, "network_needs of 20 hosts", store.begin_planned().await.unwrap(), |tx| {
        desired::network_needs(tx, &hosts, now).await.unwrap()
    });

    // The outbox and the events: what is new, and what is old.
    costs!(costs, 100, "change_tail", store.begin_planned().await.unwrap(), |tx| {
        change::change_tail(tx, 1_000_000_000).await.unwrap()
    });
    costs!(costs, 100, "event_tail", store.begin_bound(project()).await.unwrap(), |tx| {
        event::event_tail(tx, project(), (1_000_000_000, 0), 100).await.unwrap()
    });
    costs!(costs, 100, "event_news", store.begin().await.unwrap(), |tx| event::event_news(tx, 1_000_000_000)
        .await
        .unwrap());
    costs!(costs, 100, "event_now", store.begin().await.unwrap(), |tx| event::event_now(tx).await.unwrap());
    costs!(costs, 100, "event_is_trimmed", store.begin().await.unwrap(), |tx| {
        event::event_is_trimmed(tx, (5, 5)).await.unwrap()
    });
    costs!(costs, 2500, "change_trim", store.begin().await.unwrap(), |tx| {
        change::change_trim(tx, 60.0, 1000).await.unwrap()
    });
    costs!(costs, 2500, "event_trim", store.begin().await.unwrap(), |tx| event::event_trim(tx, 60.0, 1000)
        .await
        .unwrap());
    assert!(costs.0.is_empty(), "{:#?}", costs.0);
}
