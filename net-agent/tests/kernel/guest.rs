//! Guests: a tap opened as QEMU would, and frames written and read by hand.

use crate::lab::Host;
use iroko_agent_wire::PortSpec;
use iroko_model::MacAddress;
use iroko_net_agent::link::tap;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Bound of every wait.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Length of the header that `vnet_hdr` puts before each frame.
const VNET_HEADER: usize = 10;

/// What a bucket that gets so many a second has got since then, at most.
pub fn earned(since: Instant, per_second: u32) -> u64 {
    u64::try_from((since.elapsed().as_micros() * u128::from(per_second)).div_ceil(1_000_000)).unwrap()
}

pub struct Guest {
    tap: File,
    pub mac: MacAddress,
    pub ip: Ipv4Addr,
}

impl Guest {
    /// Opens a port's tap and waits until the bridge forwards for it.
    pub fn boot(host: &Host, port: &PortSpec) -> Self {
        let name = port.tap.clone();
        let tap = host.on(move |_, _| tap::open(&name)).unwrap();
        let flags = OFlag::from_bits_retain(fcntl(tap.as_fd(), FcntlArg::F_GETFL).unwrap());
        fcntl(tap.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
        let state = format!("cat /sys/class/net/{}/brport/state", port.tap);
        let start = Instant::now();
        while host.try_sh(&state).1.trim() != "3" {
            assert!(start.elapsed() < PATIENCE, "the tap does not forward: {}", host.try_sh("ip -d link").1);
            std::thread::yield_now();
        }
        let ip = port.addresses.iter().find_map(|ip| if let IpAddr::V4(v4) = ip { Some(*v4) } else { None });
        Self { tap, mac: port.mac, ip: ip.unwrap() }
    }

    pub fn send(&mut self, frame: &[u8]) {
        self.send_with([0; VNET_HEADER], frame);
    }

    /// Sends what the host is to cut and checksum as the header says (`struct virtio_net_hdr`).
    pub fn send_with(&mut self, header: [u8; VNET_HEADER], frame: &[u8]) {
        let packet = [&header[..], frame].concat();
        let start = Instant::now();
        loop {
            match self.tap.write(&packet) {
                Ok(written) => return assert_eq!(written, packet.len(), "a tap takes whole frames"),
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
        }
    }

    /// The next frame that answers, skipping others; panics with what was seen instead.
    pub fn expect<T>(&mut self, what: &str, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> T {
        let (start, mut seen) = (Instant::now(), Vec::new());
        while start.elapsed() < PATIENCE {
            let Some(frame) = self.next() else { continue };
            if let Some(found) = wanted(&frame) {
                return found;
            }
            seen.push(frame);
        }
        panic!("{what} did not come; seen: {seen:02x?}");
    }

    /// Reads until `marker` comes and panics if `unwanted` comes before it. Frames of one sender
    /// stay in order, so what was sent before the marker and is not here was dropped.
    pub fn never_before(&mut self, marker: &[u8], what: &str, unwanted: impl Fn(&[u8]) -> bool) {
        self.expect("the marker", |frame| {
            assert!(!unwanted(frame), "{what} came through: {frame:02x?}");
            contains(frame, marker).then_some(())
        });
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut fds = [PollFd::new(self.tap.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(100u8)).unwrap();
        let mut buffer = vec![0; 65536];
        let length = self.tap.read(&mut buffer).ok()?;
        Some(buffer[VNET_HEADER.min(length)..length].to_vec())
    }
}

/// True where a frame carries these bytes.
pub fn contains(frame: &[u8], bytes: &[u8]) -> bool {
    frame.windows(bytes.len()).any(|window| window == bytes)
}
