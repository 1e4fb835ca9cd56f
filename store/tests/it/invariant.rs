//! Each invariant fails where it should: a world that is well is broken in one way at a time.

use iroko_model::{HostId, InstanceId};
use iroko_store::invariant::{GroupTraces, HostTraces, violations};
use iroko_test_database::database;
use sqlx::PgPool;
use std::collections::{HashMap, HashSet};

const HOST: &str = "01a20000-0000-7000-8000-000000000001";
const RUNS: &str = "01a20000-0000-7000-8000-000000000002";
const OFF: &str = "01a20000-0000-7000-8000-000000000003";
const OTHER: &str = "01a20000-0000-7000-8000-000000000004";
const NETWORK: &str = "01a20000-0000-7000-8000-000000000005";

/// A host with one machine that runs and one that is off, each with a port.
const WELL: &str = "
    INSERT INTO organization (id, name) VALUES ('01a20000-0000-7000-8000-0000000000a1', 'o');
    INSERT INTO project (id, organization_id, name) VALUES ('01a20000-0000-7000-8000-0000000000a2', '01a20000-0000-7000-8000-0000000000a1', 'p');
    INSERT INTO host (id, name, vcpus, memory_mib, disk_gib) VALUES ('01a20000-0000-7000-8000-000000000001', 'h', 2, 256, 2);
    INSERT INTO network (id, project_id, name, vni, mtu) VALUES ('01a20000-0000-7000-8000-000000000005', '01a20000-0000-7000-8000-0000000000a2', 'n', 5000, 1450);
    INSERT INTO subnet (id, project_id, network_id, name, cidr, gateway, service, pools)
        VALUES ('01a20000-0000-7000-8000-0000000000a3', '01a20000-0000-7000-8000-0000000000a2', '01a20000-0000-7000-8000-000000000005', 's',
                '10.0.0.0/24', '10.0.0.1', '10.0.0.2', '[{\"first\": \"10.0.0.3\", \"last\": \"10.0.0.254\"}]');
    INSERT INTO instance (id, project_id, name, hostname, flavor_id, vcpus, memory_mib, disk_gib, image_id, architecture, power, placement_after)
        SELECT id::uuid, '01a20000-0000-7000-8000-0000000000a2', 'i', 'i', gen_random_uuid(), 1, 128, 1, gen_random_uuid(), 'x86_64', power, NULL
        FROM (VALUES ('01a20000-0000-7000-8000-000000000002', 'running'), ('01a20000-0000-7000-8000-000000000003', 'stopped')) AS v (id, power);
    INSERT INTO instance_host (instance_id, project_id, host_id, role, vcpus, memory_mib, disk_gib, state, generation, ran_at)
        SELECT id, project_id, '01a20000-0000-7000-8000-000000000001', 'home', vcpus, memory_mib, disk_gib, power, 1, now() FROM instance;
    INSERT INTO port (id, project_id, network_id, instance_id, mac, tap)
        SELECT gen_random_uuid(), '01a20000-0000-7000-8000-0000000000a2', '01a20000-0000-7000-8000-000000000005', id::uuid, mac::macaddr, tap
        FROM (VALUES ('01a20000-0000-7000-8000-000000000002', '02:00:00:00:00:01', 'tap1'),
                     ('01a20000-0000-7000-8000-000000000003', '02:00:00:00:00:02', 'tap2')) AS v (id, mac, tap);
    INSERT INTO port_host (port_id, project_id, network_id, host_id, role, state, generation)
        SELECT id, project_id, network_id, '01a20000-0000-7000-8000-000000000001', 'home', 'ready', 1 FROM port;
    INSERT INTO ip_allocation (network_id, address, subnet_id, port_id)
        SELECT network_id, ('10.0.0.' || (9 + nic))::inet, '01a20000-0000-7000-8000-0000000000a3', id
        FROM (SELECT network_id, id, row_number() OVER () AS nic FROM port) AS p;";

/// Puts the ports into the default group.
const GROUPED: &str = "INSERT INTO port_security_group (project_id, port_id, security_group_id)
    SELECT p.project_id, p.id, g.id FROM port p JOIN security_group g ON g.project_id = p.project_id AND g.is_default";

fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}

fn traces() -> HostTraces {
    let host_id: HostId = HOST.parse().unwrap();
    HostTraces {
        host_id,
        domains: HashMap::from([(id(RUNS), true), (id(OFF), false)]),
        disks: HashSet::from([id(RUNS), id(OFF)]),
        taps: HashSet::from(["tap1".to_owned(), "tap2".to_owned()]),
        networks: HashSet::from([5000]),
        groups: Some(GroupTraces::default()),
    }
}

/// Breaks the database with a statement, looks, and takes it back.
async fn broken_by(pool: &PgPool, statement: &'static str, hosts: &[HostTraces]) -> Vec<String> {
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut *tx).await.unwrap();
    violations(&mut tx, hosts).await.unwrap()
}

#[tokio::test]
async fn every_invariant_of_the_database_can_fail() {
    let (_database, connect) = database().await;
    let pool = PgPool::connect_with(connect).await.unwrap();
    sqlx::raw_sql(WELL).execute(&pool).await.unwrap();
    assert_eq!(broken_by(&pool, "SELECT", &[traces()]).await, Vec::<String>::new());
    let table = [
        ("UPDATE instance SET generation = 2 WHERE power = 'running'", "is between states"),
        ("UPDATE instance_host SET state = NULL WHERE state = 'running'", "is between states"),
        ("UPDATE instance SET power = 'deleted' WHERE power = 'stopped'", "is between states"),
        ("DELETE FROM instance_host WHERE state = 'running'", "is between states"),
        ("DELETE FROM instance_host WHERE state = 'running'", "is not in one place"),
        ("UPDATE instance SET placement_after = now()", "is not in one place"),
        ("DELETE FROM instance_host WHERE state = 'running'", "is not where its instance is"),
        ("DELETE FROM port_host", "is not where its instance is"),
        ("UPDATE port_host SET state = 'pending'", "is bound and not ready"),
        ("UPDATE port SET generation = 2 WHERE tap = 'tap1'", "is bound and not ready"),
        ("UPDATE port SET instance_id = NULL WHERE tap = 'tap1'", "was made with an instance and has none"),
        ("UPDATE ip_allocation SET address = '10.0.0.1' WHERE address = '10.0.0.10'", "is not one to give out"),
        ("UPDATE ip_allocation SET address = '10.0.1.9' WHERE address = '10.0.0.10'", "is not one to give out"),
        ("UPDATE ip_allocation SET network_id = gen_random_uuid()", "is not one to give out"),
        ("UPDATE host SET memory_mib = 255", "gives away more than it has"),
        ("UPDATE instance_host SET vcpus = 2", "gives away more than it has"),
        (GROUPED, "lacks the security groups"),
        (GROUPED, "lacks the members"),
    ];
    for (statement, wanted) in table {
        let found = broken_by(&pool, statement, &[traces()]).await;
        assert!(found.iter().any(|text| text.contains(wanted)), "{statement}: {found:#?}");
    }
    let found = broken_by(&pool, "SELECT", &[]).await;
    assert!(found.iter().any(|text| text.contains("was not looked at")), "{found:?}");
}

#[tokio::test]
async fn every_invariant_of_a_host_can_fail() {
    let (_database, connect) = database().await;
    let pool = PgPool::connect_with(connect).await.unwrap();
    sqlx::raw_sql(WELL).execute(&pool).await.unwrap();
    type Break = fn(&mut HostTraces);
    let table: [(Break, &str); 14] = [
        (
            |host| {
                host.groups.as_mut().unwrap().groups.insert((NETWORK.parse().unwrap(), 1));
            },
            "keeps the security groups",
        ),
        (
            |host| {
                host.groups.as_mut().unwrap().members.insert((NETWORK.parse().unwrap(), NETWORK.parse().unwrap()));
            },
            "keeps the members",
        ),
        (
            |host| {
                host.groups.as_mut().unwrap().address_sets.insert((NETWORK.parse().unwrap(), 1));
            },
            "keeps the address sets",
        ),
        (
            |host| {
                host.domains.remove(&id(RUNS));
            },
            "is wanted running and its domain is None",
        ),
        (
            |host| {
                host.domains.insert(id(RUNS), false);
            },
            "its domain is Some(false)",
        ),
        (
            |host| {
                host.domains.insert(id(OFF), true);
            },
            "its domain is Some(true)",
        ),
        (
            |host| {
                host.disks.remove(&id(OFF));
            },
            "has lost its disk",
        ),
        (
            |host| {
                host.domains.insert(id(OTHER), true);
            },
            "the domain of instance",
        ),
        (
            |host| {
                host.disks.insert(id(OTHER));
            },
            "files of instance",
        ),
        (
            |host| {
                host.taps.remove("tap1");
            },
            "the tap tap1 is missing",
        ),
        (
            |host| {
                host.taps.insert("tap3".into());
            },
            "the tap tap3 is on",
        ),
        (
            |host| {
                host.networks.remove(&5000);
            },
            "the network 5000 is missing",
        ),
        (
            |host| {
                host.networks.insert(5001);
            },
            "the network 5001 is on",
        ),
        // Everything of this host found on another.
        (|host| host.host_id = NETWORK.parse().unwrap(), "should not be"),
    ];
    for (number, (break_it, wanted)) in table.into_iter().enumerate() {
        let mut host = traces();
        break_it(&mut host);
        let found = broken_by(&pool, "SELECT", &[host]).await;
        assert!(found.iter().any(|text| text.contains(wanted)), "case {number}, {wanted}: {found:#?}");
    }
}
