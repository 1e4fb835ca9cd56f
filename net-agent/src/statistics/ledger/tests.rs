use super::*;
use proptest::prelude::*;

fn counter(meter: Meter, identity: u64, packets: u64) -> Counter {
    Counter { meter, identity, packets, bytes: packets * 100 }
}

fn sent(identity: u64, packets: u64) -> Counter {
    counter(Meter::Sent("ikt1".to_owned()), identity, packets)
}

struct World {
    ledger: Ledger,
    taps: HashMap<String, PortId>,
    rules: HashSet<SecurityGroupRuleId>,
    epoch: i64,
}

impl World {
    fn new() -> Self {
        let (taps, rules) = ([("ikt1".to_owned(), PortId::new())].into(), [SecurityGroupRuleId::new()].into());
        Self { ledger: Ledger::default(), taps, rules, epoch: 0 }
    }

    fn port(&self) -> PortId {
        self.taps["ikt1"]
    }

    /// Reads, keeps, and goes on with what was kept.
    fn read(&mut self, reading: &[Counter]) -> &PortCounts {
        self.count(reading);
        let (dir, kept) = (tempfile::tempdir().unwrap(), self.ledger.clone());
        let path = dir.path().join("run/statistics.json");
        kept.save(&path).unwrap();
        self.ledger = Ledger::load(&path);
        assert_eq!(self.ledger, kept, "what is read back is what was kept");
        self.seen()
    }

    fn count(&mut self, reading: &[Counter]) {
        self.epoch += 1;
        self.ledger = self.ledger.after(reading, &self.taps, &self.rules, self.epoch);
    }

    fn seen(&self) -> &PortCounts {
        static NONE: std::sync::LazyLock<PortCounts> =
            std::sync::LazyLock::new(|| nothing(uuid::Uuid::nil().into(), 0));
        self.ledger.ports.get(&self.port()).unwrap_or(&NONE)
    }
}

#[test]
fn every_meter_has_its_count() {
    let mut world = World::new();
    let (rule, tap) = (*world.rules.iter().next().unwrap(), || "ikt1".to_owned());
    world.read(&[]);
    let meters = [
        Meter::Received(tap()),
        Meter::Sent(tap()),
        Meter::Refused(tap()),
        Meter::Unallowed(tap(), Direction::Ingress),
        Meter::Unallowed(tap(), Direction::Egress),
        Meter::OverLimit(tap(), Direction::Ingress),
        Meter::OverLimit(tap(), Direction::Egress),
        Meter::Rule(rule),
        Meter::Unlogged(tap()),
        Meter::Crowded(tap(), Direction::Ingress),
        Meter::Crowded(tap(), Direction::Egress),
    ];
    let reading: Vec<_> = (1..).zip(meters).map(|(n, meter)| counter(meter, 7, n)).collect();
    let seen = world.read(&reading).clone();
    let expected = PortCounts {
        id: world.port(),
        epoch: 2,
        rx_packets: 1,
        rx_bytes: 100,
        tx_packets: 2,
        tx_bytes: 200,
        tx_dropped_security: 3,
        rx_dropped_groups: 4,
        tx_dropped_groups: 5,
        rx_dropped_flows: 10,
        tx_dropped_flows: 11,
        rx_dropped_limits: 6,
        tx_dropped_limits: 7,
        records_lost: 9,
    };
    assert_eq!(seen, expected);
    assert_eq!(world.ledger.rules[&rule], RuleCounts { id: rule, epoch: 2, packets: 8, bytes: 800 });
    // Two counters of one meter count for it together.
    let over = |identity| counter(Meter::OverLimit("ikt1".to_owned(), Direction::Egress), identity, 10);
    assert_eq!(world.read(&[over(8), over(9)]).tx_dropped_limits, 27);
}

#[test]
fn counters_that_begin_anew_are_added() {
    let mut world = World::new();
    world.read(&[]);
    assert_eq!(world.read(&[sent(1, 10)]).tx_packets, 10);
    assert_eq!(world.read(&[sent(1, 10)]).tx_packets, 10, "read again");
    assert_eq!(world.read(&[sent(2, 12)]).tx_packets, 22, "another counter, however high");
    assert_eq!(world.read(&[sent(2, 3)]).tx_packets, 25, "the same one, begun anew");
    assert_eq!(world.read(&[]).tx_packets, 25);
    assert_eq!(world.read(&[sent(2, 4)]).tx_packets, 26, "missed by one reading");
    (0..MISSED).for_each(|_| drop(world.read(&[]).clone()));
    assert_eq!(world.read(&[sent(2, 4)]).tx_packets, 30, "gone, and another with its name");
}

#[test]
fn without_a_file_what_was_there_is_not_counted_again() {
    let mut world = World::new();
    assert_eq!(world.read(&[sent(1, 1000)]).tx_packets, 0);
    assert_eq!(world.read(&[sent(1, 1001)]).tx_packets, 1);
}

#[test]
fn a_port_that_comes_back_begins_another_epoch() {
    let mut world = World::new();
    world.read(&[]);
    assert_eq!(world.read(&[sent(1, 10)]).epoch, 2);
    let taps = std::mem::take(&mut world.taps);
    world.ledger = world.ledger.after(&[sent(1, 20)], &world.taps, &world.rules, 3);
    assert!(world.ledger.ports.is_empty(), "what is not here is not kept");
    world.taps = taps;
    let seen = world.read(&[sent(1, 25)]);
    assert_eq!((seen.epoch, seen.tx_packets), (3, 5));
}

proptest! {
    /// Whatever begins anew, and however often it is read: the sum of all that was counted, never more.
    #[test]
    fn nothing_is_counted_twice(steps in proptest::collection::vec((0u64..50, any::<bool>()), 1..60)) {
        let mut world = World::new();
        world.count(&[]);
        let (mut identity, mut now, mut all) = (1, 0, 0);
        for (grows, begins_anew) in steps {
            if begins_anew {
                (identity, now) = (identity + 1, 0);
            }
            (now, all) = (now + grows, all + grows);
            world.count(&[sent(identity, now)]);
            prop_assert_eq!(world.seen().tx_packets, all);
        }
    }
}
