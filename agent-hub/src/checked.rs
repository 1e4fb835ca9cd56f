//! What a host says is input from outside. Here it gets its bounds: numbers that the database can hold, texts of a
//! length and without control characters, each object once. What is over a bound is cut or left out, and counted; it never
//! makes the reports of others fail.

use crate::config::HostCeiling;
use iroko_agent_wire::{ConsoleLog, REASON_MAX_CHARS, Report, SessionRequest};
use iroko_model::{HostId, Invalid, Resources};
use iroko_web::problem::{Kind, Problem, Result};
use std::collections::HashMap;
use std::hash::Hash;

/// Longest version that an agent may call itself, in characters.
const VERSION_MAX_CHARS: usize = 64;
/// Largest and smallest MTU of an underlay.
const MTU: (u32, u32) = (1280, 65_535);
/// What this many GiB are in MiB.
const MIB_OF_GIB: u64 = 1024;

/// A report within its bounds.
pub fn report(host: HostId, mut report: Report) -> Result<Report> {
    if report.incarnation < 0 || report.sequence < 0 {
        return Err(Problem::with(Kind::Invalid, "incarnation and sequence are 0 or more"));
    }
    if report.instances.len().max(report.ports.len()).max(report.consoles.len()) > Report::MAX {
        return Err(Problem::new(Kind::TooLarge));
    }
    let told = report.instances.len() + report.ports.len() + report.consoles.len();
    report.instances.retain(|seen| is_stored(seen.generation) && is_stored(seen.ended_operation()));
    report.ports.retain(|seen| is_stored(seen.generation));
    last_of_each(&mut report.instances, |seen| seen.id);
    last_of_each(&mut report.ports, |seen| seen.id);
    last_of_each(&mut report.consoles, |log| log.id);
    report.instances.iter_mut().for_each(|seen| seen.reason.iter_mut().for_each(|why| why.text = line(&why.text)));
    report.ports.iter_mut().for_each(|seen| seen.reason.iter_mut().for_each(|why| why.text = line(&why.text)));
    report.consoles.iter_mut().for_each(|log| tail(&mut log.tail));
    let taken = report.instances.len() + report.ports.len() + report.consoles.len();
    if let Some(left_out) = told.checked_sub(taken).filter(|count| *count > 0) {
        tracing::warn!(%host, left_out, "a host told what it cannot have seen; that was left out");
        metrics::counter!("iroko_agent_observations_left_out_total")
            .increment(u64::try_from(left_out).unwrap_or(u64::MAX));
    }
    Ok(report)
}

/// What a host says of itself, as far as it is believed.
pub fn session(host: HostId, mut request: SessionRequest, most: HostCeiling) -> Result<SessionRequest> {
    let refused = |pointer: &str, rule, text: &str| Err(Problem::field(pointer, Invalid::new(rule, text)));
    request.version = line(&request.version).chars().take(VERSION_MAX_CHARS).collect();
    if request.vtep.is_some_and(|vtep| vtep.is_unspecified() || vtep.is_multicast()) {
        return refused("/vtep", "vtep_form", "the end of a tunnel is the address of one host");
    }
    if request.underlay_mtu.is_some_and(|mtu| !(MTU.0..=MTU.1).contains(&mtu)) {
        return refused("/underlay_mtu", "mtu_range", "the MTU of an underlay is a number from 1280 to 65535");
    }
    if let Some(said) = request.capacity {
        let believed = Resources {
            vcpus: said.vcpus.min(most.vcpus),
            memory_mib: said.memory_mib.min(most.memory_gib.saturating_mul(MIB_OF_GIB)),
            disk_gib: said.disk_gib.min(most.disk_gib),
        };
        if believed != said {
            tracing::warn!(%host, ?said, ?believed, "a host says that it has more than it is believed (agent_link.host_most)");
            metrics::counter!("iroko_agent_capacity_capped_total").increment(1);
        }
        request.capacity = Some(believed);
    }
    Ok(request)
}

/// True where the database can hold the number.
fn is_stored(number: u64) -> bool {
    i64::try_from(number).is_ok()
}

/// The last of several that speak of the same, in the order of those.
fn last_of_each<T, K: Hash + Eq>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let last: HashMap<K, usize> = items.iter().enumerate().map(|(at, item)| (key(item), at)).collect();
    if last.len() < items.len() {
        let mut at = 0;
        items.retain(|item| {
            at += 1;
            last.get(&key(item)) == Some(&(at - 1))
        });
    }
}

/// A text of one line and of bounded length.
fn line(text: &str) -> String {
    text.chars().take(REASON_MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The end of a console's text.
fn tail(text: &mut String) {
    if let Some(over) = text.len().checked_sub(ConsoleLog::MAX_BYTES).filter(|over| *over > 0) {
        let from = (over..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        text.drain(..from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_agent_wire::{AgentKind, InstanceObservation};
    use iroko_model::InstanceId;
    use iroko_model::instance::ObservedState;
    use iroko_model::reason::{Code, Reason};

    fn of(instances: Vec<InstanceObservation>, consoles: Vec<ConsoleLog>) -> Report {
        let agent = AgentKind::Compute;
        Report {
            agent,
            incarnation: 1,
            sequence: 1,
            instances,
            ports: vec![],
            consoles,
            ..Report::heartbeat(agent, 1, 1)
        }
    }

    #[test]
    fn what_cannot_be_is_left_out_and_the_rest_is_taken() {
        let ids = [InstanceId::new(), InstanceId::new(), InstanceId::new()];
        let seen = |id, generation, reason: Option<&str>| InstanceObservation {
            id,
            generation,
            reason: reason.map(|text| Reason::new(Code::Other, text)),
            ..InstanceObservation::new(id, 1, ObservedState::Failed)
        };
        let long = "é\n".repeat(5000);
        let told = of(
            vec![
                seen(ids[0], 1, None),
                seen(ids[1], 1 << 63, None),
                seen(ids[0], 2, Some(&long)),
                seen(ids[2], 3, Some("x")),
            ],
            vec![
                ConsoleLog { id: ids[0], tail: "old".into() },
                ConsoleLog { id: ids[0], tail: "é".repeat(ConsoleLog::MAX_BYTES) + "end" },
            ],
        );
        let taken = report(HostId::new(), told).unwrap();
        assert_eq!(
            taken.instances.iter().map(|seen| (seen.id, seen.generation)).collect::<Vec<_>>(),
            [(ids[0], 2), (ids[2], 3)]
        );
        let reason = taken.instances[0].reason.as_ref().unwrap().text.as_str();
        assert!(reason.chars().count() == REASON_MAX_CHARS && !reason.contains('\n'));
        assert_eq!(taken.consoles.len(), 1);
        assert!(taken.consoles[0].tail.len() <= ConsoleLog::MAX_BYTES && taken.consoles[0].tail.ends_with("éend"));
        let many = vec![seen(ids[0], 1, None); Report::MAX + 1];
        assert_eq!(report(HostId::new(), of(many, vec![])).unwrap_err().kind(), Kind::TooLarge);
        let negative = Report { sequence: -1, ..of(vec![], vec![]) };
        assert_eq!(report(HostId::new(), negative).unwrap_err().kind(), Kind::Invalid);
    }

    #[test]
    fn a_host_is_believed_up_to_a_ceiling() {
        let most = HostCeiling { vcpus: 64, memory_gib: 1, disk_gib: 100 };
        let request = |capacity, vtep: &str, mtu| SessionRequest {
            agent: AgentKind::Compute,
            version: "1\n".repeat(1000),
            architecture: None,
            capacity: Some(capacity),
            vtep: Some(vtep.parse().unwrap()),
            underlay_mtu: Some(mtu),
        };
        let all = Resources { vcpus: u64::MAX, memory_mib: u64::MAX, disk_gib: 7 };
        let taken = session(HostId::new(), request(all, "192.0.2.1", 1500), most).unwrap();
        assert_eq!(taken.capacity, Some(Resources { vcpus: 64, memory_mib: 1024, disk_gib: 7 }));
        assert_eq!(taken.version.len(), VERSION_MAX_CHARS);
        for (vtep, mtu) in [("0.0.0.0", 1500), ("239.1.1.1", 1500), ("192.0.2.1", 0), ("192.0.2.1", u32::MAX)] {
            assert!(session(HostId::new(), request(all, vtep, mtu), most).is_err(), "{vtep} {mtu}");
        }
    }
}
