//! Connection logs: what ports asked to have recorded, from the kernel's log to the control plane.
//!
//! ```text
//!   filter ── log, at a bounded rate ──> socket ──> record ──> queue ──> control plane
//!             (crate::firewall::log)    (nflog)    (packet)   (bounded)
//! ```
//!
//! Nothing waits for any of it: not the packets, whose verdict stands, nor anything else of the agent.
//! What is over the rate or the queue is lost and counted. Who did not ask costs nothing.

pub mod nflog;
pub mod packet;

use crate::firewall::log::mark;
use crate::statistics::reading::{Counter, Meter};
use iroko_agent_link::{Backoff, Desired, DesiredHandle, Link, LinkError};
use iroko_agent_wire::{ConnectionRecord, ConnectionReport, PortSpec};
use iroko_model::connection_log::{Reason, Verdict};
use iroko_model::security_group::Direction;
use iroko_model::{MacAddress, SecurityGroupRuleId};
use nflog::{Logged, NfLog};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Records that may wait for the control plane.
const QUEUE: usize = 10_000;
/// How long records gather before they are told, and the first wait after a failure.
const GATHER: Duration = Duration::from_secs(1);
/// How long until a socket that failed is opened again, and the longest wait after a failure to tell.
const AGAIN: Duration = Duration::from_secs(10);

/// Reads and tells until `shutdown`.
pub async fn run(desired: DesiredHandle, link: Link, records: Records, shutdown: CancellationToken) {
    let both = async { tokio::join!(read(&desired, &records), tell(&link, &records)) };
    shutdown.run_until_cancelled(both).await;
}

async fn read(desired: &DesiredHandle, records: &Records) {
    loop {
        match NfLog::open().await {
            Ok(log) => read_from(&log, desired, records).await,
            Err(error) => tracing::warn!(%error, "the log of connections could not be opened; trying again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn read_from(log: &NfLog, desired: &DesiredHandle, records: &Records) {
    loop {
        match log.next().await {
            Ok(packets) => {
                let of = recorded(&packets, &desired.read(), OffsetDateTime::now_utc());
                records.push(of);
            }
            // Whose they were is not known: the kernel keeps none of them.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                tracing::warn!("the kernel lost records of connections: they came faster than they were read");
            }
            Err(error) => return tracing::warn!(%error, "the log of connections broke"),
        }
    }
}

async fn tell(link: &Link, records: &Records) {
    let mut backoff = Backoff::new(GATHER, AGAIN);
    let mut portion = ConnectionReport::MAX;
    loop {
        match tell_some(&mut portion, records, async |batch| link.connections(batch).await).await {
            Ok(true) => backoff.reset(),
            Ok(false) => {
                backoff.reset();
                tokio::time::sleep(GATHER).await;
            }
            Err(error) => {
                tracing::debug!(error = iroko_daemon::chain(&error), "records of connections are told later");
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }
}

/// Tells the oldest records, at most `portion`. True where more wait that should be told at once. What the control
/// plane cannot take is halved until the record that it is about is alone, which is lost: all behind it
/// would wait for ever.
async fn tell_some(
    portion: &mut usize,
    records: &Records,
    send: impl AsyncFnOnce(Vec<ConnectionRecord>) -> Result<(), LinkError>,
) -> Result<bool, LinkError> {
    let batch = records.oldest(*portion);
    let count = batch.len();
    let outcome = if batch.is_empty() { Ok(()) } else { send(batch).await };
    match outcome {
        Ok(()) => {
            records.told(count);
            let is_more = count == *portion;
            *portion = (*portion * 2).min(ConnectionReport::MAX);
            Ok(is_more)
        }
        Err(error @ LinkError::NotTaken(_)) => {
            if count == 1 {
                tracing::warn!(error = iroko_daemon::chain(&error), "a record of a connection is lost");
                records.lose_oldest();
            }
            *portion = (count / 2).max(1);
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Records that wait, and how many were lost. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Records(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// With the tap of each.
    queue: VecDeque<(String, ConnectionRecord)>,
    /// By tap.
    lost: HashMap<String, u64>,
}

impl Records {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes records as long as there is room.
    pub fn push(&self, records: Vec<(String, ConnectionRecord)>) {
        let mut waiting = self.waiting();
        for (tap, record) in records {
            if waiting.queue.len() < QUEUE {
                waiting.queue.push_back((tap, record));
            } else {
                *waiting.lost.entry(tap).or_default() += 1;
            }
        }
    }

    /// Those to be told next, at most so many; they wait until [`Self::told`].
    pub fn oldest(&self, most: usize) -> Vec<ConnectionRecord> {
        self.waiting().queue.iter().take(most).map(|(_, record)| record.clone()).collect()
    }

    /// The oldest cannot be told.
    fn lose_oldest(&self) {
        let mut waiting = self.waiting();
        if let Some((tap, _)) = waiting.queue.pop_front() {
            *waiting.lost.entry(tap).or_default() += 1;
        }
    }

    /// So many of the oldest have arrived.
    pub fn told(&self, count: usize) {
        let mut waiting = self.waiting();
        let count = count.min(waiting.queue.len());
        waiting.queue.drain(..count);
    }

    /// What did not find room or could not be told, as counters of this agent.
    pub fn lost(&self) -> Vec<Counter> {
        let counter = |(tap, lost): (&String, &u64)| Counter {
            meter: Meter::Unlogged(tap.clone()),
            identity: u64::MAX,
            packets: *lost,
            bytes: 0,
        };
        self.waiting().lost.iter().map(counter).collect()
    }
}

/// What logs of ports ask for of these packets, with the port's tap. Pure.
fn recorded(packets: &[Logged], desired: &Desired, now: OffsetDateTime) -> Vec<(String, ConnectionRecord)> {
    let logged = desired.ports.values().filter(|port| port.connection_log.is_some());
    let ports: HashMap<&str, &PortSpec> = logged.map(|port| (port.tap.as_str(), &**port)).collect();
    packets.iter().filter_map(|packet| record(packet, &ports, desired, now)).collect()
}

fn record(
    packet: &Logged,
    ports: &HashMap<&str, &PortSpec>,
    desired: &Desired,
    now: OffsetDateTime,
) -> Option<(String, ConnectionRecord)> {
    let mut words = packet.prefix.split(' ').skip(1);
    let (verdict, reason) = match words.next()? {
        "accepted" => (Verdict::Accepted, Reason::Rule),
        "dropped" => (Verdict::Dropped, Reason::NoRule),
        "refused" => (Verdict::Dropped, Reason::PortSecurity),
        _ => return None,
    };
    let direction = if words.next()? == Direction::Ingress.as_str() { Direction::Ingress } else { Direction::Egress };
    let port = ports.get(words.next()?)?;
    if !port.connection_log.as_ref()?.verdicts.contains(&verdict) {
        return None;
    }
    let record = ConnectionRecord {
        id: Uuid::now_v7(),
        port_id: port.id,
        occurred_at: now,
        direction,
        verdict,
        reason,
        rule_id: (verdict == Verdict::Accepted).then(|| rule(packet.mark, port, desired, direction)).flatten(),
        source_mac: packet.hardware.get(6..12).and_then(|mac| Some(MacAddress::from_octets(mac.try_into().ok()?))),
        headers: packet::headers(packet.ethertype, &packet.payload),
    };
    Some((port.tap.clone(), record))
}

/// The rule of the port's groups with this mark; none where it is gone by now, or where there are two.
fn rule(marked: u32, port: &PortSpec, desired: &Desired, direction: Direction) -> Option<SecurityGroupRuleId> {
    let groups = port.security_group_ids.iter().flatten().filter_map(|id| desired.security_groups.get(id));
    let rules = groups.flat_map(|group| &group.rules).filter(|spec| spec.rule.as_ref().direction == direction);
    let mut found = rules.map(|spec| spec.id).filter(|id| mark(*id) == marked & 0xffff_ff00);
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests;
