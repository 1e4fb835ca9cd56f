//! Limits of a port on the real kernel.

use crate::frame::{ethernet, udp4};
use crate::guest::Guest;
use crate::lab::{Host, Net, set_port};
use crate::needs_kernel;
use iroko_agent_link::wire::PortSpec;
use iroko_model::port::PortLimits;
use std::time::Instant;

/// Frames that ended at a limit.
fn dropped(host: &Host, chain: &str, port: &PortSpec) -> u64 {
    let rules =
        host.sh(&format!("nft list chain bridge ik limit_{chain}_{} | grep -o 'counter packets [0-9]*'", port.tap));
    rules.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

fn send(from: &mut Guest, to: &Guest, frames: usize, octets: usize) {
    let frame = ethernet(to.mac, from.mac, 0x0800, &udp4((from.ip, 7000), (to.ip, 7000), &vec![7; octets]));
    (0..frames).for_each(|_| from.send(&frame));
}

/// What is over a rate is dropped, and what is within it and its burst is not; a changed limit is
/// one thing, and a hand is found.
#[test]
fn ports_carry_no_more_than_they_may() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x601));
    let (mut a, mut b) = (net.port(10), net.port(20));
    a.limits = PortLimits { egress_packets_s: Some(100), ..PortLimits::default() };
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    let (mut one, two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));

    let start = Instant::now();
    send(&mut one, &two, 300, 100);
    let most = 10 + 2 + (start.elapsed().as_secs_f64() * 100.0).ceil() as u64;
    let passed = 300 - dropped(&host, "out", &a);
    assert!((10..=most).contains(&passed), "{passed} of 300 frames passed, at most {most} may");

    a.limits = PortLimits::default();
    b.limits = PortLimits { ingress_kbit_s: Some(800), ..PortLimits::default() };
    assert!(!host.change(vec![set_port(&a), set_port(&b)]).outstanding);
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    let start = Instant::now();
    send(&mut one, &two, 400, 1400);
    let frame = 1400 + 8 + 20;
    let most = 256 * 1024 + frame + (start.elapsed().as_secs_f64() * 100_000.0).ceil() as u64;
    let frames = dropped(&host, "in", &b);
    let passed = (400 - frames) * frame;
    assert!((200 * 1024..=most).contains(&passed), "{passed} bytes passed, at most {most} may");

    b.limits.ingress_kbit_s = Some(100_000_000);
    assert_eq!(host.change(vec![set_port(&b)]).actions, 1, "as much as can be limited");
    host.sh(&format!("nft flush chain bridge ik limit_in_{}", b.tap));
    assert_eq!(host.full().actions, 1);
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    b.limits = PortLimits::default();
    assert!(!host.change(vec![set_port(&b)]).outstanding);
    assert!(!host.sh("nft list table bridge ik").contains("chain limit_"));
}
