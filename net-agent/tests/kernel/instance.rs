//! Instances with a kernel: a network namespace whose device is what a tap's guest sees. Frames are
//! carried between the two by hand, as QEMU does.

use crate::lab::Host;
use iroko_agent_wire::PortSpec;
use iroko_net_agent::link::tap;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

type Work = Box<dyn FnOnce() + Send>;

pub struct Instance {
    ended: Arc<AtomicBool>,
    tap: File,
    work: Option<mpsc::Sender<Work>>,
    threads: Vec<JoinHandle<()>>,
}

impl Instance {
    /// Boots an instance with the port's addresses on its device `eth0`.
    pub fn boot(host: &Host, port: &PortSpec) -> Self {
        let name = port.tap.clone();
        let outside = ready(host.on(move |_, _| tap::open(&name)).unwrap());
        let (work, todo) = mpsc::channel::<Work>();
        let (told, inside) = mpsc::channel();
        let kernel = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            told.send(ready(tap::open("eth0").unwrap())).unwrap();
            todo.into_iter().for_each(|work| work());
        });
        let inside = inside.recv().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let carry = |from: &File, to: &File| {
            let (from, to, ended) = (from.try_clone().unwrap(), to.try_clone().unwrap(), ended.clone());
            std::thread::spawn(move || carry(from, to, &ended))
        };
        let threads = vec![kernel, carry(&outside, &inside), carry(&inside, &outside)];
        let instance = Self { ended, tap: outside, work: Some(work), threads };
        instance.sh("ip link set lo up");
        instance.sh(&format!("ip link set eth0 address {} mtu 1450 up", port.mac));
        for ip in &port.addresses {
            let prefix = if ip.is_ipv4() { "/24" } else { "/64 nodad" };
            instance.sh(&format!("ip address add {ip}{prefix} dev eth0"));
        }
        instance
    }

    /// Begins work inside the instance; its outcome comes later.
    pub fn begin<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
        let (answer, outcome) = mpsc::channel();
        self.work.as_ref().unwrap().send(Box::new(move || drop(answer.send(work())))).unwrap();
        outcome
    }

    /// Runs work inside the instance.
    pub fn on<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.begin(work).recv().expect("the work did not panic")
    }

    pub fn sh(&self, command: &str) {
        let line = command.to_owned();
        let output = self.on(move || Command::new("sh").args(["-c", &line]).output().unwrap());
        assert!(output.status.success(), "{command}: {output:?}");
    }

    /// What a command prints; nothing where it fails.
    pub fn ask(&self, command: &str) -> String {
        let line = command.to_owned();
        let output = self.on(move || Command::new("sh").args(["-c", &line]).output().unwrap());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Sends a frame beside those of its kernel.
    pub fn send(&mut self, frame: &[u8]) {
        let packet = [&[0; 10][..], frame].concat();
        assert_eq!(self.tap.write(&packet).unwrap(), packet.len());
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(self.work.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn ready(tap: File) -> File {
    let flags = OFlag::from_bits_retain(fcntl(tap.as_fd(), FcntlArg::F_GETFL).unwrap());
    fcntl(tap.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    tap
}

/// Carries frames until the end. One that a device does not take is lost, as on any wire.
fn carry(mut from: File, mut to: File, ended: &AtomicBool) {
    let mut frame = vec![0; 1 << 17];
    while !ended.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(50u8)).unwrap();
        while let Ok(length) = from.read(&mut frame) {
            let _ = to.write(&frame[..length]);
        }
    }
}
