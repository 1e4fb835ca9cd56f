//! Connection logs on the real kernel: what is recorded, that a flood is not, and that no verdict changes by it.

use crate::frame::{ethernet, udp4, udp6};
use crate::groups::{Pair, group, marker_rule, rule, set_group, six};
use crate::guest::{Guest, PATIENCE, earned};
use crate::lab::{Host, Net, set_port};
use crate::needs_kernel;
use iroko_agent_wire::{ConnectionLogSpec, Headers, PortSpec};
use iroko_model::connection_log::Verdict;
use iroko_model::security_group::{Direction, Ethertype, Protocol};
use iroko_net_agent::Linux;
use iroko_net_agent::connection_log::nflog::{Logged, NfLog};
use iroko_net_agent::connection_log::{Records, packet};
use iroko_net_agent::firewall::log::mark;
use iroko_net_agent::statistics::Statistics;
use std::sync::Arc;

const BOTH: [Verdict; 2] = [Verdict::Accepted, Verdict::Dropped];

/// Reads the host's log as its agent does.
struct Reader {
    packets: std::sync::mpsc::Receiver<Logged>,
}

impl Reader {
    fn new(host: &Host) -> Self {
        let (send, packets) = std::sync::mpsc::channel();
        // In the host's namespace for as long as somebody listens.
        let log = host.on(|runtime, _| {
            runtime.block_on(async {
                let log = NfLog::open().await.unwrap();
                assert!(NfLog::open().await.is_err(), "the group has one reader");
                log
            })
        });
        host.on(move |runtime, _| {
            runtime.spawn(async move {
                while let Ok(packets) = log.next().await {
                    if packets.into_iter().any(|packet| send.send(packet).is_err()) {
                        return;
                    }
                }
            });
        });
        Self { packets }
    }

    /// Lets the host's runtime run until so many packets have come.
    fn take(&self, host: &Host, count: usize) -> Vec<Logged> {
        let (start, mut seen) = (std::time::Instant::now(), Vec::new());
        while seen.len() < count {
            assert!(start.elapsed() < PATIENCE, "{count} did not come: {seen:?}");
            host.on(|runtime, _| {
                runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(20)).await })
            });
            seen.extend(self.packets.try_iter());
        }
        seen
    }
}

fn log(verdicts: &[Verdict], records_per_second: u32) -> Option<ConnectionLogSpec> {
    Some(ConnectionLogSpec { verdicts: verdicts.to_vec(), records_per_second })
}

fn headers(logged: &Logged) -> Headers {
    packet::headers(logged.ethertype, &logged.payload)
}

/// What the log says of a packet, in short: `accepted ingress 9`.
fn short(seen: &[Logged], tap: &str) -> Vec<String> {
    let one = |logged: &Logged| {
        let about = logged.prefix.strip_prefix("ik ").unwrap().strip_suffix(tap).unwrap();
        format!("{about}{}", headers(logged).destination_port.unwrap_or_default())
    };
    let mut all: Vec<String> = seen.iter().map(one).collect();
    all.sort();
    all
}

/// Both verdicts, both directions, both families; and what passes is what passed without it.
#[test]
fn what_is_asked_for_is_recorded() {
    needs_kernel!();
    let sends = group(vec![
        rule(Direction::Egress, Ethertype::Ipv4, Some(Protocol::UDP), Some(9)),
        rule(Direction::Egress, Ethertype::Ipv6, Some(Protocol::UDP), Some(9)),
    ]);
    let takes = group(vec![
        marker_rule(),
        rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::UDP), Some(9)),
        rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::UDP), Some(8)),
    ]);
    let mut pair = Pair::new(0x801, &sends, &takes);
    let (a, b) = (pair.guests.0.ip, pair.guests.1.ip);
    let (a6, b6) = (six(&pair.ports.0), six(&pair.ports.1));
    let readers = (Reader::new(&pair.hosts.0), Reader::new(&pair.hosts.1));
    for is_logged in [false, true] {
        for (host, port) in [(&pair.hosts.0, &mut pair.ports.0), (&pair.hosts.1, &mut pair.ports.1)] {
            port.connection_log = if is_logged { log(&BOTH, 100) } else { None };
            assert!(!host.change(vec![set_port(port)]).outstanding, "{}", host.outstanding());
            assert_eq!(host.full().actions, 0, "{}", host.outstanding());
        }
        let source = if is_logged { 7001 } else { 7000 };
        for (to, passes) in [(9, true), (8, false), (7, false)] {
            let text = format!("to-{to}-{is_logged}");
            let packet = udp4((a, source), (b, to), text.as_bytes());
            assert_eq!(pair.passes(&packet, 0x0800, text.as_bytes()), passes, "{text}");
            let packet = udp6((a6, source), (b6, to), text.as_bytes());
            assert_eq!(pair.passes(&packet, 0x86dd, text.as_bytes()), passes, "{text}, IPv6");
        }
    }
    // Each of the six was followed by a marker to port 9 over IPv6; nothing answers it.
    let seen = readers.0.take(&pair.hosts.0, 12);
    let tap = pair.ports.0.tap.clone();
    let accepted = std::iter::repeat_n("accepted egress 9", 8);
    let expected: Vec<&str> = accepted.chain(["dropped egress 7"; 2]).chain(["dropped egress 8"; 2]).collect();
    assert_eq!(short(&seen, &tap), expected);
    let of_six =
        seen.iter().find(|logged| logged.ethertype == 0x86dd && headers(logged).source_port == Some(7001)).unwrap();
    let said = headers(of_six);
    assert_eq!((said.source, said.destination), (Some(a6.into()), Some(b6.into())));
    assert_eq!((said.source_port, said.destination_port, said.protocol), (Some(7001), Some(9), Some(17)));
    assert!(of_six.prefix.contains(" accepted "), "{of_six:02x?}");
    assert_eq!(of_six.mark & 0xffff_ff00, mark(sends.rules[1].id), "which rule it was");
    assert_eq!(of_six.hardware.get(6..12), Some(&pair.ports.0.mac.octets()[..]));

    // Of what its host let out the second's host has the other half.
    let seen = readers.1.take(&pair.hosts.1, 8);
    assert_eq!(short(&seen, &pair.ports.1.tap), ["accepted ingress 9"; 8]);
    let marks: Vec<u32> = seen.iter().map(|logged| logged.mark & 0xffff_ff00).collect();
    assert!(marks.contains(&mark(takes.rules[0].id)) && marks.contains(&mark(takes.rules[1].id)), "{marks:x?}");

    // A rule more is a copy more; what it lets through is recorded as its own.
    let mut more = sends.clone();
    more.rules.extend(group(vec![rule(Direction::Egress, Ethertype::Ipv4, Some(Protocol::UDP), Some(8))]).rules);
    pair.hosts.0.change(vec![set_group(&more)]);
    assert!(pair.passes(&udp4((a, 7002), (b, 8), b"now it may"), 0x0800, b"now it may"));
    let seen = readers.0.take(&pair.hosts.0, 2);
    assert_eq!(short(&seen, &tap), ["accepted egress 8", "accepted egress 9"]);
    assert!(seen.iter().any(|logged| logged.mark & 0xffff_ff00 == mark(more.rules[2].id)), "{seen:02x?}");
}

#[test]
fn what_port_security_refuses_is_recorded() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x802));
    let (mut a, b) = (net.port(10), net.port(20));
    a.security_group_ids = Some(vec![]);
    a.connection_log = log(&[Verdict::Dropped], 100);
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    let (mut one, two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    let reader = Reader::new(&host);
    let foreign = "10.0.0.99".parse().unwrap();
    one.send(&ethernet(two.mac, one.mac, 0x0800, &udp4((foreign, 7000), (two.ip, 9), b"spoofed")));
    let seen = reader.take(&host, 1);
    assert_eq!(seen[0].prefix, format!("ik refused egress {}", a.tap));
    let said = headers(&seen[0]);
    assert_eq!((said.source, said.destination_port), (Some(foreign.into()), Some(9)), "{seen:02x?}");
    assert_eq!(seen[0].hardware.get(6..12), Some(&a.mac.octets()[..]), "{seen:02x?}");
}

fn lost(host: &Host, port: &PortSpec) -> u64 {
    let (desired, id) = (host.desired.clone(), port.id);
    host.on(move |runtime, agent| {
        runtime.block_on(async {
            let kernel = Arc::new(Linux::open(&agent.config).unwrap());
            let mut statistics = Statistics::open(&agent.config, kernel, Records::default());
            statistics.count(&desired).await.unwrap();
            let (ports, _) = statistics.unsent();
            ports.iter().find(|counts| counts.id == id).map(|counts| counts.records_lost).unwrap_or_default()
        })
    })
}

/// A flood is bounded by the kernel, and all of it is either recorded or counted.
#[test]
fn a_flood_is_counted_and_not_recorded() {
    needs_kernel!();
    const FLOOD: usize = 500;
    let (host, net) = (Host::new(1), Net::new(0x803));
    let (mut a, b) = (net.port(10), net.port(20));
    a.security_group_ids = Some(vec![]);
    a.connection_log = log(&[Verdict::Dropped], 2);
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    lost(&host, &a);
    let (mut one, two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    let reader = Reader::new(&host);
    let start = std::time::Instant::now();
    for _ in 0..FLOOD {
        one.send(&ethernet(two.mac, one.mac, 0x0800, &udp4((one.ip, 7000), (two.ip, 9), b"flood")));
    }
    let most = 2 + usize::try_from(earned(start, 2)).unwrap();
    let counted = usize::try_from(lost(&host, &a)).unwrap();
    assert!((FLOOD - most..FLOOD).contains(&counted), "{counted} of {FLOOD} were not recorded; at most {most} may be");
    assert_eq!(reader.take(&host, FLOOD - counted).len(), FLOOD - counted);

    // Nobody asks any more: nothing of it is left.
    a.connection_log = None;
    assert!(!host.change(vec![set_port(&a)]).outstanding);
    let tables = host.sh("nft list ruleset");
    assert!(
        !tables.contains("log prefix") && !tables.contains("dropped_") && !tables.contains("refused_ikt"),
        "{tables}"
    );
}
