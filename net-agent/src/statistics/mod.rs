//! What this host counts of its ports and of the rules of their groups, told to the control plane.
//!
//! ```text
//!   kernel ── reading ──> ledger ──> file ──> unsent ──> control plane
//!             (each counter          (kept before it
//!              by its identity)       is told)
//! ```
//!
//! The kernel's counters begin anew whenever a chain is written or a tap is made. The [`ledger`] adds
//! up what each of them grew by, so that what is told only grows; its file lets the next agent go on
//! where this one ended. What is told is the whole of an epoch and no difference: a report that is
//! lost is made good by the next, one that comes twice changes nothing, and nothing waits for either.
//!
//! What it refuses: to tell what it could not keep, and to guess. Where the file is gone, what the
//! kernel has counted before is not counted again.

pub mod ledger;
pub mod nf_tables;
pub mod reading;

use crate::config::Config;
use crate::connection_log::Records;
use crate::kernel::{Kernel, KernelError};
use crate::link::read;
use crate::object::tap_of_shaper;
use crate::port;
use iroko_agent_link::{Desired, DesiredHandle, Link, LinkError};
use iroko_agent_wire::{PortCounts, RuleCounts, StatisticsReport};
use iroko_model::security_group::Direction;
use iroko_model::{PortId, SecurityGroupRuleId};
use ledger::Ledger;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use reading::{Counter, Meter};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// Why nothing could be counted this time.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// The kernel's counters.
    #[error("the counters could not be read")]
    Kernel(#[from] KernelError),
    /// The file of what was counted.
    #[error("what was counted could not be kept in {path}")]
    Keep {
        /// Where.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// Counts and tells every period, until `shutdown`.
pub async fn run(
    config: Config,
    desired: DesiredHandle,
    link: Link,
    kernel: Arc<dyn Kernel>,
    records: Records,
    shutdown: CancellationToken,
) {
    let period = Duration::from_secs(config.statistics_period_s.max(1));
    let mut statistics = Statistics::open(&config, kernel, records);
    let mut clock = tokio::time::interval(period);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let forever = async {
        loop {
            clock.tick().await;
            if let Err(error) = statistics.count(&desired).await {
                tracing::warn!(error = iroko_daemon::chain(&error), "nothing was counted this time");
                continue;
            }
            if let Err(error) = statistics.tell(&link).await {
                tracing::debug!(error = iroko_daemon::chain(&error), "what was counted is told later");
            }
        }
    };
    shutdown.run_until_cancelled(forever).await;
}

/// The ledger, its file, and what the control plane has been told.
pub struct Statistics {
    kernel: Arc<dyn Kernel>,
    records: Records,
    ledger: Ledger,
    path: PathBuf,
    told: Told,
}

/// By session: another one may be with a control plane that was restored from yesterday's backup.
#[derive(Debug, Default)]
struct Told {
    incarnation: Option<i64>,
    ports: HashMap<PortId, PortCounts>,
    rules: HashMap<SecurityGroupRuleId, RuleCounts>,
}

impl Statistics {
    /// Goes on with what an agent before kept. `records`: of connections, to count those that are lost.
    pub fn open(config: &Config, kernel: Arc<dyn Kernel>, records: Records) -> Self {
        let path = config.run_dir.join("statistics.json");
        Self { kernel, records, ledger: Ledger::load(&path), path, told: Told::default() }
    }

    /// Reads the kernel's counters and keeps what they grew by.
    ///
    /// # Errors
    /// Where they cannot be read, or what they say cannot be kept; the next time counts it, too.
    pub async fn count(&mut self, desired: &DesiredHandle) -> Result<(), StatisticsError> {
        let mut reading = self.kernel.counters().await?;
        reading.extend(self.records.lost());
        let (taps, rules) = {
            let desired = desired.read();
            if !desired.known {
                return Ok(());
            }
            known(&desired)
        };
        let ledger = self.ledger.after(&reading, &taps, &rules, now());
        if ledger != self.ledger {
            ledger.save(&self.path).map_err(|source| StatisticsError::Keep { path: self.path.clone(), source })?;
            self.ledger = ledger;
        }
        Ok(())
    }

    /// Tells what this session was not told yet; nothing at all says that nothing has changed.
    async fn tell(&mut self, link: &Link) -> Result<(), LinkError> {
        let incarnation = link.incarnation();
        if self.told.incarnation != incarnation {
            self.told = Told { incarnation, ..Told::default() };
        }
        let (ports, rules) = self.unsent();
        let most = ports.len().max(rules.len()).div_ceil(StatisticsReport::MAX).max(1);
        let (mut ports, mut rules) = (ports.chunks(StatisticsReport::MAX), rules.chunks(StatisticsReport::MAX));
        for _ in 0..most {
            let part = |part: Option<&[PortCounts]>| part.unwrap_or_default().to_vec();
            let (ports, rules) = (part(ports.next()), rules.next().unwrap_or_default().to_vec());
            link.statistics(ports.clone(), rules.clone()).await?;
            self.told.ports.extend(ports.into_iter().map(|port| (port.id, port)));
            self.told.rules.extend(rules.into_iter().map(|rule| (rule.id, rule)));
        }
        self.told.ports.retain(|id, _| self.ledger.ports.contains_key(id));
        self.told.rules.retain(|id, _| self.ledger.rules.contains_key(id));
        Ok(())
    }

    /// What the control plane does not know of this session.
    pub fn unsent(&self) -> (Vec<PortCounts>, Vec<RuleCounts>) {
        let ports = self.ledger.ports.values().filter(|port| self.told.ports.get(&port.id) != Some(port));
        let rules = self.ledger.rules.values().filter(|rule| self.told.rules.get(&rule.id) != Some(rule));
        (ports.cloned().collect(), rules.cloned().collect())
    }
}

/// Whose counters count: ports by their taps and MAC addresses, and rules of groups that are told.
fn known(desired: &Desired) -> (HashMap<String, PortId>, HashSet<SecurityGroupRuleId>) {
    let mut taps: HashMap<String, PortId> = desired.ports.values().map(|port| (port.tap.clone(), port.id)).collect();
    for port in desired.ports.values() {
        let Some(network) = desired.networks.get(&port.network_id) else { continue };
        taps.extend(port::macs(port).into_iter().map(|mac| (reading::crowded(&network.vni.bridge(), mac), port.id)));
    }
    let rules = desired.security_groups.values().flat_map(|group| group.rules.iter().map(|spec| spec.id)).collect();
    (taps, rules)
}

/// What a tap carried. What the host is given by it the instance has sent.
pub(crate) fn of_link(link: &LinkMessage) -> Vec<Counter> {
    let Some(tap) = read::name(link).filter(|name| name.starts_with("ikt")) else { return Vec::new() };
    let stats = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(stats),
        _ => None,
    });
    let Some(stats) = stats else { return Vec::new() };
    let counter = |meter, packets, bytes| Counter { meter, identity: link.header.index.into(), packets, bytes };
    vec![
        counter(Meter::Sent(tap.to_owned()), stats.rx_packets, stats.rx_bytes),
        counter(Meter::Received(tap.to_owned()), stats.tx_packets, stats.tx_bytes),
    ]
}

/// What the queue on a device had no room for: over a limit in bits. `drops`: by device.
pub(crate) fn of_queue(link: &LinkMessage, drops: &HashMap<u32, u32>) -> Option<Counter> {
    let (name, drops) = (read::name(link)?, drops.get(&link.header.index)?);
    let meter = match tap_of_shaper(name) {
        Some(tap) => Meter::OverLimit(tap, Direction::Egress),
        None => Meter::OverLimit(name.to_owned(), Direction::Ingress),
    };
    Some(Counter { meter, identity: link.header.index.into(), packets: (*drops).into(), bytes: 0 })
}

/// Nanoseconds since 1970: another number at each call that matters.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
