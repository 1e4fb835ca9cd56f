//! Connection logs: whose records are kept, how many, and for how long.

use crate::world::{World, room, size};
use iroko_agent_wire::{ConnectionRecord, Headers};
use iroko_model::connection_log::{Reason, Verdict};
use iroko_model::security_group::Direction;
use iroko_model::{HostId, MacAddress, PortId};
use iroko_store::connection_log::{self, NewConnectionLog, RECORDS_MAX};
use iroko_store::desired::{Ports, bound_ports};
use iroko_store::{PageQuery, port};
use iroko_test_database::database;
use sqlx::postgres::PgConnectOptions;
use time::OffsetDateTime;
use uuid::Uuid;

const ALL: PageQuery = PageQuery { limit: 1000, after: None };

fn record(port_id: PortId, verdict: Verdict) -> ConnectionRecord {
    ConnectionRecord {
        id: Uuid::now_v7(),
        port_id,
        occurred_at: OffsetDateTime::UNIX_EPOCH,
        direction: Direction::Ingress,
        verdict,
        reason: Reason::NoRule,
        rule_id: None,
        source_mac: Some(MacAddress::from_octets([2; 6])),
        headers: Headers {
            ethertype: 0x86dd,
            source: "fd00::1".parse().ok(),
            destination: "fd00::2".parse().ok(),
            protocol: Some(255),
            source_port: Some(65535),
            destination_port: Some(0),
            icmp_type: Some(255),
            icmp_code: None,
        },
    }
}

struct Ground {
    world: World,
    here: HostId,
    there: HostId,
    port: PortId,
}

impl Ground {
    async fn new(connect: &PgConnectOptions) -> Self {
        let world = World::new(connect, 4).await;
        let network = world.network(&["10.0.0.0/24"]).await;
        let (here, there) = (world.host("here", room(8)).await, world.host("there", room(8)).await);
        let id = world.instance(size(1), &[network]).await;
        world.place(id, here).await;
        let port = world.get(id).await.interfaces.0[0].port_id.into();
        Self { world, here, there, port }
    }

    async fn set(&self, verdicts: &[Verdict], duration_s: i64) {
        let mut tx = self.world.store.begin_bound(self.world.project).await.unwrap();
        assert!(port::port_lock(&mut tx, self.world.project, self.port).await.unwrap());
        let new = NewConnectionLog { verdicts, records_per_second: 7, duration_s };
        connection_log::connection_log_set(&mut tx, self.world.project, self.port, &new).await.unwrap();
        self.world.commit(tx).await;
    }

    async fn tell(&self, host: HostId, records: &[ConnectionRecord]) {
        let mut tx = self.world.begin().await;
        connection_log::connection_records_accept(&mut tx, host, records).await.unwrap();
        self.world.commit(tx).await;
    }

    async fn kept(&self) -> Vec<Uuid> {
        let mut tx = self.world.store.begin_bound(self.world.project).await.unwrap();
        let (project, port) = (self.world.project, self.port);
        let page = connection_log::connection_record_list(&mut tx, project, port, ALL, None).await.unwrap();
        page.items.iter().map(|row| row.id).collect()
    }

    /// What the port's host is told of it, and the generation of that.
    async fn asked(&self) -> (Option<Vec<Verdict>>, u64) {
        let mut conn = self.world.store.connection().await.unwrap();
        let bound = bound_ports(&mut conn, Ports::Ids(&[self.port.as_uuid()])).await.unwrap();
        let port = &bound[0].port;
        (port.connection_log.as_ref().map(|log| log.verdicts.clone()), port.generation)
    }
}

#[tokio::test]
async fn hosts_tell_what_logs_of_their_ports_ask_for() {
    let (_database, connect) = database().await;
    let ground = Ground::new(&connect).await;
    let (dropped, accepted) = (record(ground.port, Verdict::Dropped), record(ground.port, Verdict::Accepted));
    ground.tell(ground.here, std::slice::from_ref(&dropped)).await;
    assert!(ground.kept().await.is_empty(), "nobody asked");
    let (_, from) = ground.world.changes(0).await;
    ground.set(&[Verdict::Dropped], 600).await;
    let (told, _) = ground.world.changes(from).await;
    assert_eq!(told, [("port".to_owned(), ground.port.as_uuid(), Some(ground.here.as_uuid()))], "its host looks again");
    assert_eq!(ground.asked().await.0, Some(vec![Verdict::Dropped]));

    ground.tell(ground.there, std::slice::from_ref(&dropped)).await;
    assert!(ground.kept().await.is_empty(), "a host that does not have the port");
    ground.tell(ground.here, &[dropped.clone(), accepted.clone(), dropped.clone()]).await;
    ground.tell(ground.here, std::slice::from_ref(&dropped)).await;
    assert_eq!(ground.kept().await, [dropped.id], "what was asked for, once");
    let mut tx = ground.world.store.begin_bound(ground.world.project).await.unwrap();
    let (project, port) = (ground.world.project, ground.port);
    let page =
        connection_log::connection_record_list(&mut tx, project, port, ALL, Some(Verdict::Dropped)).await.unwrap();
    let row = &page.items[0];
    assert_eq!(
        (row.protocol, row.source_port, row.icmp_type, row.ethertype),
        (Some(255), Some(65535), Some(255), 0x86dd)
    );
    assert_eq!(row.source.map(|address| address.ip()), "fd00::1".parse().ok());
    let none =
        connection_log::connection_record_list(&mut tx, project, port, ALL, Some(Verdict::Accepted)).await.unwrap();
    assert!(none.items.is_empty());
    drop(tx);

    ground.set(&[Verdict::Accepted], 600).await;
    ground.tell(ground.here, &[accepted.clone(), record(ground.port, Verdict::Dropped)]).await;
    assert_eq!(ground.kept().await, [dropped.id, accepted.id], "records stay when something else is asked for");
    let mut tx = ground.world.store.begin_bound(ground.world.project).await.unwrap();
    assert!(connection_log::connection_log_delete(&mut tx, project, port).await.unwrap());
    assert!(!connection_log::connection_log_delete(&mut tx, project, port).await.unwrap());
    ground.world.commit(tx).await;
    assert!(ground.kept().await.is_empty());
    assert_eq!(ground.asked().await.0, None);
}

#[tokio::test]
async fn logs_end_and_records_go() {
    let (_database, connect) = database().await;
    let ground = Ground::new(&connect).await;
    ground.set(&[Verdict::Dropped], 600).await;
    let pool = ground.world.store.pool();
    let end = async || {
        let mut tx = ground.world.begin().await;
        let ended = connection_log::connection_logs_end(&mut tx, 10).await.unwrap();
        ground.world.commit(tx).await;
        ended
    };
    assert_eq!(end().await, 0, "its time is not over");
    let (_, generation) = ground.asked().await;
    sqlx::query("UPDATE connection_log SET expires_at = now() - interval '1 second'").execute(pool).await.unwrap();
    assert_eq!((end().await, end().await), (1, 0), "once");
    assert_eq!(ground.asked().await, (None, generation + 1));
    ground.tell(ground.here, &[record(ground.port, Verdict::Dropped)]).await;
    assert!(ground.kept().await.is_empty(), "it has ended");
    ground.set(&[Verdict::Dropped], 600).await;
    assert_eq!(ground.asked().await.0, Some(vec![Verdict::Dropped]), "asked for again");

    // The last records stay, whatever came.
    let many: Vec<_> = (0..RECORDS_MAX + 30).map(|_| record(ground.port, Verdict::Dropped)).collect();
    for part in many.chunks(500) {
        ground.tell(ground.here, part).await;
    }
    let rows =
        async || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM connection_record").fetch_one(pool).await.unwrap();
    assert_eq!(rows().await, RECORDS_MAX);
    assert_eq!(ground.kept().await[0], many[30].id, "the oldest went");

    // Records are thrown away by when they came.
    sqlx::query("UPDATE connection_record SET received_at = now() - interval '2 days' WHERE id <= $1")
        .bind(many[39].id)
        .execute(pool)
        .await
        .unwrap();
    let mut conn = ground.world.store.connection().await.unwrap();
    for (age_s, batch, gone) in [(3.0 * 86400.0, 100, 0), (86400.0, 4, 4), (86400.0, 100, 6), (86400.0, 100, 0)] {
        assert_eq!(connection_log::connection_records_trim(&mut conn, age_s, batch).await.unwrap(), gone);
    }
    assert_eq!(rows().await, RECORDS_MAX - 10);
}
