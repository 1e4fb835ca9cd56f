//! What of a port's traffic is logged, as rules. Pure.
//!
//! ```text
//!   in_TAP ──a rule matches──> accepted_in_TAP: log some, accept all
//!     └──────none matches────> dropped_in_TAP:  log some, drop all
//!   refused ──by tap──> refused_TAP: log some, return         (bridge ik)
//! ```
//!
//! and `out_TAP` likewise. The chains of groups are of all their ports, so a port whose accepted
//! packets are logged has a copy of their rules in its own chain. A log takes no verdict: each of these chains
//! ends with the one that stood where it is entered. What is over the rate is counted and not logged.

use super::group;
use crate::connection_log::nflog::{GROUP, SNAP};
use crate::object::Chain;
use iroko_agent_link::Desired;
use iroko_agent_wire::ConnectionLogSpec;
use iroko_model::connection_log::Verdict;
use iroko_model::security_group::Direction;
use iroko_model::{SecurityGroupId, SecurityGroupRuleId};

/// The rules of a port's chain, a line each, where something of it is logged.
pub fn port_chain(
    tap: &str,
    log: &ConnectionLogSpec,
    groups: &[SecurityGroupId],
    desired: &Desired,
    direction: Direction,
) -> String {
    let to = |verdict| Chain::Log(tap.to_owned(), direction, verdict);
    let rules: String = if log.verdicts.contains(&Verdict::Accepted) {
        let known = groups.iter().filter_map(|id| desired.security_groups.get(id));
        let verdict = |id| format!("meta mark set meta mark & 0xff | {:#x} goto {}", mark(id), to(Verdict::Accepted));
        known.map(|group| group::rules(group, direction, verdict)).collect()
    } else {
        group::jumps(groups, direction)
    };
    let end = if log.verdicts.contains(&Verdict::Dropped) {
        format!("counter goto {}\n", to(Verdict::Dropped))
    } else {
        "counter drop\n".to_owned()
    };
    rules + &end
}

/// The chain that logs what ends with a verdict.
pub fn chain(tap: &str, log: &ConnectionLogSpec, direction: Direction, verdict: Verdict) -> String {
    let end = if verdict == Verdict::Accepted { "accept" } else { "drop" };
    limited(log, &format!("{} {} {tap}", verdict.as_str(), direction.as_str()), end)
}

/// The chain that logs what port security refuses.
pub fn refused_chain(tap: &str, log: &ConnectionLogSpec) -> String {
    limited(log, &format!("refused {} {tap}", Direction::Egress.as_str()), "return")
}

fn limited(log: &ConnectionLogSpec, about: &str, end: &str) -> String {
    let rate = log.records_per_second;
    format!(
        "limit rate {rate}/second burst {rate} packets log prefix \"ik {about}\" group {GROUP} snaplen {SNAP} {end}\n\
         counter {end}\n"
    )
}

/// The bits of a packet's mark that tell which rule accepted it: the end of the rule's id, which is
/// random. The tables' own marks are below.
pub fn mark(id: SecurityGroupRuleId) -> u32 {
    let [.., a, b, c] = id.as_uuid().into_bytes();
    u32::from_be_bytes([a, b, c, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_agent_wire::{RuleSpec, SecurityGroupSpec};
    use iroko_model::security_group::Rule;
    use std::sync::Arc;
    use uuid::Uuid;

    fn spec(verdicts: &[Verdict]) -> ConnectionLogSpec {
        ConnectionLogSpec { verdicts: verdicts.to_vec(), records_per_second: 10 }
    }

    #[test]
    fn chains_as_text() {
        let (known, unknown): (SecurityGroupId, SecurityGroupId) =
            (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
        let text =
            r#"{"direction":"ingress","ethertype":"ipv4","protocol":"tcp","ports":{"from":22,"to":22},"remote":"any"}"#;
        let rule = RuleSpec { id: Uuid::from_u128(0xabcdef).into(), rule: serde_json::from_str::<Rule>(text).unwrap() };
        let group = SecurityGroupSpec { id: known, generation: 1, is_stateful: true, rules: vec![rule] };
        let mut desired = Desired::default();
        desired.security_groups.insert(known, Arc::new(group));
        let chain = |verdicts: &[Verdict], direction| {
            port_chain("ikt1", &spec(verdicts), &[known, unknown], &desired, direction)
        };
        let copy = "meta nfproto ipv4 tcp dport 22 counter meta mark set meta mark & 0xff | 0xabcdef00 goto accepted_in_ikt1 \
                    comment \"00000000-0000-0000-0000-000000abcdef\"\n";
        let (one, two) = ("jump in_00000000000000000000000000000001\n", "jump in_00000000000000000000000000000002\n");
        let (accepted, dropped) = ([Verdict::Accepted], [Verdict::Dropped]);
        let both = [Verdict::Accepted, Verdict::Dropped];
        assert_eq!(chain(&accepted, Direction::Ingress), format!("{copy}counter drop\n"));
        assert_eq!(chain(&accepted, Direction::Egress), "counter drop\n");
        assert_eq!(chain(&dropped, Direction::Ingress), format!("{one}{two}counter goto dropped_in_ikt1\n"));
        assert_eq!(chain(&both, Direction::Ingress), format!("{copy}counter goto dropped_in_ikt1\n"));
        let log = "limit rate 10/second burst 10 packets log prefix";
        assert_eq!(
            super::chain("ikt1", &spec(&both), Direction::Ingress, Verdict::Accepted),
            format!("{log} \"ik accepted ingress ikt1\" group 7709 snaplen 128 accept\ncounter accept\n")
        );
        assert_eq!(
            super::chain("ikt1", &spec(&both), Direction::Egress, Verdict::Dropped),
            format!("{log} \"ik dropped egress ikt1\" group 7709 snaplen 128 drop\ncounter drop\n")
        );
        assert_eq!(
            refused_chain("ikt1", &spec(&both)),
            format!("{log} \"ik refused egress ikt1\" group 7709 snaplen 128 return\ncounter return\n")
        );
    }
}
