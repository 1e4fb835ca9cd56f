//! Limits of a port on the real kernel.

use crate::frame::{ethernet, udp4};
use crate::guest::{Guest, earned};
use crate::instance::Instance;
use crate::lab::{Host, Net, set_port};
use crate::needs_kernel;
use iroko_agent_wire::{Change, ObjectKey, PortSpec};
use iroko_model::port::PortLimits;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Octets of a frame of [`send`] with a payload of 1400.
const FRAME: u64 = 1400 + 8 + 20 + 14;
/// What a slow queue lets through at once and what it holds.
const BURST: u64 = 16 << 10;
const HELD: u64 = 24 << 10;

/// Frames that ended at a limit.
fn dropped(host: &Host, chain: &str, port: &PortSpec) -> u64 {
    let rules =
        host.sh(&format!("nft list chain bridge ik limit_{chain}_{} | grep -o 'counter packets [0-9]*'", port.tap));
    rules.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// What a queue says of itself.
#[derive(Debug)]
pub struct Queue {
    bytes: u64,
    packets: u64,
    pub drops: u64,
    overlimits: u64,
}

pub fn queue(host: &Host, device: &str) -> Queue {
    let text = host.sh(&format!("tc -s -j qdisc show dev {device} root"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json[0]["kind"], "tbf", "{text}");
    let number = |name: &str| json[0][name].as_u64().unwrap();
    let (bytes, packets) = (number("bytes"), number("packets"));
    Queue { bytes, packets, drops: number("drops"), overlimits: number("overlimits") }
}

/// The device that queues what comes from a port.
pub fn shaper(port: &PortSpec) -> String {
    port.tap.replacen("ikt", "iki", 1)
}

pub fn send(from: &mut Guest, to: &Guest, frames: usize, octets: usize) {
    let frame = ethernet(to.mac, from.mac, 0x0800, &udp4((from.ip, 7000), (to.ip, 7000), &vec![7; octets]));
    (0..frames).for_each(|_| from.send(&frame));
}

fn is_quiet(host: &Host) {
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
}

/// Packets over the rate are dropped, and those within it and its burst are not; a changed limit is
/// one thing, and a hand is found.
#[test]
fn ports_carry_no_more_than_they_may() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x601));
    let (mut a, b) = (net.port(10), net.port(20));
    a.limits = PortLimits { egress_packets_s: Some(100), ..PortLimits::default() };
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    is_quiet(&host);
    let (mut one, two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));

    let start = Instant::now();
    send(&mut one, &two, 300, 100);
    let most = 10 + 2 + earned(start, 100);
    let passed = 300 - dropped(&host, "out", &a);
    assert!((10..=most).contains(&passed), "{passed} of 300 frames passed, at most {most} may");

    a.limits.egress_packets_s = Some(200);
    assert_eq!(host.change(vec![set_port(&a)]).actions, 1);
    host.sh(&format!("nft flush chain bridge ik limit_out_{}", a.tap));
    assert_eq!(host.full().actions, 1);
    is_quiet(&host);
    a.limits = PortLimits::default();
    assert!(!host.change(vec![set_port(&a)]).outstanding);
    assert!(!host.sh("nft list table bridge ik").contains("chain limit_"));
}

/// Where the kernel has no queues, bytes over the rate are dropped.
#[test]
fn without_queues_bytes_are_dropped() {
    needs_kernel!();
    let (host, net) = (Host::with(1, |config| config.shaping = false), Net::new(0x602));
    let (a, mut b) = (net.port(10), net.port(20));
    b.limits = PortLimits { ingress_kbit_s: Some(800), ..PortLimits::default() };
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    is_quiet(&host);
    let (mut one, two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    let start = Instant::now();
    send(&mut one, &two, 400, 1400);
    let packet = FRAME - 14;
    let most = 256 * 1024 + packet + earned(start, 100_000);
    let frames = dropped(&host, "in", &b);
    let passed = (400 - frames) * packet;
    assert!((200 * 1024..=most).contains(&passed), "{passed} bytes passed, at most {most} may");

    b.limits.ingress_kbit_s = Some(100_000_000);
    assert_eq!(host.change(vec![set_port(&b)]).actions, 1, "as much as can be limited");
    is_quiet(&host);
    b.limits = PortLimits::default();
    assert!(!host.change(vec![set_port(&b)]).outstanding);
    assert!(!host.sh("nft list table bridge ik").contains("chain limit_"));
}

/// Bytes over the rate wait, as many as the queue holds and no more, in each direction.
#[test]
fn bytes_wait_in_a_short_queue() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x603));
    let (mut a, mut b) = (net.port(10), net.port(20));
    a.limits = PortLimits { egress_kbit_s: Some(800), ..PortLimits::default() };
    b.limits = PortLimits { ingress_kbit_s: Some(800), ..PortLimits::default() };
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    is_quiet(&host);
    let (mut one, mut two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    // Some frames of others, and what is in between.
    let slack = 8 * FRAME;
    for (device, from_limited) in [(shaper(&a), true), (b.tap.clone(), false)] {
        if !from_limited {
            a.limits = PortLimits::default();
            assert!(!host.change(vec![set_port(&a)]).outstanding);
            is_quiet(&host);
        }
        let (start, before) = (Instant::now(), queue(&host, &device));
        send(&mut one, &two, 400, 1400);
        let (now, earned) = (queue(&host, &device), earned(start, 100_000));
        let taken = (400 - (now.drops - before.drops)) * FRAME;
        let held = BURST + HELD;
        let within =
            if from_limited { held - slack..=held + earned + slack } else { HELD - slack..=held + earned + slack };
        assert!(within.contains(&taken), "{device}: {taken} bytes were taken, {within:?} should be");
        let most = BURST + earned + slack;
        assert!(now.bytes - before.bytes <= most, "{device}: {now:?}, at most {most} bytes may be through");
    }
    // What waited comes: the last frame that was taken is there in the end.
    let mut came = 0;
    two.expect("what waited", |frame| {
        came += u64::from(frame.len() as u64 == FRAME);
        (came * FRAME > BURST + HELD - slack).then_some(())
    });
}

/// Queues change in place, are mended, survive the agent, and go with the limit and with the port.
#[test]
fn queues_are_mended_and_leave_nothing_behind() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x604));
    let (mut a, b) = (net.port(10), net.port(20));
    let limits = |ingress, egress| PortLimits {
        ingress_kbit_s: Some(ingress),
        egress_kbit_s: Some(egress),
        ..PortLimits::default()
    };
    a.limits = limits(10_000, 20_000);
    assert!(!host.change(vec![net.set(), set_port(&a), set_port(&b)]).outstanding, "{}", host.outstanding());
    is_quiet(&host);
    let (tap, shaper) = (a.tap.clone(), shaper(&a));
    for (ingress, egress, changes) in [(10_000, 40_000, 1), (100_000_000, 40_000, 1), (8, 8, 2), (10_000, 20_000, 2)] {
        a.limits = limits(ingress, egress);
        let seen = host.change(vec![set_port(&a)]);
        assert_eq!((seen.actions, seen.outstanding), (changes, false), "{}", host.outstanding());
        is_quiet(&host);
        host.restart();
        is_quiet(&host);
    }
    for harm in [
        format!("tc qdisc del dev {tap} root"),
        format!("tc qdisc replace dev {tap} root handle 9: pfifo"),
        format!("tc qdisc change dev {tap} root handle 696b: tbf rate 1gbit burst 125000 limit 62500"),
        format!("tc qdisc change dev {tap} root handle 696b: tbf rate 10mbit burst 16384 limit 1250000"),
        format!("tc qdisc change dev {tap} root handle 696b: tbf rate 10mbit burst 160000 limit 62500"),
        format!("tc qdisc del dev {tap} ingress"),
        format!("tc filter del dev {tap} ingress"),
        format!("tc qdisc del dev {shaper} root"),
        format!("tc qdisc change dev {shaper} root handle 696b: tbf rate 1mbit burst 16384 limit 24576"),
        format!("ip link set {shaper} down"),
        format!("ip link del {shaper}"),
        format!("ip link del {shaper}; ip link add {shaper} type veth peer name other"),
        format!("ip link del {tap}"),
        "ip link add iki0123456789ab type ifb".to_owned(),
    ] {
        host.sh(&harm);
        let mended = host.full();
        assert!(mended.actions > 0 && !mended.outstanding, "{harm}: {mended:?} {}", host.outstanding());
        is_quiet(&host);
    }
    host.sh(&format!("tc qdisc add dev {} ingress", b.tap));
    assert_eq!(host.full().actions, 1, "what would come from a port without a limit is led nowhere");
    is_quiet(&host);

    a.limits = PortLimits::default();
    assert_eq!(host.change(vec![set_port(&a)]).actions, 2);
    let left = |host: &Host| host.sh("tc qdisc show; ip -o link");
    let seen = left(&host);
    assert!(!seen.contains("tbf") && !seen.contains("ingress") && !seen.contains("iki"), "{seen}");
    a.limits = limits(10_000, 20_000);
    assert_eq!(host.change(vec![set_port(&a)]).actions, 2);
    host.change(vec![Change::Gone(ObjectKey::Port(a.id))]);
    let seen = left(&host);
    assert!(!seen.contains("tbf") && !seen.contains("ingress") && !seen.contains("iki"), "{seen}");
    is_quiet(&host);
}

/// Sends so many bytes over TCP; gives the time from the first to the last.
fn transfer(from: &Instance, to: &Instance, address: IpAddr, bytes: usize) -> Duration {
    let at = SocketAddr::new(address, 9000);
    let listener = to.on(move || TcpListener::bind(at).unwrap());
    let received = to.begin(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        (rest.len(), Instant::now())
    });
    let start = from.on(move || {
        let mut stream = TcpStream::connect(at).unwrap();
        let start = Instant::now();
        stream.write_all(&vec![7; bytes]).unwrap();
        start
    });
    let (came, end) = received.recv().unwrap();
    assert_eq!(came, bytes);
    end - start
}

/// TCP of two instances is held to the rate in each direction, and hardly anything goes through twice.
/// How fast it was is printed; that it was not too fast is certain.
#[test]
fn tcp_keeps_to_the_rate() {
    needs_kernel!();
    const BYTES: usize = 3_000_000;
    let (host, net) = (Host::new(1), Net::new(0x605));
    let (mut a, b) = (net.port(10), net.port(20));
    a.limits = PortLimits { ingress_kbit_s: Some(16_000), egress_kbit_s: Some(8_000), ..PortLimits::default() };
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    is_quiet(&host);
    Guest::boot(&host, &a);
    Guest::boot(&host, &b);
    let (one, two) = (Instance::boot(&host, &a), Instance::boot(&host, &b));
    for (from, to, at, device, rate) in
        [(&one, &two, b.addresses[0], shaper(&a), 1_000_000), (&two, &one, a.addresses[1], a.tap.clone(), 2_000_000)]
    {
        let before = queue(&host, &device);
        let took = transfer(from, to, at, BYTES);
        let after = queue(&host, &device);
        let (bytes, drops) = (after.bytes - before.bytes, after.drops - before.drops);
        let speed = BYTES as f64 * 8e-6 / took.as_secs_f64();
        eprintln!("{speed:.2} of {} Mbit/s, {drops} of {} packets dropped", rate / 125_000, after.packets);
        let least = Duration::from_secs_f64((BYTES as f64 - 20_000.0) / f64::from(rate));
        assert!(took >= least, "{took:?} is faster than {least:?}");
        assert!(after.overlimits > before.overlimits, "it was held back: {after:?}");
        assert!(bytes < BYTES as u64 * 11 / 10, "{bytes} bytes were sent for {BYTES}");
    }
}
