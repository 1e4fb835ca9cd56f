//! What statements cost in clouds of different sizes, as a table: nothing should grow from left to right.
//!
//! Needs `DATABASE_URL`, as the tests do. Each call is made in a transaction that is rolled back.

use anyhow::{Context, Result};
use iroko_agent_wire::{AgentKind, InstanceObservation, Report};
use iroko_model::instance::{ObservedState, Power};
use iroko_model::{InstanceId, ProjectId};
use iroko_store::desired::{self, Instances, Ports};
use iroko_store::noun::{self, Listing, Within};
use iroko_store::port::{self, PortFilter};
use iroko_store::{PageQuery, Store, Tx, change, event, instance, placement, report};
use iroko_test_database::{database, fill};
use sqlx::{ConnectOptions, Connection};
use std::time::{Duration, Instant};
use uuid::Uuid;

const SIZES: [u32; 3] = [1_000, 10_000, 25_000];
/// Calls of each, after one that nobody counts. The middle one is shown.
const CALLS: usize = 31;
const LEASE_S: f64 = 60.0;

/// A statement, or some that belong together.
#[derive(Debug, Clone, Copy)]
enum Call {
    Page,
    Ports,
    Get,
    Power,
    Delete,
    View,
    Claim,
    Report,
    Spec,
    Port,
    Needs,
    ChangeTrim,
    EventTrim,
}

const CALLS_OF: [(Call, &str); 13] = [
    (Call::Page, "a page of 100 instances"),
    (Call::Ports, "a page of 100 ports"),
    (Call::Get, "one instance"),
    (Call::Power, "start or stop"),
    (Call::Delete, "delete"),
    (Call::View, "the scheduler's view of all hosts"),
    (Call::Claim, "claim what waits for a host"),
    (Call::Report, "a report of 25 instances"),
    (Call::Spec, "an instance for its host"),
    (Call::Port, "a port for its hosts"),
    (Call::Needs, "what 20 hosts need of groups"),
    (Call::ChangeTrim, "trim 1,000 changes"),
    (Call::EventTrim, "trim 1,000 events"),
];

/// The n-th of a kind, as the fill names it.
fn id(kind: u32, n: u32) -> Uuid {
    Uuid::from_u128((u128::from(kind) << 96) | (0x7000_8000_u128 << 48) | u128::from(n))
}

impl Call {
    async fn begin(self, store: &Store) -> Result<Tx> {
        let project = ProjectId::from(id(2, 0));
        Ok(match self {
            Self::Page | Self::Ports | Self::Power | Self::Delete => store.begin_bound(project).await?,
            Self::Get => store.begin_bound_planned(project).await?,
            Self::ChangeTrim | Self::EventTrim => store.begin().await?,
            _ => store.begin_planned().await?,
        })
    }

    async fn make(self, tx: &mut Tx) -> Result<()> {
        let (project, one) = (ProjectId::from(id(2, 0)), InstanceId::from(id(8, 100)));
        let page = PageQuery { after: None, limit: 100 };
        let hosts: Vec<Uuid> = (0..20).map(|n| id(5, n)).collect();
        match self {
            Self::Page => {
                drop(noun::page::<instance::Instance>(tx, &Within::project(project), &Listing::of(page)).await?)
            }
            Self::Ports => drop(port::port_list(tx, project, page, &PortFilter::default()).await?),
            Self::Get => drop(instance::instance_get(tx, project, one).await?),
            Self::Power => drop(instance::instance_set_power(tx, project, one, Power::Stopped).await?),
            Self::Delete => drop(instance::instance_delete(tx, project, one).await?),
            Self::View => drop(placement::placement_view(tx, LEASE_S).await?),
            Self::Claim => drop(placement::placement_claim(tx, 256).await?),
            Self::Report => drop(report::reports_accept(tx, &[(hosts[0].into(), &told())]).await?),
            Self::Spec => drop(desired::instance_specs(tx, Instances::Ids(&[one.as_uuid()])).await?),
            Self::Port => drop(desired::bound_ports(tx, Ports::Ids(&[id(9, 100)])).await?),
            Self::Needs => drop(desired::needs(tx, &hosts, &[], i64::MAX).await?),
            Self::ChangeTrim => drop(change::change_trim(tx, LEASE_S, 1000).await?),
            Self::EventTrim => drop(event::event_trim(tx, LEASE_S, 1000).await?),
        }
        Ok(())
    }

    async fn time(self, store: &Store) -> Result<Duration> {
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..=CALLS {
            let mut tx = self.begin(store).await?;
            let began = Instant::now();
            self.make(&mut tx).await?;
            times.push(began.elapsed());
            tx.rollback().await?;
        }
        let mut times = times.split_off(1);
        times.sort();
        Ok(times[CALLS / 2])
    }
}

/// A host's report. In clouds where it has fewer, what is not on it is passed over.
fn told() -> Report {
    let state = ObservedState::Running;
    let seen = |n| InstanceObservation::new(id(8, n * 1000).into(), 1, state);
    Report {
        agent: AgentKind::Compute,
        incarnation: 1,
        sequence: 1,
        instances: (0..25_u32).map(seen).collect(),
        ports: vec![],
        consoles: vec![],
        orphans: vec![],
        disk: None,
    }
}

/// The times of all calls in a cloud of this size.
async fn measure(instances: u32) -> Result<Vec<Duration>> {
    let (_database, connect) = database().await;
    let mut conn = sqlx::PgConnection::connect_with(&connect).await?;
    fill(&mut conn, instances).await;
    let store = Store::connect(connect.to_url_lossy().as_str(), 2).await?;
    let mut times = Vec::new();
    for (call, name) in CALLS_OF {
        times.push(call.time(&store).await.with_context(|| name.to_owned())?);
    }
    Ok(times)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut columns = Vec::new();
    for size in SIZES {
        columns.push(measure(size).await?);
    }
    println!(
        "Milliseconds, the middle of {CALLS} calls, by how many instances there are (four times as many are deleted)\n"
    );
    println!("| call | {} |", SIZES.map(|size| size.to_string()).join(" | "));
    println!("| --- | --: | --: | --: |");
    for (row, (_, name)) in CALLS_OF.iter().enumerate() {
        let cells: Vec<_> = columns.iter().map(|times| format!("{:.2}", times[row].as_secs_f64() * 1000.0)).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}
