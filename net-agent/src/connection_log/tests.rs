use super::*;
use iroko_agent_wire::{ConnectionLogSpec, RuleSpec, SecurityGroupSpec};
use iroko_model::port::PortLimits;
use iroko_model::security_group::Rule;
use iroko_model::{Hostname, InstanceId, NetworkId, PortId, SecurityGroupId};

fn group() -> SecurityGroupSpec {
    let text = r#"{"direction":"ingress","ethertype":"ipv4","remote":"any"}"#;
    let rule = || RuleSpec { id: SecurityGroupRuleId::new(), rule: serde_json::from_str::<Rule>(text).unwrap() };
    SecurityGroupSpec { id: SecurityGroupId::new(), generation: 1, is_stateful: true, rules: vec![rule(), rule()] }
}

fn port(groups: Vec<SecurityGroupId>, verdicts: Vec<Verdict>) -> PortSpec {
    PortSpec {
        id: PortId::new(),
        network_id: NetworkId::new(),
        instance_id: InstanceId::new(),
        generation: 1,
        tap: "ikt1".to_owned(),
        mac: MacAddress::local([1; 5]),
        addresses: vec![],
        hostname: Hostname::try_from("vm".to_owned()).unwrap(),
        security_group_ids: Some(groups),
        is_secured: true,
        allowed_address_pairs: vec![],
        limits: PortLimits::default(),
        connection_log: Some(ConnectionLogSpec { verdicts, records_per_second: 10 }),
    }
}

fn logged(about: &str, mark: u32) -> Logged {
    let hardware = [[9; 6], [2; 6]].concat();
    Logged { prefix: format!("ik {about}"), mark, ethertype: 0x0800, hardware, payload: vec![] }
}

fn told(desired: &Desired, packet: &Logged) -> Option<ConnectionRecord> {
    let seen = recorded(std::slice::from_ref(packet), desired, OffsetDateTime::UNIX_EPOCH);
    seen.into_iter().next().map(|(_, record)| record)
}

#[test]
fn records_say_what_the_filter_said() {
    let group = group();
    let port = port(vec![group.id], vec![Verdict::Accepted, Verdict::Dropped]);
    let mut desired = Desired::default();
    let rule = group.rules[1].id;
    desired.security_groups.insert(group.id, Arc::new(group));
    desired.ports.insert(port.id, Arc::new(port.clone()));
    let seen = told(&desired, &logged("accepted ingress ikt1", mark(rule) | 0x12)).unwrap();
    assert_eq!((seen.port_id, seen.verdict, seen.reason), (port.id, Verdict::Accepted, Reason::Rule));
    assert_eq!((seen.direction, seen.rule_id), (Direction::Ingress, Some(rule)));
    assert_eq!(seen.source_mac, Some(MacAddress::from_octets([2; 6])));
    let seen = told(&desired, &logged("accepted egress ikt1", mark(rule))).unwrap();
    assert_eq!((seen.direction, seen.rule_id), (Direction::Egress, None), "no rule of that direction");
    let seen = told(&desired, &logged("dropped egress ikt1", 0)).unwrap();
    assert_eq!((seen.verdict, seen.reason, seen.rule_id), (Verdict::Dropped, Reason::NoRule, None));
    assert_eq!(told(&desired, &logged("refused egress ikt1", 0)).unwrap().reason, Reason::PortSecurity);
    for other in ["accepted ingress ikt2", "accepted ingress", "something ingress ikt1", ""] {
        assert_eq!(told(&desired, &logged(other, 0)), None, "{other}");
    }
    let quiet = PortSpec { connection_log: None, ..port.clone() };
    desired.ports.insert(port.id, Arc::new(quiet));
    assert_eq!(told(&desired, &logged("dropped egress ikt1", 0)), None, "who does not ask any more");
    let other = Some(ConnectionLogSpec { verdicts: vec![Verdict::Accepted], records_per_second: 1 });
    desired.ports.insert(port.id, Arc::new(PortSpec { connection_log: other, ..port }));
    assert_eq!(told(&desired, &logged("dropped egress ikt1", 0)), None, "who asks for something else");
}

#[test]
fn the_queue_is_bounded_and_what_is_lost_is_counted() {
    let mut desired = Desired::default();
    let port = port(vec![], vec![Verdict::Dropped]);
    desired.ports.insert(port.id, Arc::new(port));
    let packets = vec![logged("dropped ingress ikt1", 0); QUEUE + 3];
    let records = Records::default();
    assert!(records.oldest(ConnectionReport::MAX).is_empty() && records.lost().is_empty());
    records.push(recorded(&packets, &desired, OffsetDateTime::UNIX_EPOCH));
    let first = records.oldest(ConnectionReport::MAX);
    assert_eq!(first.len(), ConnectionReport::MAX);
    assert_eq!(records.oldest(ConnectionReport::MAX), first, "what has not arrived is told again");
    records.told(first.len());
    assert_ne!(records.oldest(ConnectionReport::MAX)[0].id, first[0].id);
    let lost = records.lost();
    assert_eq!((lost.len(), lost[0].packets, &lost[0].meter), (1, 3, &Meter::Unlogged("ikt1".to_owned())));
    (0..QUEUE).for_each(|_| records.told(ConnectionReport::MAX));
    assert!(records.oldest(ConnectionReport::MAX).is_empty());
}

/// One that the control plane cannot take holds up none of the others.
#[tokio::test]
async fn a_record_that_cannot_be_told_is_lost_alone() {
    let mut desired = Desired::default();
    let port = port(vec![], vec![Verdict::Dropped]);
    desired.ports.insert(port.id, Arc::new(port));
    let records = Records::default();
    records.push(recorded(&vec![logged("dropped ingress ikt1", 0); 700], &desired, OffsetDateTime::UNIX_EPOCH));
    let all = records.oldest(QUEUE);
    let bad = [all[3].id, all[4].id, all[699].id];
    let told = Mutex::new(Vec::new());
    let send = async |batch: Vec<ConnectionRecord>| {
        if batch.iter().any(|record| bad.contains(&record.id)) {
            return Err(LinkError::NotTaken(422));
        }
        told.lock().unwrap().extend(batch);
        Ok(())
    };
    let (mut portion, mut rounds) = (ConnectionReport::MAX, 0);
    while !records.oldest(1).is_empty() {
        tell_some(&mut portion, &records, send).await.unwrap();
        rounds += 1;
    }
    assert!(rounds < 60, "{rounds}");
    let expected: Vec<_> = all.into_iter().filter(|record| !bad.contains(&record.id)).collect();
    assert_eq!(told.into_inner().unwrap(), expected);
    assert_eq!(records.lost()[0].packets, 3, "they are counted");

    // Whoever does not answer now may answer later.
    records.push(recorded(&[logged("dropped ingress ikt1", 0)], &desired, OffsetDateTime::UNIX_EPOCH));
    assert!(tell_some(&mut portion, &records, async |_| Err(LinkError::Refused)).await.is_err());
    assert_eq!((records.oldest(2).len(), records.lost()[0].packets), (1, 3));
}
